// Package port knows the sockets of a VM: what they are called in its folder of
// sockets, and how to connect to one.
package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The sockets' names.
const (
	Monitor = "qmp"     // QEMU's monitor
	Console = "console" // the guest's serial console
	Control = "control" // root's control line
)

// Dial connects to the socket at path. QEMU serves one connection, and takes a
// moment to notice that the one before has ended.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: somebody else is connected", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
