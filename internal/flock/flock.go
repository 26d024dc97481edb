// Package flock lets one process at a time do something, by the lock of a file.
package flock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// poll is how often a lock that another process has is tried.
const poll = 200 * time.Millisecond

// Lock takes the lock of the file named path, which it makes; closing the file,
// or the end of the process, lets it go. While another process has it, waiting
// is called every 200 ms with the time that has passed; nil is for nobody. The
// error after ctx has ended wraps its cause.
func Lock(ctx context.Context, path string, waiting func(time.Duration)) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if waiting != nil {
			waiting(time.Since(start))
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waited %s for another process that has the lock %s: %w", time.Since(start).Round(time.Second), path, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}
