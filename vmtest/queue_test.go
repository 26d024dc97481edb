package vmtest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueueNeverOversubscribes(t *testing.T) {
	const host = 3
	dir := t.TempDir()
	var used, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := i%4 + 1 // 4 CPUs on a host of 3 take all of them
			release, err := reserveCPUs(t.Context(), dir, host, want, nil)
			if !assert.NoError(t, err) {
				return
			}
			now := used.Add(int64(min(want, host)))
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			time.Sleep(20 * time.Millisecond)
			used.Add(-int64(min(want, host)))
			release()
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, most.Load(), int64(host))
}

func TestShare(t *testing.T) {
	const gib = 1 << 30
	m := Machine{CPUs: 1, MemoryMiB: 1024, TBSizeMiB: 512} // 2 GiB with QEMU itself
	for _, test := range []struct {
		host int
		room uint64
		cpus int
		want int
	}{
		{2, 24 * gib, 1, 1},
		{2, 4 * gib, 1, 1},
		{2, 3 * gib, 1, 2}, // one after the other
		{2, 1 * gib, 1, 2}, // it may still do
		{8, 5 * gib, 1, 4},
		{8, 7 * gib, 1, 3},
		{8, 24 * gib, 2, 2},
	} {
		m.CPUs = test.cpus
		assert.Equal(t, test.want, share(test.host, test.room, m), "%+v", test)
	}
}

func TestQueueGivesUp(t *testing.T) {
	dir := t.TempDir()
	release, err := reserveCPUs(t.Context(), dir, 2, 2, func() { t.Error("nobody to wait for") })
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := false
	_, err = reserveCPUs(ctx, dir, 2, 1, func() { waited = true })
	assert.ErrorContains(t, err, "waited for 1 of 2 CPUs, which other emulated guests use")
	assert.True(t, waited)
	release()
	release2, err := reserveCPUs(t.Context(), dir, 2, 2, nil)
	require.NoError(t, err)
	release2()

	_, err = reserveCPUs(t.Context(), "/dev/null/x", 2, 1, nil)
	assert.ErrorContains(t, err, "queue for CPUs: ")
}
