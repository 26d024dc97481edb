// Package qmp speaks the QEMU Machine Protocol over QEMU's monitor socket.
//
// Each command has a number and waits for the reply with that number, so
// events and replies may come in any order; no reply is too long; and an event
// handler that is slow delays events, never a reply to somebody who waits.
package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Event is something that happened to the machine, such as SHUTDOWN.
type Event struct {
	Name string
	Data json.RawMessage
	At   time.Time // QEMU's clock
}

// Error is QEMU's refusal of a command.
type Error struct {
	Command, Class, Desc string
}

func (e *Error) Error() string {
	return fmt.Sprintf("qemu refused %s: %s (%s)", e.Command, e.Desc, e.Class)
}

// ErrClosed is wrapped by the error of a command whose monitor is gone.
var ErrClosed = errors.New("qemu's monitor is closed")

// Client is one connection to a monitor. Its methods may be called from any
// goroutine.
type Client struct {
	conn    net.Conn
	version string
	events  *eventQueue
	done    chan struct{}

	writing chan struct{} // has a token while a command's bytes are written
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan message
	err     error // why the reader ended
}

type message struct {
	QMP *struct {
		Version struct {
			QEMU struct {
				Major, Minor, Micro int
			}
			Package string
		}
	}
	ID     *uint64
	Return json.RawMessage
	Error  *struct{ Class, Desc string }

	Event     string
	Data      json.RawMessage
	Timestamp struct{ Seconds, Microseconds int64 }
}

// Dial connects to the monitor at the unix socket path, retrying until QEMU
// listens there or ctx ends, and negotiates. onEvent, which may be nil, is
// called for one event after the other.
func Dial(ctx context.Context, path string, onEvent func(Event)) (*Client, error) {
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return nil, err
	}
	return New(ctx, conn, onEvent)
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no qemu monitor at %s: %w (%w)", path, err, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// New negotiates on conn, which it closes when that fails.
func New(ctx context.Context, conn net.Conn, onEvent func(Event)) (*Client, error) {
	c := &Client{
		conn:    conn,
		done:    make(chan struct{}),
		writing: make(chan struct{}, 1),
		waiting: make(map[uint64]chan message),
		events:  newEventQueue(onEvent),
	}
	greeting := make(chan string, 1)
	go c.read(greeting)
	fail := func(err error) (*Client, error) {
		c.Close()
		return nil, fmt.Errorf("qemu monitor: %w", err)
	}
	select {
	case c.version = <-greeting:
	case <-c.done:
		return fail(c.Err())
	case <-ctx.Done():
		return fail(fmt.Errorf("no greeting: %w", context.Cause(ctx)))
	}
	if err := c.Execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		return fail(err)
	}
	return c, nil
}

// Version is QEMU's version as the greeting gave it, such as "7.2.22 (Debian
// 1:7.2+dfsg-7)".
func (c *Client) Version() string { return c.version }

// Drained is closed when the connection has ended and its last event has been
// handled.
func (c *Client) Drained() <-chan struct{} { return c.events.drained }

// Err is why the connection ended, or nil before it has.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection. Commands that wait fail with [ErrClosed].
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Execute runs a command. arguments is marshalled as JSON unless nil; the
// reply is unmarshalled into result unless nil.
func (c *Client) Execute(ctx context.Context, command string, arguments, result any) error {
	reply := make(chan message, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return fmt.Errorf("%s: %w", command, c.err)
	}
	c.last++
	id := c.last
	c.waiting[id] = reply
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
	}()

	text, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        uint64 `json:"id"`
	}{command, arguments, id})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if err := c.send(ctx, append(text, '\n')); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	select {
	case m := <-reply:
		if m.Error != nil {
			return &Error{command, m.Error.Class, m.Error.Desc}
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(m.Return, result); err != nil {
			return fmt.Errorf("%s: qemu's reply: %w", command, err)
		}
		return nil
	case <-c.done:
		return fmt.Errorf("%s: %w", command, c.Err())
	case <-ctx.Done():
		return fmt.Errorf("%s: no reply: %w", command, context.Cause(ctx))
	}
}

// Human runs a command of the human monitor and returns what it prints.
func (c *Client) Human(ctx context.Context, line string) (string, error) {
	var text string
	err := c.Execute(ctx, "human-monitor-command", map[string]string{"command-line": line}, &text)
	return text, err
}

// send writes within ctx: a stopped QEMU reads nothing.
func (c *Client) send(ctx context.Context, text []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return fmt.Errorf("not sent: %w", context.Cause(ctx))
	}
	if err := c.conn.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.conn.SetWriteDeadline(time.Unix(1, 0)) // long ago
	})
	n, err := c.conn.Write(text)
	if !stop() {
		<-interrupted
	}
	switch {
	case err == nil:
		return nil
	case n > 0:
		// What came after half a command would be read as its rest.
		c.conn.Close()
		return fmt.Errorf("%w: cut off in the middle of a command: %w", ErrClosed, errors.Join(context.Cause(ctx), err))
	case ctx.Err() != nil:
		return fmt.Errorf("not sent: %w", context.Cause(ctx))
	default:
		return fmt.Errorf("%w (%w)", ErrClosed, err)
	}
}

func (c *Client) read(greeting chan<- string) {
	defer c.events.close()
	defer close(c.done)
	decoder := json.NewDecoder(c.conn)
	for {
		var m message
		if err := decoder.Decode(&m); err != nil {
			c.mu.Lock()
			c.err = fmt.Errorf("%w: %w", ErrClosed, err)
			c.mu.Unlock()
			c.conn.Close()
			return
		}
		switch {
		case m.QMP != nil:
			v := m.QMP.Version
			text := fmt.Sprintf("%d.%d.%d", v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro)
			if v.Package != "" {
				text += " (" + v.Package + ")"
			}
			select {
			case greeting <- text:
			default:
			}
		case m.Event != "":
			at := time.Unix(m.Timestamp.Seconds, m.Timestamp.Microseconds*1000)
			c.events.add(Event{m.Event, m.Data, at})
		case m.ID != nil:
			c.mu.Lock()
			reply := c.waiting[*m.ID]
			delete(c.waiting, *m.ID)
			c.mu.Unlock()
			if reply != nil {
				reply <- m
			}
		}
	}
}

// eventQueue hands events to a handler from a goroutine of its own, so that a
// handler may itself execute commands.
type eventQueue struct {
	mu     sync.Mutex
	some   sync.Cond
	events []Event
	ended  bool

	drained chan struct{}
}

func newEventQueue(handle func(Event)) *eventQueue {
	q := &eventQueue{drained: make(chan struct{})}
	q.some.L = &q.mu
	go func() {
		defer close(q.drained)
		for {
			q.mu.Lock()
			for len(q.events) == 0 && !q.ended {
				q.some.Wait()
			}
			events := q.events
			q.events = nil
			ended := q.ended
			q.mu.Unlock()
			for _, e := range events {
				if handle != nil {
					handle(e)
				}
			}
			if ended && len(events) == 0 {
				return
			}
		}
	}()
	return q
}

func (q *eventQueue) add(e Event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	q.some.Signal()
}

func (q *eventQueue) close() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.some.Signal()
}
