package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	expect "github.com/Netflix/go-expect"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// go-expect runs every matcher on everything read so far at each rune, its
// timeout starts again with each rune, and what it read before a timeout is
// lost. So there is one matcher here, which takes the text out of go-expect's
// buffer as it comes (memory and time stay linear), keeps it over timeouts, and
// looks at the clock itself; go-expect's own timeout only tells it of a pause.
type tap struct {
	take  func(text []byte) bool // true: enough
	stop  func() error           // asked now and then
	asked time.Time
	// Why Expect returned, if take was not satisfied:
	paused bool
	ended  bool
	err    error
}

// pause is the silence after which a line without an end is looked at, and the
// longest that a deadline or a trip goes unnoticed.
const pause = 20 * time.Millisecond

func (t *tap) Match(v any) bool {
	switch v := v.(type) {
	case *bytes.Buffer:
		done := t.take(v.Bytes())
		v.Reset()
		if now := time.Now(); !done && now.Sub(t.asked) > pause/2 {
			t.asked, t.err = now, t.stop()
		}
		return done || t.err != nil
	case error:
		if errors.Is(v, os.ErrDeadlineExceeded) {
			t.paused = true
		} else {
			t.ended = true
		}
		return true
	}
	return false
}

func (t *tap) Criteria() any { return "the console's text" }

func (t *tap) opt(o *expect.ExpectOpts) error {
	o.Matchers = append(o.Matchers, t)
	return nil
}

// read hands the console's text to take until that is satisfied, stop returns an
// error or the console ends. quiet, if not nil, is asked at each pause.
func (c *Console) read(stop func() error, take func([]byte) bool, quiet func() bool) error {
	for {
		t := &tap{take: take, stop: stop}
		_, err := c.exp.Expect(t.opt, expect.WithTimeout(pause))
		switch {
		case err != nil:
			return fmt.Errorf("go-expect: %w", err)
		case t.err != nil:
			return t.err
		case t.ended:
			if quiet != nil && quiet() {
				return nil
			}
			if err := stop(); err != nil {
				return err
			}
			return c.goneErr()
		case !t.paused:
			return nil
		}
		if quiet != nil && quiet() {
			return nil
		}
		if err := stop(); err != nil {
			return err
		}
	}
}

// lines cuts the console's text into lines as they would be read: without
// escape sequences. A carriage return ends a line too, because what follows
// it overwrites it.
type lines struct{ open []byte }

// longLine is where a line that does not end is cut.
const longLine = 4 << 10

func (l *lines) add(text []byte, each func(line string) bool) bool {
	l.open = append(l.open, text...)
	switch last := l.open[len(l.open)-1]; {
	case last == '\n' || last == '\r', len(l.open) >= longLine:
		return l.flush(each)
	}
	return false
}

func (l *lines) flush(each func(line string) bool) bool {
	line := l.peek()
	l.open = l.open[:0]
	return line != "" && each(line)
}

func (l *lines) peek() string {
	return string(bytes.TrimRight([]byte(ansi.Strip(string(l.open))), "\r\n"))
}

// Expect waits for a line that re matches and returns the match and its groups.
// It reads on from where the last Expect or Run ended, a line at a time, as a
// person would see it: without escape sequences, and without what a carriage
// return began to overwrite. A line without an end (a prompt) is looked at
// when the console pauses.
func (c *Console) Expect(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	w, err := c.begin(ctx, fmt.Sprintf("a line that matches %q", re))
	if err != nil {
		return nil, err
	}
	defer w.end()
	var match []string
	each := func(line string) bool {
		match = re.FindStringSubmatch(line)
		return match != nil
	}
	seen := 0
	err = c.read(w.over, func(text []byte) bool {
		seen = 0
		return c.lines.add(text, each)
	}, func() bool {
		if n := len(c.lines.open); n == 0 || n == seen {
			return false
		}
		seen = len(c.lines.open)
		if !each(c.lines.peek()) {
			return false
		}
		c.lines.open = c.lines.open[:0]
		return true
	})
	return match, w.fail(err)
}

// openTTY prepares the console that go-expect reads: its tty made raw, and opened
// again. creack/pty's own file descriptors block, so that closing one would not
// wake its reader; and go-expect sees the end only once nobody holds its tty.
func openTTY(exp *expect.Console) (*os.File, error) {
	if _, err := term.MakeRaw(int(exp.Tty().Fd())); err != nil {
		return nil, fmt.Errorf("make the console's tty raw: %w", err)
	}
	fd, err := unix.Open(exp.Tty().Name(), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the console's tty again: %w", err)
	}
	tty := os.NewFile(uintptr(fd), exp.Tty().Name())
	if err := exp.Tty().Close(); err != nil {
		return nil, errors.Join(err, tty.Close())
	}
	return tty, nil
}
