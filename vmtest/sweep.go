package vmtest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bootaudit/internal/port"
)

// sweepAge is how old a socket must be before it may be a dead VM's.
const sweepAge = time.Minute

// sweep removes the socket folders below base that VMs left whose test was
// killed: nobody listens there any more.
func sweep(base string) {
	monitors, _ := filepath.Glob(filepath.Join(base, socketPrefix+"*", port.Monitor)) // the pattern is well formed
	open, _ := os.ReadFile("/proc/net/unix")
	for _, monitor := range monitors {
		// One that begins is bound before it listens.
		if info, err := os.Stat(monitor); err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		// A VM that lives is not disturbed, unless its network is another one's,
		// as in a container.
		if bytes.Contains(open, []byte(" "+monitor+"\n")) {
			continue
		}
		conn, err := net.Dial("unix", monitor)
		if err == nil {
			conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.RemoveAll(filepath.Dir(monitor)) // unless it is somebody else's
		}
	}
}
