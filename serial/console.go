package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"time"

	expect "github.com/Netflix/go-expect"
	"github.com/creack/pty"

	"bootaudit/internal/cast"
	"bootaudit/internal/screen"
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
	// OnStage and OnTrip are told what the console's [Watch] sees, from the
	// pump: they must not wait.
	OnStage func(Reached)
	OnTrip  func(Trip)
	// Alarms are what this image in particular prints when it is in trouble.
	Alarms []Alarm
	// Notices match, from their beginning, the lines that this image writes to
	// its console unasked: a prompt above them still waits.
	Notices []*regexp.Regexp
	// Patience multiplies the silence limits of [Tripwires]; 0 is 1.
	Patience float64
}

// Console is a guest's serial console. Its pump reads what the guest sends
// whether anybody waits for something or not; methods that wait exclude one
// another. It is a [Runner].
type Console struct {
	rw     io.ReadWriteCloser
	cfg    Config
	screen *screen.Screen
	watch  *Watch
	cast   *cast.Writer // or nil
	queue  *queue
	out    *outlet
	exp    *expect.Console
	tty    *os.File

	turn  chan struct{} // holds a token while a method waits for the guest
	lines lines         // under turn
	proof uint32        // number of the last identity question, under turn
	root  *fallback     // the agent on the console, under turn; nil: none runs
	who   Who           // whom Login found at the shell, under turn; the zero Who is nobody

	mu     sync.Mutex
	trip   *TripError
	gone   error // why no more will come
	errs   []error
	closed bool

	live    context.Context // until the pump ends
	sends   sync.WaitGroup  // of go-expect; added to under mu while gone is nil
	tripped chan struct{}
	ended   chan struct{} // the pump has ended
	stop    chan struct{} // Close was called
	work    sync.WaitGroup
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
	exp, err := expect.NewConsole()
	if err != nil {
		return nil, fmt.Errorf("open a console: %w", err)
	}
	_ = pty.Setsize(exp.Tty(), &pty.Winsize{Cols: uint16(cfg.Cols), Rows: uint16(cfg.Rows)})
	tty, err := openTTY(exp)
	if err != nil {
		return nil, errors.Join(err, exp.Close())
	}
	c := &Console{
		rw: rw, cfg: cfg, queue: newQueue(), exp: exp, tty: tty,
		turn:    make(chan struct{}, 1),
		tripped: make(chan struct{}),
		ended:   make(chan struct{}),
		stop:    make(chan struct{}),
	}
	live, kill := context.WithCancel(context.Background())
	c.live = live
	if cfg.Recording != nil {
		if c.cast, err = cast.NewWriter(cfg.Recording, cast.Header{Cols: cfg.Cols, Rows: cfg.Rows}); err != nil {
			kill()
			return nil, errors.Join(err, tty.Close(), exp.Close())
		}
	}
	// That the guest no longer reads is seen by those who wait for its answer.
	c.out = newOutlet(rw, func(error) {})
	c.screen = screen.New(screen.Config{Cols: cfg.Cols, Rows: cfg.Rows, Reply: func(p []byte) { c.out.offer(append([]byte(nil), p...)) }})
	c.watch = NewWatch(WatchConfig{OnStage: c.onStage, OnTrip: c.onTrip, Alarms: cfg.Alarms, Patience: cfg.Patience})
	c.work.Go(func() {
		defer kill()
		c.pump()
	})
	c.work.Go(c.feed)
	c.work.Go(c.typed)
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

// feed moves text from the queue to go-expect, which sees the end by the tty's.
func (c *Console) feed() {
	defer c.closeTTY()
	buf := make([]byte, 4<<10)
	held := 0 // bytes of a rune that has not come whole
	for {
		n, ok := c.queue.pop(buf[held:], c.stop)
		n += held
		if !ok {
			_, _ = c.tty.Write(buf[:n])
			return
		}
		whole := wholeRunes(buf[:n])
		if _, err := c.tty.Write(buf[:whole]); err != nil {
			return
		}
		held = copy(buf, buf[whole:n])
	}
}

// closeTTY waits for the sends first: one that blocks in the kernel may sleep
// through the tty's end.
func (c *Console) closeTTY() {
	<-c.ended
	c.sends.Wait()
	_ = c.tty.Close()
}

// typed moves what go-expect sends to the guest, or, once that is gone, to
// nobody.
func (c *Console) typed() {
	buf := make([]byte, 4<<10)
	for {
		n, err := c.tty.Read(buf)
		if n > 0 {
			_ = c.out.send(c.live, append([]byte(nil), buf[:n]...))
		}
		if err != nil {
			return
		}
	}
}

// idle lets the watch notice silence.
func (c *Console) idle() {
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.watch.Idle(now)
		case <-c.ended:
			return
		}
	}
}

func (c *Console) onStage(r Reached) {
	if c.cast != nil {
		_ = c.cast.Mark(string(r.Stage))
	}
	if c.cfg.OnStage != nil {
		c.cfg.OnStage(r)
	}
}

func (c *Console) onTrip(t Trip) {
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
		close(c.tripped)
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

// Screen is what a terminal would show now.
func (c *Console) Screen() string { return c.screen.Text() }

// Stage is the stage that the boot has reached.
func (c *Console) Stage() Stage { return c.watch.Stage() }

// Type sends text to the guest as it is, control characters included; "\r" is
// Enter.
func (c *Console) Type(ctx context.Context, text string) error {
	w, err := c.begin(ctx, "the console to type at")
	if err != nil {
		return err
	}
	defer w.end()
	c.who = Who{}
	return w.fail(errors.Join(c.leave(w), c.send(w.ctx, []byte(text))))
}

// send types through go-expect, and does not wait longer than ctx for a guest
// that does not read.
func (c *Console) send(ctx context.Context, p []byte) error {
	c.mu.Lock()
	if c.gone != nil {
		c.mu.Unlock()
		return c.goneErr()
	}
	sent := make(chan error, 1)
	c.sends.Go(func() {
		_, err := c.exp.Send(string(p))
		sent <- err
	})
	c.mu.Unlock()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return c.goneErr()
	}
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
	c.mu.Unlock()
	close(c.stop)
	c.out.close()
	err := c.rw.Close()
	<-c.ended
	// Feed may be waiting for go-expect to read: closing the tty ends that.
	c.closeTTY()
	c.work.Wait()
	<-c.out.done
	return errors.Join(append(c.errs, err, c.exp.Close())...)
}
