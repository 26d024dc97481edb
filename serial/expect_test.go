package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/serial/watch"
)

// pipeConsole is a console of which the test is the guest.
func pipeConsole(t testing.TB, cfg Config) (*Console, net.Conn) {
	t.Helper()
	host, guest := net.Pipe()
	c := newConsole(t, host, cfg)
	t.Cleanup(func() { guest.Close() })
	return c, guest
}

func send(t testing.TB, guest io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(guest, text)
	require.NoError(t, err)
}

func TestExpectReadsLinesAsAPersonWould(t *testing.T) {
	c, guest := pipeConsole(t, Config{})
	ctx := limited(t, 20*time.Second)
	send(t, guest, "one\r\n\x1b[1;31mt\x1b]0;title\awo\x1b[0m\r\nthree \xe2\x82")
	m, err := c.Expect(ctx, regexp.MustCompile(`^t(w)o$`))
	require.NoError(t, err)
	assert.Equal(t, []string{"two", "w"}, m)
	send(t, guest, "\xac login: ")
	_, err = c.Expect(ctx, regexp.MustCompile(`^three € login: $`))
	require.NoError(t, err, "a line without an end, and a character that came in two pieces")
	send(t, guest, "x\r[ OK ] y\n")
	_, err = c.Expect(ctx, regexp.MustCompile(`^\[ OK \] y$`))
	require.NoError(t, err)
}

// go-expect reads ahead: what it has read and not matched is the next wait's.
func TestExpectLeavesWhatItDidNotMatch(t *testing.T) {
	c, guest := pipeConsole(t, Config{})
	ctx := limited(t, 20*time.Second)
	const key = "abcdefgh"
	send(t, guest, "one\r\n\xff\xfetwo\r\n10%\r20%\r\n"+frameText(key, 7, "u", "0", "root")+"\r\nopen"+
		frameText(key, 8, "u", "0", "me")+"\r\n\x1b[2;1Hthree\x1b[3;1Hfour\r\n")
	for _, line := range []string{"^one$", "^\uFFFD\uFFFDtwo$", "^10%$", "^20%$"} {
		_, err := c.Expect(ctx, regexp.MustCompile(line))
		require.NoError(t, err, line)
	}
	w, err := c.begin(ctx, "frame", nil)
	require.NoError(t, err)
	for _, want := range []string{"root", "me"} {
		f, err := w.frame(newDeframer(key), time.Minute, func(f frame) bool { return f.kind == frameID })
		require.NoError(t, err)
		assert.Equal(t, want, f.data)
	}
	w.end()
	for _, line := range []string{"^three$", "^four$"} {
		_, err := c.Expect(ctx, regexp.MustCompile(line))
		require.NoError(t, err, line)
	}
}

func TestExpectNamesGoExpectWhereItFails(t *testing.T) {
	c, _ := pipeConsole(t, Config{})
	w, err := c.begin(t.Context(), "line", nil)
	require.NoError(t, err)
	defer w.end()
	e := &expecter{re: regexp.MustCompile("x"), unread: []byte("text")}
	require.NoError(t, e.start())
	e.close()
	require.ErrorContains(t, e.read(w, 4), "go-expect: ")
	assert.Equal(t, "text", string(e.unread), "what it has not read is the next wait's")
}

// A line that never ends and shows nothing costs no memory.
func TestExpectKeepsABoundedLine(t *testing.T) {
	e := &expecter{re: regexp.MustCompile("x$")}
	e.lines.Each = e.line
	text := []byte(strings.Repeat("\x1b[K\ra\b", maxOpen) + "x")
	e.unread, e.runes = text, len(text)
	for i := range text {
		e.Match(bytes.NewBuffer(text[i : i+1]))
	}
	assert.Zero(t, e.runes)
	assert.LessOrEqual(t, cap(e.open), 4*maxOpen)
	assert.Empty(t, e.unread)
	e.look()
	assert.Equal(t, []string{"x"}, e.match)
}

func TestExpectKeepsWhatCameBeforeATimeout(t *testing.T) {
	c, guest := pipeConsole(t, Config{})
	send(t, guest, "login: ni")
	_, err := c.Expect(limited(t, 100*time.Millisecond), regexp.MustCompile(`nixos`))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	send(t, guest, "xos\r\n")
	m, err := c.Expect(limited(t, 10*time.Second), regexp.MustCompile(`.*nixos`))
	require.NoError(t, err)
	assert.Equal(t, "login: nixos", m[0])
}

// The deadline holds whether the guest is silent, prints lines, draws a
// spinner without line ends, or floods: it goes on until the wait has ended.
func TestExpectKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"silent": "", "chatty": "a line\r\n", "spinner": "\r[*** ]", "endless line": "x", "flood": strings.Repeat("flood of text\r\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, guest := pipeConsole(t, Config{})
			ended := make(chan struct{})
			var printer sync.WaitGroup
			printer.Go(func() {
				for text != "" {
					select {
					case <-ended:
						return
					default:
						_, _ = io.WriteString(guest, text)
					}
				}
			})
			_, err := c.Expect(limited(t, 100*time.Millisecond), regexp.MustCompile(`never (comes|seen)`))
			close(ended)
			printer.Wait()
			var wait *WaitError
			require.ErrorAs(t, err, &wait)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Contains(t, err.Error(), "never (comes|seen)")
		})
	}
}

