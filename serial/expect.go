package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	expect "github.com/Netflix/go-expect"
	"golang.org/x/term"

	"bootaudit/internal/screen"
)

const (
	// pause is the silence after which a line without an end is looked at.
	pause = 20 * time.Millisecond
	// morsel is the most that go-expect gets at a time, in bytes: between two the
	// wait is asked whether it is over. A tty holds it without a reader.
	morsel = 4 << 10
	// maxOpen bounds the text of a line without an end that is given back: more
	// of it than a line holds is escape sequences and backspaces.
	maxOpen = 2 * screen.MaxLine
)

// Expect waits for a line that re matches and returns the match and its groups.
// It reads on from where the last Expect or Run ended, a line at a time, as a
// person would see it: without escape sequences, and without what a carriage
// return began to overwrite. A line without an end (a prompt) is looked at
// when the console pauses. What comes after the match is left for the next wait,
// and so is a line without an end that did not match.
func (c *Console) Expect(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	w, err := c.begin(ctx, fmt.Sprintf("a line that matches %q", re), nil)
	if err != nil {
		return nil, err
	}
	defer w.end()
	e := &expecter{re: re}
	e.lines.Each = e.line
	err = e.run(w)
	e.close()
	c.queue.giveBack(append(e.open, e.unread...))
	return e.match, w.fail(err)
}

// expecter is one Expect by go-expect. That runs every matcher on everything read
// so far at each rune, its timeout starts again with each rune, and what it has
// read ahead is lost with it. So it has one matcher here, which takes the text
// out of its buffer as it comes (memory and time stay linear); it gets a morsel
// at a time, of which it must read every rune; and it is never waited for.
type expecter struct {
	re    *regexp.Regexp
	match []string
	lines screen.Lines

	open   []byte // what was read of the line that has not ended
	at     int64  // where in the lines' text open begins
	seen   int    // bytes of the open line that were looked at in a pause
	unread []byte // what was taken from the queue and not read

	console *expect.Console // go-expect's, once there is text
	runes   int             // of the morsel that are to be read
}

// run reads the console's text until a line has matched or the wait is over.
func (e *expecter) run(w *wait) error {
	for e.match == nil {
		ctx, cancel := w.ctx, context.CancelFunc(func() {})
		if n := len(e.lines.Open().Text); n > 0 && n != e.seen {
			ctx, cancel = context.WithTimeoutCause(ctx, pause, errPause)
		}
		text, err := w.text(ctx, morsel)
		cancel()
		e.unread = append(e.unread, text...)
		switch {
		case err == nil:
			err = e.read(w, wholeRunes(e.unread))
		case errors.Is(err, errPause):
			e.look()
			err = nil
		case w.over() == nil: // the guest's end is gone: its last words are whole
			if failed := e.read(w, len(e.unread)); failed != nil {
				return failed
			}
			if e.look(); e.match != nil {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errPause = errors.New("the console pauses")

// read has go-expect read the first n bytes of what is unread.
func (e *expecter) read(w *wait, n int) error {
	if n == 0 {
		return nil
	}
	if e.console == nil {
		if err := e.start(); err != nil {
			return err
		}
	}
	// A byte that is no UTF-8 becomes a rune of its own, as go-expect reads it.
	runes := []rune(string(e.unread[:n]))
	text := []byte(string(runes))
	e.unread = append(text, e.unread[n:]...)
	stop := context.AfterFunc(w.ctx, e.close) // should go-expect ever hang
	defer stop()
	if _, err := e.console.Tty().Write(text); err != nil {
		return e.failed(w, err)
	}
	e.runes = len(runes)
	if _, err := e.console.Expect(func(o *expect.ExpectOpts) error {
		o.Matchers = append(o.Matchers, e)
		return nil
	}); err != nil {
		return e.failed(w, err)
	}
	return nil
}

func (e *expecter) failed(w *wait, err error) error {
	if over := w.over(); over != nil {
		return over
	}
	return fmt.Errorf("go-expect: %w", err)
}

// start makes go-expect's console, whose tty must pass on every byte as it is.
func (e *expecter) start() (err error) {
	if e.console, err = expect.NewConsole(); err != nil {
		return fmt.Errorf("go-expect: %w", err)
	}
	if _, err = term.MakeRaw(int(e.console.Tty().Fd())); err != nil {
		return fmt.Errorf("go-expect: make its tty raw: %w", err)
	}
	return nil
}

func (e *expecter) close() {
	if e.console != nil {
		_ = e.console.Close() // it never fails
	}
}

// Match implements go-expect's Matcher: it is called at each rune with the buffer
// of what was read, or with why nothing was.
func (e *expecter) Match(v any) bool {
	buf, ok := v.(*bytes.Buffer)
	if !ok {
		return false
	}
	n := buf.Len()
	e.open = append(e.open, buf.Bytes()...)
	if over := len(e.open) - maxOpen; over > 0 {
		e.open, e.at = append(e.open[:0], e.open[over:]...), e.at+int64(over)
	}
	_, _ = e.lines.Write(buf.Bytes())
	buf.Reset()
	e.unread = e.unread[n:]
	e.runes--
	return e.match != nil || e.runes == 0
}

// Criteria implements go-expect's Matcher.
func (e *expecter) Criteria() any { return e.re }

// line looks at a line that has ended.
func (e *expecter) line(l screen.Line) {
	e.seen = 0
	done := min(max(l.Next-e.at, 0), int64(len(e.open)))
	e.open, e.at = append(e.open[:0], e.open[done:]...), e.at+done
	if e.match == nil && len(l.Text) > 0 {
		e.match = e.re.FindStringSubmatch(string(l.Text))
	}
}

// look looks at the line that has not ended.
func (e *expecter) look() {
	text := e.lines.Open().Text
	if e.seen = len(text); e.seen == 0 || e.match != nil {
		return
	}
	if e.match = e.re.FindStringSubmatch(string(text)); e.match != nil {
		e.open = nil
	}
}
