package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(script string) Command { return Command{Args: []string{"sh", "-c", script, "name"}} }

func TestRun(t *testing.T) {
	out, err := Command{Args: []string{"sh", "-c", "echo out; echo err >&2; pwd; echo $X"}, Dir: "/", Env: []string{"X=y"}}.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Output{Stdout: "out\n/\ny\n", Stderr: "err\n", CPU: out.CPU}, out)
}

// TestCPU: it is told of a program that was ended, too.
func TestCPU(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	c := sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; sleep 300")
	c.Stdout = w
	go func() { _, _ = r.Read(make([]byte, 1)); cancel() }()
	out, err := c.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.Positive(t, out.CPU)
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"status", "exit 3", "sh ended with exit status 3"},
		{"words", `echo first >&2; printf 'the \033[1mlast\n' >&2; exit 1`, "sh ended with exit status 1: the ?[1mlast"},
		{"signal", "kill -SEGV $$", "sh ended with signal: segmentation fault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sh(tt.script).Run(t.Context())
			assert.EqualError(t, err, tt.want)
			var exit *exec.ExitError
			assert.ErrorAs(t, err, &exit)
		})
	}
	_, err := Command{Args: []string{"no-such-program"}}.Run(t.Context())
	assert.ErrorIs(t, err, exec.ErrNotFound)
	assert.ErrorContains(t, err, "no-such-program could not be run: ")
}

func TestOutputIsBounded(t *testing.T) {
	c := sh("head -c 100000 /dev/zero | tr '\\0' x; head -c 3000 /dev/zero | tr '\\0' y >&2; exit 1")
	c.MaxOutput = 1000
	out, err := c.Run(t.Context())
	require.Error(t, err)
	assert.Equal(t, strings.Repeat("x", 1000), out.Stdout)
	assert.Len(t, out.Stderr, 1000)
	assert.True(t, out.Cut)
	assert.Less(t, len(err.Error()), 300)
}

// TestOneStream: what goes to one writer comes in the order it was written in.
func TestOneStream(t *testing.T) {
	var both bytes.Buffer
	c := sh("for i in 1 2 3; do echo o$i; echo e$i >&2; done")
	c.Stdout, c.Stderr = &both, &both
	_, err := c.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "o1\ne1\no2\ne2\no3\ne3\n", both.String())
}

// family is a program that starts another, and says who they are in a file.
const family = `sleep 300 & echo $$ $! >"$1.new"; mv "$1.new" "$1"; wait; sleep 300`

// members waits for the process ids that family writes.
func members(t *testing.T, file string) []int {
	t.Helper()
	var ids []int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		for _, word := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(word)
			require.NoError(t, err)
			ids = append(ids, id)
		}
		return true
	}, 30*time.Second, 10*time.Millisecond)
	require.Len(t, ids, 2)
	return ids
}

// gone waits until none of the processes runs; one that nobody looks at any
// more is a zombie.
func gone(t *testing.T, ids []int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		for _, id := range ids {
			stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(id), "stat"))
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond)
}

func TestContextEndsTheGroup(t *testing.T) {
	cause := errors.New("enough")
	for name, c := range map[string]Command{
		"killed": {Args: []string{"sh", "-c", family, "x"}},
		"asked":  {Args: []string{"sh", "-c", family, "x"}, Grace: 20 * time.Second},
		"deaf":   {Args: []string{"sh", "-c", "trap '' TERM\n" + family, "x"}, Grace: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ids")
			c.Args = append(c.Args, file)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() { _, err := c.Run(ctx); ended <- err }()
			ids := members(t, file)
			cancel(cause)
			err := <-ended
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, cause)
			assert.Regexp(t, `^sh was ended after [\d.]+m?s: context canceled: enough`, err.Error())
			gone(t, ids)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sh("exit 0").Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestFailureEndsTheGroup: what a program leaves when it fails is ended, too.
func TestFailureEndsTheGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ids")
	_, err := Command{Args: []string{"sh", "-c", `sleep 300 >/dev/null 2>&1 & echo $$ $! >"$1"; exit 1`, "x", file}}.Run(t.Context())
	assert.ErrorContains(t, err, "exit status 1")
	gone(t, members(t, file))
}

// TestInner is the process that TestDeath kills, and the go command above it.
func TestInner(t *testing.T) {
	file := os.Getenv("COMMAND_TEST_FILE")
	switch os.Getenv("COMMAND_TEST_INNER") {
	case "runs":
		grace, err := time.ParseDuration(os.Getenv("COMMAND_TEST_GRACE"))
		require.NoError(t, err)
		_, err = Command{Args: []string{"sh", "-c", family, "x", file}, Grace: grace}.Run(t.Context())
		t.Fatal(err)
	case "go":
		cmd := exec.Command(os.Getenv("COMMAND_TEST_EXE"), "-test.run=^TestInner$")
		cmd.Env = append(os.Environ(), "COMMAND_TEST_INNER=runs")
		require.NoError(t, cmd.Start())
		_ = os.WriteFile(file+".pid", []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
		t.Fatal(cmd.Wait())
	default:
		t.Skip("is run by TestDeath")
	}
}

// TestDeath: a process that is killed takes the programs that it runs with it,
// and their children; so does the go command that runs it.
func TestDeath(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, tt := range []struct{ name, inner, grace string }{
		{"ours, killing", "runs", "0s"},
		{"ours, asking", "runs", "1s"},
		{"the go command's", "go", "1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, program := filepath.Join(dir, "ids"), exe
			if tt.inner == "go" {
				program = filepath.Join(dir, "go") // which is how it is known
				require.NoError(t, os.Symlink(exe, program))
			}
			cmd := exec.Command(program, "-test.run=^TestInner$")
			cmd.Env = append(os.Environ(), "COMMAND_TEST_INNER="+tt.inner, "COMMAND_TEST_FILE="+file, "COMMAND_TEST_EXE="+exe, "COMMAND_TEST_GRACE="+tt.grace)
			require.NoError(t, cmd.Start())
			ids := members(t, file)
			require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			_ = cmd.Wait()
			gone(t, ids)
			if text, err := os.ReadFile(file + ".pid"); err == nil {
				id, err := strconv.Atoi(string(text))
				require.NoError(t, err)
				gone(t, []int{id})
			}
		})
	}
}
