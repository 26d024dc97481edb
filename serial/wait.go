package serial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// WaitError says what was awaited of a guest and did not come. Err is (or
// wraps) context.DeadlineExceeded, a *[TripError], os.ErrClosed after Close, or
// io.EOF when the guest's end is gone.
type WaitError struct {
	Want    string        // what was awaited
	Waited  time.Duration // for how long
	Stage   Stage         // which the boot had reached
	Screen  string        // what a terminal showed
	Dropped int64         // bytes of a flood, since the console began, that nobody has looked at
	Err     error
}

func (e *WaitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no %s after %s: %v", e.Want, e.Waited.Round(time.Millisecond), e.Err)
	stage := e.Stage
	if stage == "" {
		stage = "none"
	}
	fmt.Fprintf(&b, "\nstage reached: %s", stage)
	if e.Dropped > 0 {
		fmt.Fprintf(&b, "\n%d bytes came too fast to be looked at", e.Dropped)
	}
	rows := strings.Split(strings.Trim(e.Screen, "\n "), "\n")
	if len(rows) > 20 {
		rows = rows[len(rows)-20:]
	}
	if len(rows) == 1 && rows[0] == "" {
		b.WriteString("\nthe screen is empty")
	} else {
		b.WriteString("\nscreen:\n  | " + strings.Join(rows, "\n  | "))
	}
	return b.String()
}

func (e *WaitError) Unwrap() error { return e.Err }

// wait is one method's turn to wait for the guest.
type wait struct {
	c     *Console
	ctx   context.Context
	want  string
	start time.Time
	// old is a trip that this wait does not end by.
	old *TripError
	// key is what see would press, since pressed or when it last did.
	key     string
	pressed time.Time
	// asks: a password may be asked for next, which Enter would answer.
	asks bool
	// answered are the password prompts on the screen that have their answer,
	// the last since answeredAt.
	answered   int
	answeredAt time.Time
}

// begin takes the turn. Every wait that succeeds must end.
func (c *Console) begin(ctx context.Context, want string) (*wait, error) {
	w := &wait{c: c, ctx: ctx, want: want, start: time.Now()}
	select {
	case c.turn <- struct{}{}:
		return w, nil
	case <-ctx.Done():
		return nil, w.fail(ctx.Err())
	case <-c.stop:
		return nil, w.fail(c.goneErr())
	}
}

func (w *wait) end() { <-w.c.turn }

// over is why the wait must end now, or nil.
func (w *wait) over() error {
	if trip := w.c.tripErr(); trip != nil && trip != w.old {
		return trip
	}
	select {
	case <-w.c.stop:
		return w.c.goneErr()
	default:
	}
	return w.ctx.Err()
}

// sleep waits for d, unless the wait is over.
func (w *wait) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	tripped := w.c.tripped
	if w.old != nil {
		tripped = nil
	}
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	case <-tripped:
	case <-w.c.ended:
		return w.c.goneErr()
	}
	return w.over()
}

// fail is err as a WaitError; nil stays nil.
func (w *wait) fail(err error) error {
	if err == nil || errors.As(err, new(*WaitError)) {
		return err
	}
	return &WaitError{Want: w.want, Waited: time.Since(w.start), Stage: w.c.Stage(), Screen: w.c.Screen(),
		Dropped: w.c.queue.lost(), Err: err}
}
