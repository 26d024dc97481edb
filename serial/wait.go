package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"bootaudit/serial/watch"
)

// WaitError says what was awaited of a guest and did not come. Err is (or wraps)
// the cause of the context's end (context.DeadlineExceeded, if no other was
// given), a *[TripError], os.ErrClosed after Close, or io.EOF when the guest's end
// is gone.
type WaitError struct {
	Want    string        // what was awaited
	Waited  time.Duration // for how long
	Stage   watch.Stage   // which the boot had reached
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

// TripError is a fatal trip as the error that ends a wait.
type TripError struct{ Trip watch.Trip }

func (e *TripError) Error() string {
	return fmt.Sprintf("%s (%s, in stage %q): %q; %s", e.Trip.Means, e.Trip.ID, e.Trip.Stage, e.Trip.Line, e.Trip.Remedy)
}

// wait is one method's turn to wait for the guest.
type wait struct {
	c    *Console
	want string
	// ctx ends with the caller's, at a fatal trip and at Close, and says by its
	// cause which.
	ctx    context.Context
	cancel context.CancelCauseFunc
	start  time.Time
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

// begin takes the turn. The wait ends at a fatal trip other than old. Every wait
// that begins must end.
func (c *Console) begin(ctx context.Context, want string, old *TripError) (*wait, error) {
	w := &wait{c: c, want: want, start: time.Now()}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, w.fail(context.Cause(ctx))
	case <-c.stop:
		return nil, w.fail(c.goneErr())
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = w.cancel
	switch {
	case c.closed:
		w.cancel(os.ErrClosed)
	case c.trip != nil && c.trip != old:
		w.cancel(c.trip)
	}
	return w, nil
}

func (w *wait) end() {
	w.c.mu.Lock()
	w.c.waits = nil
	w.c.mu.Unlock()
	w.cancel(nil)
	<-w.c.turn
}

// over is why the wait must end now, or nil.
func (w *wait) over() error { return context.Cause(w.ctx) }

// send types text at the console.
func (w *wait) send(text string) error { return w.c.send(w.ctx, []byte(text)) }

// text is what the guest has printed next, once there is something. Its error is
// the cause of ctx's end, or that the guest's end is gone.
func (w *wait) text(ctx context.Context, most int) ([]byte, error) {
	text, err := w.c.queue.take(ctx, most)
	if errors.Is(err, io.EOF) && ctx.Err() == nil {
		err = w.c.goneErr()
	}
	return text, err
}

// sleep waits for d, unless the wait is over or the guest's end is gone.
func (w *wait) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
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
