package serial

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// A pty stands in for the second port: its slave is the guest's device.
func TestControlStartedFromConsole(t *testing.T) {
	t.Parallel()
	g := startGuest(t, quietGuest, "bash", "--norc", "-i")
	c := newConsole(t, g, Config{})
	ctx := limited(t, 50*time.Second)
	ptm, pts, err := pty.Open()
	defer pts.Close()
	require.NoError(t, err)
	_, err = term.MakeRaw(int(pts.Fd()))
	require.NoError(t, err)
	ctl, err := c.Control(ctx, pollable(t, ptm), pts.Name())
	require.NoError(t, err)
	r, err := ctl.Run(ctx, "id -u; echo $PAGER; ps -o ppid= -p $PPID")
	require.NoError(t, err)
	assert.Contains(t, string(r.Stdout), "0\ncat\n")
	// The console's shell is free.
	who, err := c.Login(ctx, Account{})
	require.NoError(t, err)
	assert.Equal(t, 0, who.UID)
	endAgent(t, ctl)
	require.NoError(t, ctl.Close())

	_, err = c.Control(ctx, nopPort{}, "/dev/virtio-ports/none")
	require.ErrorContains(t, err, "no such character device")
}

type nopPort struct{}

func (nopPort) Read([]byte) (int, error)    { return 0, fmt.Errorf("closed") }
func (nopPort) Write(p []byte) (int, error) { return len(p), nil }
func (nopPort) Close() error                { return nil }

func TestControlNamesADeadGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, guest := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, guest) }()
		c := newControl(host, newKey())
		time.AfterFunc(time.Second, func() { guest.Close() })
		_, err := c.Run(t.Context(), "sleep 5")
		require.ErrorContains(t, err, "the guest's end is gone")
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Close())
	})
}

// endAgent ends the guest's half of a control line, which would go on waiting.
func endAgent(t testing.TB, c *Control) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	j := c.s.newJob()
	require.NoError(t, c.s.ask(ctx, fmt.Sprintf("x %d", j.id)))
	require.NoError(t, c.s.await(ctx, j, time.Second, func() error { return nil }, func() bool { return j.acked }))
}

// A restored machine's agent has the state of the saved one: half a line read,
// and numbers that were used.
func TestResume(t *testing.T) {
	t.Parallel()
	c := localControl(t, "sh")
	ctx := limited(t, 30*time.Second)
	_, err := c.Run(ctx, "echo before")
	require.NoError(t, err)
	require.NoError(t, c.out.send(ctx, []byte(c.Key()+" 30 r 7 99 touch")))

	conn := c.port.(net.Conn)
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	c.done.Wait()
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	again, err := Resume(ctx, conn, c.Key())
	require.NoError(t, err)
	r, err := again.Run(ctx, "echo after")
	require.NoError(t, err)
	require.Equal(t, "after\n", string(r.Stdout))
	require.NoError(t, again.Close())
	_, err = again.Run(ctx, "true")
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestResumeOfASilentGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, guest := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, guest) }()
		_, err := Resume(limited(t, 3*time.Second), host, newKey())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
