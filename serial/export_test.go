package serial

import (
	"io"
	"os"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// For tests outside the package.
var (
	StartGuest = startGuest
)

// RootMachine is a guest for a fake clock, with a root shell on its console.
func RootMachine(t testing.TB) io.ReadWriteCloser {
	return powerOn(t, &machine{command: localShell}, rootShell)
}

// SecondPort stands in for a second serial port: a pty, whose slave is the
// guest's device.
func SecondPort(t testing.TB) (port *os.File, device string) {
	t.Helper()
	ptm, pts, err := pty.Open()
	require.NoError(t, err)
	_, err = term.MakeRaw(int(pts.Fd()))
	require.NoError(t, err)
	t.Cleanup(func() { pts.Close() })
	return pollable(t, ptm), pts.Name()
}
