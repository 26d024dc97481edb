package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"bootaudit/internal/cast"
	"bootaudit/internal/screen"
	"bootaudit/serial/watch"
)

// Config says how a console is read. The zero value works.
type Config struct {
	// Cols and Rows are the terminal's size; 0 is 132x50. Boot menus are up to
	// 98 columns wide.
	Cols, Rows int
	// Transcript gets every byte the guest sends, as it is.
	Transcript io.Writer
	// Recording gets the same as an asciicast, with a marker at each stage.
	Recording io.Writer
	// OnStage and OnTrip are told what the console's [watch.Watch] sees, from the
	// pump: they must not wait.
	OnStage func(watch.Reached)
	OnTrip  func(watch.Trip)
	// Allow says of a fatal trip that it is known, and ends no wait.
	Allow func(watch.Trip) bool
	// Alarms are what this image in particular prints when it is in trouble.
	Alarms []watch.Alarm
	// Notices match, from their beginning, the lines that this image writes to
	// its console unasked: a prompt above them still waits.
	Notices []*regexp.Regexp
	// Expect matches the line, printed or on the screen, that says that the boot has
	// come to where it is to come; OnExpect is told of the first, from the pump.
	Expect   *regexp.Regexp
	OnExpect func(watch.Reached)
	// Answers are given before there is a shell.
	Answers []Answer
	// Quiet: the kernel was told to say little, and its silence ends no wait.
	Quiet bool
	// Patience multiplies the silence limits of [watch.Tripwires]; 0 is 1. More
	// than 1 also makes the console wait longer for answers; less makes it no
	// hastier.
	Patience float64
}

// Console is a guest's serial console. Its pump reads what the guest sends
// whether anybody waits for something or not; methods that wait exclude one
// another. It is a [Runner].
type Console struct {
	rw     io.ReadWriteCloser
	cfg    Config
	screen *screen.Screen
	watch  *watch.Watch
	cast   *cast.Writer // or nil
	queue  *queue
	out    *outlet

	printed atomic.Int64 // bytes that the screen shows and the watch has seen
	seen    atomic.Pointer[seen]

	turn  chan struct{} // holds a token while a method waits for the guest
	proof uint32        // number of the last identity question, under turn
	root  *fallback     // the agent on the console, under turn; nil: none runs
	who   Who           // whom Login found at the shell, under turn; the zero Who is nobody
	poor  error         // what the guest lacks for an agent, under turn
	asks  string        // how root's shell asked that was found last, under turn

	mu     sync.Mutex
	waits  context.CancelCauseFunc // ends the wait that has the turn
	trip   *TripError
	gone   error // why no more will come
	errs   []error
	closed bool

	ended chan struct{} // the pump has ended
	stop  chan struct{} // Close was called
	work  sync.WaitGroup
}

// New starts to read a console. rw is the guest's end: QEMU's unix socket, a
// pty, or a pipe. The console closes it.
func New(rw io.ReadWriteCloser, cfg Config) (*Console, error) {
	if cfg.Cols == 0 {
		cfg.Cols = 132
	}
	if cfg.Rows == 0 {
		cfg.Rows = 50
	}
	c := &Console{
		rw: rw, cfg: cfg, queue: newQueue(),
		turn:  make(chan struct{}, 1),
		ended: make(chan struct{}),
		stop:  make(chan struct{}),
	}
	if cfg.Recording != nil {
		var err error
		if c.cast, err = cast.NewWriter(cfg.Recording, cast.Header{Cols: cfg.Cols, Rows: cfg.Rows}); err != nil {
			return nil, fmt.Errorf("record the console: %w", err)
		}
	}
	// That the guest no longer reads is seen by those who wait for its answer.
	c.out = newOutlet(rw, func(error) {})
	c.screen = screen.New(screen.Config{Cols: cfg.Cols, Rows: cfg.Rows, Reply: func(p []byte) { c.out.offer(append([]byte(nil), p...)) }})
	c.watch = watch.New(watch.Config{OnStage: c.onStage, OnTrip: c.onTrip, Alarms: cfg.Alarms, Quiet: cfg.Quiet, Patience: cfg.Patience,
		Expect: cfg.Expect, OnExpect: cfg.OnExpect,
		Screen: func() (text string, row, col int) {
			text = c.screen.Text()
			col, row = c.screen.Cursor()
			return text, row, col
		}})
	c.work.Go(c.pump)
	c.work.Go(c.idle)
	return c, nil
}

