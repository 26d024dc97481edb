package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bootaudit/prereq"
)

// roomForGuests is the memory for all guests, in bytes, as it was before this
// process had one.
var roomForGuests = sync.OnceValues(prereq.Room)

// share is how many of the host's CPUs an emulated machine takes from the queue:
// its own, or more where memory is for fewer guests than the CPUs are, so that
// they wait for one another.
func share(host int, room uint64, m Machine) int {
	guests := max(1, int(room/prereq.GuestNeeds(m.MemoryMiB, m.TBSizeMiB)))
	return max(m.CPUs, (host+guests-1)/guests)
}

// reserveCPUs waits until want of the host's CPUs are free of emulated guests
// and takes them, for this process and against every other one of this user.
// More virtual CPUs than real ones do not just run slower under TCG: a kernel
// that calibrates its timers while starved may never recover.
//
// A lock is a file below dir that is locked, so a process that dies gives its
// CPUs back. busy is called once when there is something to wait for.
func reserveCPUs(ctx context.Context, dir string, host, want int, busy func()) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("queue for CPUs: %w", err)
	}
	want = min(want, host)
	var held []*os.File
	release = func() {
		for _, f := range held {
			f.Close()
		}
		held = nil
	}
	// Who gathers holds the gate, so two that want two CPUs each cannot take
	// one each and wait for ever.
	gate, err := tryLock(filepath.Join(dir, "gate.lock"))
	for first := true; ; first = false {
		for i := 0; gate != nil && i < host && len(held) < want; i++ {
			f, lockErr := tryLock(filepath.Join(dir, fmt.Sprintf("cpu-%d.lock", i)))
			err = errors.Join(err, lockErr)
			if f != nil {
				held = append(held, f)
			}
		}
		if err != nil {
			release()
		}
		if err != nil || len(held) == want {
			gate.Close()
			return release, err
		}
		if first && busy != nil {
			busy()
		}
		select {
		case <-ctx.Done():
			release()
			gate.Close()
			return nil, fmt.Errorf("waited for %d of %d CPUs, which other emulated guests use: %w", want, host, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
		if gate == nil {
			gate, err = tryLock(filepath.Join(dir, "gate.lock"))
		}
	}
}

// tryLock returns the locked file, or nil when somebody else has it.
func tryLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("queue for CPUs: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		f.Close()
		return nil, nil
	default:
		f.Close()
		return nil, fmt.Errorf("queue for CPUs: lock %s: %w", name, err)
	}
}
