package queue

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUsAreNeverOversubscribed(t *testing.T) {
	const host = 3
	dir := t.TempDir()
	var used, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := i%4 + 1 // 4 CPUs on a host of 3 take all of them
			release, err := CPUs(t.Context(), dir, host, want, nil)
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

func TestGivingUp(t *testing.T) {
	dir := t.TempDir()
	release, err := CPUs(t.Context(), dir, 2, 2, func() { t.Error("nobody to wait for") })
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := false
	_, err = CPUs(ctx, dir, 2, 1, func() { waited = true })
	assert.ErrorContains(t, err, "waited for 1 of 2 CPUs, which other emulated guests use")
	assert.True(t, waited)
	release()
	release2, err := CPUs(t.Context(), dir, 2, 2, nil)
	require.NoError(t, err)
	release2()

	_, err = CPUs(t.Context(), "/dev/null/x", 2, 1, nil)
	assert.ErrorContains(t, err, "queue for CPUs: ")
}

// A process that dies gives its CPUs back.
func TestDeadProcess(t *testing.T) {
	dir := t.TempDir()
	if dir, ok := os.LookupEnv("QUEUE_TEST_DIR"); ok {
		_, err := CPUs(t.Context(), dir, 1, 1, nil)
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeadProcess$")
	other.Env = append(os.Environ(), "QUEUE_TEST_DIR="+dir)
	out, err := other.CombinedOutput()
	require.ErrorContains(t, err, "signal: killed", "%s", out)
	release, err := CPUs(t.Context(), dir, 1, 1, func() { t.Error("the dead process has its CPU still") })
	require.NoError(t, err)
	release()
}