// dribble is so little, in bytes, that the pump lets more come before it reads
// again. QEMU hands over what a guest writes to its UART byte by byte; one by
// one they cost four system calls each, and a line of the recording.
const dribble = 64

// pump takes what the guest sends at once and always: a guest whose UART is
// not drained stands still, and a terminal's late answer is taken for typing.
func (c *Console) pump() {
	defer close(c.ended)
	defer c.queue.end()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.rw.Read(buf)
		if p := buf[:n]; n > 0 {
			if c.cfg.Transcript != nil {
				if _, err := c.cfg.Transcript.Write(p); err != nil {
					c.note(fmt.Errorf("write the transcript: %w", err))
					c.cfg.Transcript = nil
				}
			}
			if c.cast != nil {
				_, _ = c.cast.Write(p) // Close says what failed
			}
			c.screen.Write(p)
			c.watch.Write(p)
			c.printed.Add(int64(n))
			c.queue.push(p)
			if n < dribble {
				time.Sleep(time.Millisecond)
			}
		}
		if err != nil {
			c.mu.Lock()
			if c.gone = os.ErrClosed; !c.closed {
				c.gone = fmt.Errorf("the guest's end of the console is gone: %w", err)
			}
			c.mu.Unlock()
			_ = c.watch.Close()
			if c.cast != nil {
				if err := c.cast.Close(); err != nil {
					c.note(err)
				}
			}
			return
		}
	}
}

// idle lets the watch notice silence.
func (c *Console) idle() {
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	answers := newAnswers(c.cfg.Answers)
	for {
		select {
		case now := <-tick.C:
			if c.watch.Idle(now) == nil {
				answers.give(c)
			}
		case <-c.ended:
			return
		}
	}
}

func (c *Console) onStage(r watch.Reached) {
	if c.cast != nil {
		_ = c.cast.Mark(string(r.Stage))
	}
	if c.cfg.OnStage != nil {
		c.cfg.OnStage(r)
	}
}

func (c *Console) onTrip(t watch.Trip) {
	if t.Fatal && c.cfg.Allow != nil && c.cfg.Allow(t) {
		t.Fatal = false
	}
	if c.cfg.OnTrip != nil {
		c.cfg.OnTrip(t)
	}
	if !t.Fatal {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trip == nil {
		c.trip = &TripError{Trip: t}
		if c.waits != nil {
			c.waits(c.trip)
		}
	}
}

// note keeps an error for Close.
func (c *Console) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

func (c *Console) goneErr() error {
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *Console) tripErr() *TripError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trip
}

// patient is how long an answer is awaited that takes at most d where nothing is
// slow.
func (c *Console) patient(d time.Duration) time.Duration {
	return time.Duration(float64(d) * max(1, c.cfg.Patience))
}

// Screen is what a terminal would show now.
func (c *Console) Screen() string { return c.screen.Text() }

// Stage is the stage that the boot has reached.
func (c *Console) Stage() watch.Stage { return c.watch.Stage() }

// Type sends text to the guest as it is, control characters included; "\r" is
// Enter.
func (c *Console) Type(ctx context.Context, text string) error {
	w, err := c.begin(ctx, "console to type at", nil)
	if err != nil {
		return err
	}
	defer w.end()
	c.who = Who{}
	if err := c.leave(w); err != nil {
		return w.fail(err)
	}
	return w.fail(w.send(text))
}

// send types text, and does not wait longer than ctx for a guest that does not
// read.
func (c *Console) send(ctx context.Context, text []byte) error {
	select {
	case <-c.ended:
		return c.goneErr()
	default:
	}
	err := c.out.send(ctx, text)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("the guest's end of the console is gone: %w: %w", io.EOF, err)
	}
	return err
}

// Close ends the console and all waits. Its error is what could not be
// recorded.
func (c *Console) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	if c.waits != nil {
		c.waits(os.ErrClosed)
	}
	c.mu.Unlock()
	close(c.stop)
	c.out.close()
	err := c.rw.Close()
	c.work.Wait()
	<-c.out.done
	return errors.Join(append(c.errs, err)...)
}
