package prereq

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"bootaudit/contract/check"
	"bootaudit/internal/microguest"
)

func TestAccelerator(t *testing.T) {
	works, dies, none := newFakeHost(), newFakeHost(), newFakeHost()
	dies.onKVM = errors.New("KVM stopped the guest")
	none.kvm = fs.ErrNotExist
	for _, c := range []struct {
		host *fakeHost
		name string
		why  string
	}{
		{works, "kvm", "a guest ran on KVM"},
		{dies, "tcg", "KVM stopped the guest"},
		{none, "tcg", "there is no /dev/kvm"},
	} {
		if forceTCG {
			c.name, c.why = "tcg", "built with -tags tcg"
		}
		name, why := new(choice).of(t.Context(), c.host.host())
		assert.Equal(t, c.name, name)
		assert.Contains(t, why, c.why)
	}
}

func TestAcceleratorIsChosenOnce(t *testing.T) {
	if forceTCG {
		t.Skip("built with -tags tcg: nothing is tried")
	}
	h := newFakeHost().host()
	boots := 0
	h.Boot = func(ctx context.Context, m microguest.Machine) (microguest.Report, error) {
		boots++
		return microguest.Report{}, ctx.Err()
	}
	var c choice
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	name, why := c.of(cancelled, h)
	assert.Equal(t, []string{"tcg", "context canceled"}, []string{name, why})
	for range 3 {
		name, _ = c.of(t.Context(), h)
		assert.Equal(t, "kvm", name, "what a cancelled caller got was kept")
	}
	assert.Equal(t, 2, boots)
}

// TestBusyHost: a guest that does not end says that KVM is broken where QEMU
// had a CPU to run it on, and nothing where the host was too busy. What was
// found then does not stay.
func TestBusyHost(t *testing.T) {
	if forceTCG {
		t.Skip("built with -tags tcg: nothing is tried")
	}
	for _, tt := range []struct {
		used time.Duration
		says string
		kept bool
	}{
		{3 * time.Second, "KVM is there and broken: a guest was started on it and QEMU was stopped; emulated", true},
		{300 * time.Millisecond, "KVM is there and cannot be judged: a guest was started on it, QEMU got 0.3 s of a CPU", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newFakeHost()
			h.kvmHang = tt.used
			r := auditor{host: h.host()}.kvm(t.Context())
			assert.Equal(t, check.Risk, r.Outcome)
			assert.Contains(t, r.Detail, tt.says)
			var c choice
			name, why := c.of(t.Context(), h.host())
			assert.Equal(t, "tcg", name)
			assert.Contains(t, why, tt.says)
			h.kvmHang = 0
			name, _ = c.of(t.Context(), h.host())
			assert.Equal(t, map[bool]string{true: "tcg", false: "kvm"}[tt.kept], name)
		})
	}
}
