// Package queue shares the host's CPUs among the emulated guests of a user.
package queue

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// CPUs waits until want of the host's CPUs are free of emulated guests and takes
// them, for this process and against every other one of this user. More virtual
// CPUs than real ones do not just run slower under TCG: a kernel that calibrates
// its timers while starved may never recover.
//
// A CPU is a file below dir that is locked, so a process that dies gives its
// CPUs back. busy is called once when there is something to wait for.
func CPUs(ctx context.Context, dir string, host, want int, busy func()) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("queue for CPUs: %w", err)
	}
	want = min(want, host)
	var held []*flock.Flock
	release = func() {
		for _, cpu := range held {
			_ = cpu.Unlock()
		}
		held = nil
	}
	// Who gathers holds the gate, so two that want two CPUs each cannot take
	// one each and wait for ever.
	gate := flock.New(filepath.Join(dir, "gate.lock"))
	defer gate.Unlock()
	gather := func() error {
		if open, err := gate.TryLock(); !open {
			return err
		}
		for i := 0; i < host && len(held) < want; i++ {
			cpu := flock.New(filepath.Join(dir, fmt.Sprintf("cpu-%d.lock", i)))
			free, err := cpu.TryLock()
			if err != nil {
				return err
			}
			if free {
				held = append(held, cpu)
			}
		}
		return nil
	}
	for first := true; ; first = false {
		if err := gather(); err != nil {
			release()
			return nil, fmt.Errorf("queue for CPUs: %w", err)
		}
		if len(held) == want {
			return release, nil
		}
		if first && busy != nil {
			busy()
		}
		select {
		case <-ctx.Done():
			release()
			return nil, fmt.Errorf("waited for %d of %d CPUs, which other emulated guests use: %w", want, host, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
