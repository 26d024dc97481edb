package serial

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// folderOf is where a guest's agents keep their files.
func folderOf(env []string) string {
	for _, entry := range env {
		if dir, ok := strings.CutPrefix(entry, "BOOTAUDIT_RUN="); ok {
			return dir
		}
	}
	return ""
}

// guestShells are the shells the agent must run under.
func guestShells(t *testing.T) [][]string {
	shells := [][]string{}
	for _, s := range [][]string{{"dash"}, {"bash"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(s[0]); err == nil {
			shells = append(shells, s)
		}
	}
	require.NotEmpty(t, shells)
	return shells
}

// localControl is a control line to an agent under a local shell.
func localControl(t *testing.T, shell ...string) *Control {
	t.Helper()
	key := newKey()
	return controlOf(t, key, agentCommand(t, key, 0, shell...))
}

func controlOf(t *testing.T, key string, cmd *exec.Cmd) *Control {
	t.Helper()
	fds := socketPair(t)
	cmd.Stdin, cmd.Stdout = fds[1], fds[1]
	require.NoError(t, cmd.Start())
	fds[1].Close()
	conn, err := net.FileConn(fds[0])
	require.NoError(t, err)
	fds[0].Close()
	c := newControl(conn, key)
	t.Cleanup(func() {
		c.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return c
}

// agentCommand is an agent under a local shell.
func agentCommand(t *testing.T, key string, looks int, shell ...string) *exec.Cmd {
	cmd := exec.Command(shell[0], append(shell[1:], "-c", agent, "agent", key, fmt.Sprint(frameLine), fmt.Sprint(looks))...)
	cmd.Env = append(os.Environ(), mark(t)...)
	return cmd
}

// A virtio port whose host has gone reads as at its end, at once and each time,
// until a host opens it again: so does a FIFO. The pause between two looks is
// taken out; after an hour of them the agent says so and looks on.
func TestAnAgentOutlivesAnHourWithoutAHost(t *testing.T) {
	t.Parallel()
	for _, shell := range guestShells(t) {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			key := newKey()
			cmd := agentCommand(t, key, 0, shell...)
			const hour = `looks=0
sleep() { looks=$((looks + 1)); [ $looks -ne 1800 ] || echo an hour; [ $looks -lt 1800 ] || command sleep 0.01; }
`
			for i, arg := range cmd.Args {
				if arg == agent {
					cmd.Args[i] = hour + agent
				}
			}
			require.Contains(t, agent, "sleep 2\n", "1800 looks are an hour")
			fifo := filepath.Join(t.TempDir(), "port")
			require.NoError(t, unix.Mkfifo(fifo, 0o600))
			stdin, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
			require.NoError(t, err)
			require.NoError(t, unix.SetNonblock(int(stdin.Fd()), false))
			// busybox's read polls first. A port says then that its host has hung up;
			// a FIFO only once a writer has come and gone.
			gone, err := os.OpenFile(fifo, os.O_WRONLY, 0)
			require.NoError(t, err)
			require.NoError(t, gone.Close())
			cmd.Stdin = stdin
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			require.NoError(t, stdin.Close())
			answers := bufio.NewReader(stdout)
			hello, err := answers.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, hello, "@"+key+".0.h.")
			assert.DirExists(t, filepath.Join(folderOf(cmd.Env), "bootaudit."+key))
			said, err := answers.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "an hour\n", said)

			host, err := os.OpenFile(fifo, os.O_WRONLY, 0)
			require.NoError(t, err)
			ctl, err := Resume(t.Context(), &twoWay{answers, host}, key)
			require.NoError(t, err)
			r, err := ctl.Run(t.Context(), "echo still here")
			require.NoError(t, err)
			assert.Equal(t, "still here\n", string(r.Stdout))
			endAgent(t, ctl)
			require.NoError(t, host.Close())
			require.NoError(t, cmd.Wait())
			_ = ctl.Close()
			left, err := os.ReadDir(folderOf(cmd.Env))
			require.NoError(t, err)
			assert.Empty(t, left, "an agent that ends takes its files along")
		})
	}
}

type twoWay struct {
	io.Reader
	io.WriteCloser
}

// A console that hangs up does not come back: its agent ends, and takes its files
// along.
func TestAConsolesAgentEndsWithItsTerminal(t *testing.T) {
	t.Parallel()
	for _, shell := range guestShells(t) {
		cmd := agentCommand(t, newKey(), consoleLooks, shell...)
		for i, arg := range cmd.Args {
			if arg == agent {
				cmd.Args[i] = "sleep() { echo look; }\n" + agent
			}
		}
		out, err := cmd.Output() // its input is at an end
		require.NoError(t, err)
		assert.Equal(t, consoleLooks-1, strings.Count(string(out), "look\n"), shell)
		left, err := os.ReadDir(folderOf(cmd.Env))
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

func id(j *job) string { return strconv.FormatUint(uint64(j.id), 10) }

// waitGone waits until a process has ended, if not for its parent.
func waitGone(t testing.TB, pid string) {
	t.Helper()
	require.Eventually(t, func() bool {
		line, err := os.ReadFile("/proc/" + pid + "/cmdline")
		return err != nil || len(line) == 0
	}, time.Minute, time.Millisecond, "process %s", pid)
}

// What a job has started ends with it, and what it had said until then is kept.
func TestTheAgentStopsAJob(t *testing.T) {
	t.Parallel()
	for _, shell := range guestShells(t) {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			c := localControl(t, shell...)
			j := c.s.newJob()
			fifo := filepath.Join(t.TempDir(), "begun")
			require.NoError(t, unix.Mkfifo(fifo, 0o600))
			ctx := t.Context()
			command := "echo begun; (sleep 61.5 & echo $! >" + fifo + "; wait) & wait\n"
			require.NoError(t, c.s.ask(ctx, "r "+id(j)+" 100000 "+escape(command)))
			pid, err := os.ReadFile(fifo)
			require.NoError(t, err)
			c.s.kill(ctx, j, "TERM")
			require.NoError(t, c.s.await(ctx, j, soon, func() error { return c.s.ask(ctx, "q "+id(j)) }, func() bool { return j.meta != nil }))
			r, err := c.s.fetch(ctx, j)
			require.NoError(t, err)
			assert.Equal(t, "begun\n", string(r.Stdout))
			assert.Equal(t, "143", j.meta.status)
			waitGone(t, strings.TrimSpace(string(pid)))
		})
	}
}

// A caller who goes away takes the command along.
func TestACancelledCommandEndsInTheGuest(t *testing.T) {
	t.Parallel()
	c := localControl(t, "sh")
	fifo := filepath.Join(t.TempDir(), "begun")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, "sleep 62.5 & echo $! >"+fifo+"; wait")
		done <- err
	}()
	pid, err := os.ReadFile(fifo)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	waitGone(t, strings.TrimSpace(string(pid)))
}
