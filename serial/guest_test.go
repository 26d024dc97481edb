package serial

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func socketPair(t testing.TB) [2]*os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	return [2]*os.File{os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "guest")}
}

// guest is a local process on a pty, in the place of a guest on a serial port.
type guest struct {
	*os.File
	cmd  *exec.Cmd
	once sync.Once
}

func (g *guest) Close() error {
	g.once.Do(func() {
		_ = unix.Kill(-g.cmd.Process.Pid, unix.SIGKILL)
		_ = g.cmd.Wait()
		_ = g.File.Close()
	})
	return nil
}

// startGuest runs a command on a pty. Its PATH begins with a folder of the
// given programs (name to shell script), for a guest that is not this host.
func startGuest(t testing.TB, programs map[string]string, command ...string) *guest {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(mark(t), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "PS1=\\u@live:\\w\\$ ", "TERM=xterm", "HISTFILE=/dev/null")
	cmd.Dir = dir
	ptm, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 132, Rows: 50})
	require.NoError(t, err)
	g := &guest{File: pollable(t, ptm), cmd: cmd}
	t.Cleanup(func() { g.Close() })
	return g
}

var quietGuest = map[string]string{"dmesg": ":", "sudo": "exit 1", "su": "exit 1"}

func newConsole(t testing.TB, rw io.ReadWriteCloser, cfg Config) *Console {
	t.Helper()
	c, err := New(rw, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// pollable is f with a descriptor whose Read ends when it is closed.
func pollable(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(fd, true))
	require.NoError(t, f.Close())
	return os.NewFile(uintptr(fd), f.Name())
}
