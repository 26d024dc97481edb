package serial_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
// of the other.
func runners(t *testing.T, test func(t *testing.T, r serial.Runner)) {
	start := func(t *testing.T) *serial.Console {
		g := serial.StartGuest(t, map[string]string{"dmesg": ":"}, "bash", "--norc", "-i")
		c, err := serial.New(g, serial.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		return c
	}
	t.Run("console", func(t *testing.T) {
		t.Parallel()
		test(t, start(t))
	})
	t.Run("control line", func(t *testing.T) {
		t.Parallel()
		port, device := serial.SecondPort(t)
		ctl, err := start(t).Control(timeout(t, 60*time.Second), port, device)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, ctl.Close()) })
		test(t, ctl)
	})
}

func timeout(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRunnersAnswer(t *testing.T) {
	t.Parallel()
	runners(t, func(t *testing.T, r serial.Runner) {
		ctx := timeout(t, 60*time.Second)
		got, err := r.Run(ctx, "echo out; echo err >&2; exit 3")
		require.NoError(t, err)
		assert.Equal(t, serial.Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 3}, got)
		require.EqualError(t, got.Err(), "exit status 3: err\n")

		got, err = r.Run(ctx, "echo $PAGER; umask; pwd; echo $#; printf '%s' *; (exit 4")
		require.NoError(t, err)
		assert.NotZero(t, got.Status, "a syntax error: %s", got.Stderr)

		file := filepath.Join(t.TempDir(), "it's a\n'file'!")
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
		for _, none := range []string{"", "a\x00b"} {
			require.ErrorContains(t, r.Put(ctx, none, data, 0o600), "no file can have that name")
			_, err = r.Get(ctx, none)
			require.ErrorContains(t, err, "no file can have that name")
		}

		got, err = r.Run(ctx, "echo after")
		require.NoError(t, err)
		assert.Equal(t, "after\n", string(got.Stdout))
	})
}

func TestRunnersAnswerRight(t *testing.T) {
	t.Parallel()
	runners(t, func(t *testing.T, r serial.Runner) {
		atATime := 4
		if _, ok := r.(*serial.Console); ok {
			atATime = 1
		}
		require.NoError(t, interleave.Commands(timeout(t, 4*time.Minute), r, 12, atATime, 4000))
	})
}

// A guest whose console is never quiet must still give a root shell, and right
// answers.
func TestConsoleAnswersRightAmongNoise(t *testing.T) {
	t.Parallel()
	for seed, every := range []int{400, 400, 150} {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &noisy{ReadWriteCloser: serial.RootMachine(t), rng: rand.New(rand.NewPCG(uint64(seed), 2))}
				c, err := serial.New(n, serial.Config{})
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, c.Close()) })
				ctx := timeout(t, time.Hour)
				_, err = c.Login(ctx, serial.Account{})
				require.NoError(t, err)
				n.set(every)
				require.NoError(t, interleave.Commands(ctx, c, 24, 1, 4000))
			})
		})
	}
}