// A wait that begins late in a flood may see nothing of it dropped meanwhile; its
// error names the flood all the same.
func TestAnEarlierFloodIsNamed(t *testing.T) {
	c, guest := pipeConsole(t, Config{})
	send(t, guest, strings.Repeat("flood of text\r\n", 4*window/15))
	require.Eventually(t, func() bool { return c.queue.lost() > 0 }, time.Minute, time.Millisecond)
	_, err := c.Expect(limited(t, 50*time.Millisecond), regexp.MustCompile(`never comes`))
	var wait *WaitError
	require.ErrorAs(t, err, &wait)
	assert.Positive(t, wait.Dropped)
	assert.Contains(t, err.Error(), "bytes came too fast to be looked at")
}

func TestFloodTakesBoundedMemory(t *testing.T) {
	c, guest := pipeConsole(t, Config{Transcript: io.Discard})
	before := heap()
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	block := []byte(strings.Repeat(line, 1000))
	size := 100 << 20
	if testing.Short() || raceEnabled {
		size = 8 * window
	}
	found := make(chan error, 1)
	go func() {
		_, err := c.Expect(t.Context(), regexp.MustCompile(`^the end$`))
		found <- err
	}()
	peak := uint64(0)
	for sent := 0; sent < size; sent += len(block) {
		_, err := guest.Write(block)
		require.NoError(t, err)
		if sent/len(block)%20 == 0 {
			peak = max(peak, heap())
		}
	}
	send(t, guest, "\r\nthe end\r\n")
	require.NoError(t, <-found)
	t.Logf("%d MB: at most %d MB of heap", size>>20, (peak-before)>>20)
	assert.Less(t, peak-min(before, peak), uint64(64<<20))
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func TestTripEndsAnyWait(t *testing.T) {
	for name, wait := range map[string]func(context.Context, *Console) error{
		"expect": func(ctx context.Context, c *Console) error {
			_, err := c.Expect(ctx, regexp.MustCompile("x"))
			return err
		},
		"menu": func(ctx context.Context, c *Console) error { return c.PassMenu(ctx) },
		"login": func(ctx context.Context, c *Console) error {
			_, err := c.Login(ctx, Account{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var trips []string
				c, guest := pipeConsole(t, Config{OnTrip: func(trip watch.Trip) { trips = append(trips, trip.ID) }})
				const after = 50 * time.Millisecond
				time.AfterFunc(after, func() {
					_, _ = io.WriteString(guest, "[    1.234567] Kernel panic - not syncing: VFS: nothing to mount\r\n")
				})
				start := time.Now()
				err := wait(limited(t, 30*time.Second), c)
				var trip *TripError
				require.ErrorAs(t, err, &trip)
				assert.Contains(t, err.Error(), "Kernel panic - not syncing")
				assert.Equal(t, after, time.Since(start), "at once")
				assert.Equal(t, []string{trip.Trip.ID}, trips)

				err = wait(limited(t, 30*time.Second), c)
				require.ErrorAs(t, err, &trip)
				assert.Equal(t, after, time.Since(start), "and any wait after it")
			})
		})
	}
}

func TestEndOfGuestIsNotADeadline(t *testing.T) {
	c, guest := pipeConsole(t, Config{})
	send(t, guest, "last words")
	guest.Close()
	_, err := c.Expect(limited(t, 20*time.Second), regexp.MustCompile("^last words$"))
	require.NoError(t, err)
	_, err = c.Expect(limited(t, 20*time.Second), regexp.MustCompile("more"))
	require.ErrorIs(t, err, io.EOF)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.Login(limited(t, 20*time.Second), Account{})
	require.ErrorIs(t, err, io.EOF)
	assert.Contains(t, err.Error(), "last words")
}

func TestCloseEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConsole(t, Config{})
		done := make(chan error, 1)
		go func() {
			_, err := c.Expect(context.Background(), regexp.MustCompile("more"))
			done <- err
		}()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-done, os.ErrClosed)
		require.ErrorIs(t, c.Type(context.Background(), "x"), os.ErrClosed)
	})
}

// A guest that does not read must not block who sends, nor the pump.
func TestGuestThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, guest := pipeConsole(t, Config{})
		err := errors.New("none")
		for range 200 {
			if err = c.Type(limited(t, 5*time.Second), strings.Repeat("x", 1000)); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		send(t, guest, "still heard\r\n\x1b[6n")
		_, err = c.Expect(limited(t, 5*time.Second), regexp.MustCompile("still heard"))
		require.NoError(t, err)
	})
}

func TestTranscriptIsExactAndFailsAlone(t *testing.T) {
	var b strings.Builder
	text := "ab\x1b[6n\x00\xff\r\r\n\xe2\x82"
	host, guest := net.Pipe()
	c, err := New(host, Config{Transcript: &b, Recording: brokenWriter{}})
	require.NoError(t, err)
	send(t, guest, text)
	buf := make([]byte, 10)
	n, err := guest.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, "\x1b[1;3R", string(buf[:n]), "the cursor's place, at once")
	guest.Close()
	require.ErrorContains(t, c.Close(), "disk full")
	assert.Equal(t, text, b.String())
}

type brokenWriter struct{}

func (w brokenWriter) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), "{") {
		return len(p), nil
	}
	return 0, fmt.Errorf("disk full")
}
