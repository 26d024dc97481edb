package serial

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// frameLine is the number of base64 characters in a frame on a line of its own:
// with its frame one write of less than PIPE_BUF bytes.
const frameLine = 3000

// Control is a control line: a root shell without echo on a port of its own,
// where no kernel message, broadcast or pager can touch an answer. It is a
// Runner whose commands run side by side.
type Control struct {
	port io.ReadWriteCloser
	s    *session
	out  *outlet
	done sync.WaitGroup
}

// Resume takes up the control line of a guest that has gone on without a host,
// however long, or was saved and restored: port is the same port, key what Key
// returned.
func Resume(ctx context.Context, port io.ReadWriteCloser, key string) (*Control, error) {
	c := newControl(port, key)
	// End the line that the guest may have half read when it was saved.
	if err := c.out.send(ctx, []byte("\n")); err != nil {
		c.Close()
		return nil, fmt.Errorf("control line: %w", err)
	}
	uid, err := c.s.hello(ctx)
	if err == nil && uid != "0" {
		err = fmt.Errorf("its shell has uid %s, not 0", uid)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("control line: %w", err)
	}
	return c, nil
}

func newControl(port io.ReadWriteCloser, key string) *Control {
	c := &Control{port: port}
	c.s = newSession(key, func(ctx context.Context, p []byte) error { return c.out.send(ctx, p) })
	c.out = newOutlet(port, func(err error) { c.s.die(fmt.Errorf("control line: write: %w", err)) })
	c.done.Go(func() {
		d := newDeframer(key)
		buf := make([]byte, 32<<10)
		for {
			n, err := port.Read(buf)
			d.feed(buf[:n], func(f frame) bool {
				c.s.take(f)
				return true
			})
			if err != nil {
				c.s.die(fmt.Errorf("control line: the guest's end is gone: %w", err))
				return
			}
		}
	})
	return c
}

// Key names the control line's session for Resume.
func (c *Control) Key() string { return c.s.key }

// Run implements Runner.
func (c *Control) Run(ctx context.Context, command string) (Result, error) {
	return c.s.run(ctx, command)
}

// Put implements Runner.
func (c *Control) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	return c.s.put(ctx, path, data, mode)
}

// Get implements Runner.
func (c *Control) Get(ctx context.Context, path string) ([]byte, error) {
	return c.s.get(ctx, path)
}

// Close closes the port. The guest's agent goes on waiting, see [Resume].
func (c *Control) Close() error {
	c.s.die(fmt.Errorf("control line: %w", io.ErrClosedPipe))
	c.out.close()
	err := c.port.Close()
	c.done.Wait()
	<-c.out.done
	return err
}
