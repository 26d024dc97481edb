package prereq

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"

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
