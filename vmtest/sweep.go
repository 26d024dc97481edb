package vmtest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// sweep removes the socket folders below base that VMs left whose test was
// killed: nobody listens there any more.
func sweep(base string) {
	monitors, _ := filepath.Glob(filepath.Join(base, socketPrefix+"*", monitorSocket)) // the pattern is well formed
	open, _ := os.ReadFile("/proc/net/unix")
	for _, monitor := range monitors {
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
