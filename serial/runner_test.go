package serial_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/interleave"
	"bootaudit/serial"
)

// noisy puts what others print on a console between the guest's bytes, at any
// place: in a frame, a prompt, an echo.
type noisy struct {
	io.ReadWriteCloser
	every int // bytes between noises, about; 0 is none

	mu      sync.Mutex
	rng     *rand.Rand
	pending []byte
}

var voices = []string{
	"[   61.123456] e1000 0000:00:03.0 eth0: NIC Link is Up 1000 Mbps\r\n",
	"\r\n\r\nBroadcast message from root@nixos on pts/0 (Sat 2025-10-18 21:39:37 UTC):\r\n\r\nhello all\r\n\r\n",
	"\r\x1b[K[ \x1b[0;31m***\x1b[0m  ] A start job is running for Thing (1min 2s / no limit)",
	"x", "AAAA", "\x00", "\xff", "@", ";", "\r\n",
}

func (n *noisy) Read(p []byte) (int, error) {
	n.mu.Lock()
	if len(n.pending) > 0 {
		k := copy(p, n.pending)
		n.pending = n.pending[k:]
		n.mu.Unlock()
		return k, nil
	}
	every := n.every
	n.mu.Unlock()
	buf := make([]byte, len(p))
	k, err := n.ReadWriteCloser.Read(buf)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, b := range buf[:k] {
		if every > 0 && n.rng.IntN(every) == 0 {
			n.pending = append(n.pending, voices[n.rng.IntN(len(voices))]...)
		}
		n.pending = append(n.pending, b)
	}
	k = copy(p, n.pending)
	n.pending = n.pending[k:]
	return k, err
}

func (n *noisy) set(every int) {
	n.mu.Lock()
	n.every = every
	n.mu.Unlock()
}

// runners are both ways to a guest, a local shell: what is true of one is true
// of the other. Noise is on the console only when it is asked for.
func runners(t *testing.T, test func(t *testing.T, r serial.Runner, noise *noisy)) {
	start := func(t *testing.T) (*serial.Console, *noisy) {
		g := serial.StartGuest(t, map[string]string{"dmesg": ":"}, "bash", "--norc", "-i")
		n := &noisy{ReadWriteCloser: g, rng: rand.New(rand.NewPCG(1, 2))}
		c, err := serial.New(n, serial.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		ctx := timeout(t, 60*time.Second)
		_, err = c.Login(ctx, serial.Account{})
		require.NoError(t, err)
		_, err = c.Root(ctx, serial.Account{})
		require.NoError(t, err)
		return c, n
	}
	t.Run("console", func(t *testing.T) {
		t.Parallel()
		c, n := start(t)
		test(t, c, n)
	})
	t.Run("control line", func(t *testing.T) {
		t.Parallel()
		c, n := start(t)
		port, device := serial.SecondPort(t)
		ctl, err := c.Control(timeout(t, 60*time.Second), port, device)
		require.NoError(t, err)
		t.Cleanup(func() {
			serial.EndAgent(t, ctl)
			assert.NoError(t, ctl.Close())
		})
		test(t, ctl, n)
	})
}

func timeout(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRunnersAnswer(t *testing.T) {
	t.Parallel()
	runners(t, func(t *testing.T, r serial.Runner, _ *noisy) {
		ctx := timeout(t, 60*time.Second)
		got, err := r.Run(ctx, "echo out; echo err >&2; exit 3")
		require.NoError(t, err)
		assert.Equal(t, serial.Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 3}, got)
		require.EqualError(t, got.Err(), "exit status 3: err\n")

		got, err = r.Run(ctx, "echo $PAGER; umask; pwd; echo $#; printf '%s' *; (exit 4")
		require.NoError(t, err)
		assert.NotZero(t, got.Status, "a syntax error: %s", got.Stderr)

		file := filepath.Join(t.TempDir(), "it's a 'file'")
		data := []byte(strings.Repeat("\x00\xff line\r\n", 700))
		require.NoError(t, r.Put(ctx, file, data, 0o751))
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o751), info.Mode())
		back, err := r.Get(ctx, file)
		require.NoError(t, err)
		assert.Equal(t, string(data), string(back))
		require.ErrorContains(t, r.Put(ctx, "/none/file", data, 0o600), "/none/file")
		_, err = r.Get(ctx, "/none/file")
		require.ErrorContains(t, err, "No such file")

		short := timeout(t, 5*time.Second)
		got, err = r.Run(short, "echo begun; sleep 61.5 & sleep 61.5")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "begun\n", string(got.Stdout))
		assert.Eventually(t, func() bool { return running(t, "sleep 61.5") == "" }, 10*time.Second, 50*time.Millisecond)

		gone, cancel := context.WithCancel(ctx)
		time.AfterFunc(300*time.Millisecond, cancel)
		_, err = r.Run(gone, "sleep 62.5")
		require.ErrorIs(t, err, context.Canceled)
		assert.Eventually(t, func() bool { return running(t, "sleep 62.5") == "" }, 10*time.Second, 50*time.Millisecond)

		got, err = r.Run(ctx, "echo after")
		require.NoError(t, err)
		assert.Equal(t, "after\n", string(got.Stdout))
	})
}

func running(t testing.TB, command string) string {
	out, _ := exec.Command("pgrep", "-xf", command).Output()
	return string(out)
}

func TestRunnersAnswerRightAmongNoise(t *testing.T) {
	t.Parallel()
	runners(t, func(t *testing.T, r serial.Runner, noise *noisy) {
		n := 24
		if testing.Short() {
			n = 12
		}
		atATime := 4
		if _, ok := r.(*serial.Console); ok {
			noise.set(400)
			atATime = 1
		}
		require.NoError(t, interleave.Commands(timeout(t, 4*time.Minute), r, n, atATime, 4000))
	})
}

// A guest whose console is never quiet must still give a root shell.
func TestRunnerStartsAmongNoise(t *testing.T) {
	t.Parallel()
	g := serial.StartGuest(t, map[string]string{"dmesg": ":"}, "bash", "--norc", "-i")
	n := &noisy{ReadWriteCloser: g, rng: rand.New(rand.NewPCG(3, 4))}
	c, err := serial.New(n, serial.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	ctx := timeout(t, 100*time.Second)
	_, err = c.Login(ctx, serial.Account{})
	require.NoError(t, err)
	n.set(150)
	got, err := c.Run(ctx, "echo out")
	require.NoError(t, err)
	assert.Equal(t, "out\n", string(got.Stdout))
}
