package serial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
	fds := socketPair(t)
	key := newKey()
	cmd := exec.Command(shell[0], append(shell[1:], "-c", agent, "agent", key, fmt.Sprint(frameLine))...)
	cmd.Stdin, cmd.Stdout = fds[1], fds[1]
	cmd.Stderr = t.Output()
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
		_ = os.RemoveAll("/run/bootaudit." + key)
	})
	return c
}

func TestControlRuns(t *testing.T) {
	for _, shell := range guestShells(t) {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			c := localControl(t, shell...)
			ctx := t.Context()
			r, err := c.Run(ctx, "echo out; echo err >&2; exit 3")
			require.NoError(t, err)
			assert.Equal(t, Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 3}, r)

			r, err = c.Run(ctx, "")
			require.NoError(t, err)
			assert.Equal(t, Result{Stdout: []byte{}, Stderr: []byte{}}, r)

			r, err = c.Run(ctx, "printf '\\000\\377\\r\\n x'; cat")
			require.NoError(t, err)
			assert.Equal(t, "\x00\xff\r\n x", string(r.Stdout))

			long := "# " + strings.Repeat("x", 100_000) + "\necho ''  end"
			r, err = c.Run(ctx, long)
			require.NoError(t, err)
			assert.Equal(t, " end\n", string(r.Stdout))

			big := bytes.Repeat([]byte("0123456789\x00\xfe"), 40_000)
			path := filepath.Join(t.TempDir(), "a 'file'")
			require.NoError(t, c.Put(ctx, path, big, 0o640))
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, sha256.Sum256(big), sha256.Sum256(got))
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o640), info.Mode())
			got, err = c.Get(ctx, path)
			require.NoError(t, err)
			assert.Equal(t, sha256.Sum256(big), sha256.Sum256(got))
			require.NoError(t, c.Put(ctx, path, nil, 0o600))
			got, err = c.Get(ctx, path)
			require.NoError(t, err)
			assert.Empty(t, got)

			_, err = c.Get(ctx, path+"/none")
			require.ErrorContains(t, err, "Not a directory")
			require.Error(t, c.Put(ctx, path+"/none", big, 0o600))

			c.s.limit = 1000
			r, err = c.Run(ctx, "yes")
			require.ErrorContains(t, err, "output larger than 1000 bytes")
			assert.Len(t, r.Stdout, 1000)

			short, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
			defer cancel()
			r, err = c.Run(short, "echo begun; sleep 60")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, "begun\n", string(r.Stdout))
		})
	}
}

func TestControlRunsSideBySide(t *testing.T) {
	c := localControl(t, "sh")
	var all sync.WaitGroup
	start := time.Now()
	for i := range 8 {
		all.Go(func() {
			r, err := c.Run(t.Context(), fmt.Sprintf("sleep 1; seq 1 %d", i*1000))
			assert.NoError(t, err)
			assert.Len(t, bytes.Fields(r.Stdout), i*1000)
		})
	}
	all.Wait()
	assert.Less(t, time.Since(start), 7*time.Second)
}
