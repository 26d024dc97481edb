package serial

import (
	"context"
	"io"
	"sync"
)

// outlet is the one writer of a guest's line: several goroutines may send, what
// each sends stays in one piece, and none waits longer than its context although
// the guest may have stopped reading.
type outlet struct {
	queue chan []byte
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
	err   error // under done
}

// newOutlet writes to w until the outlet is closed or a write fails, which it
// reports to failed.
func newOutlet(w io.Writer, failed func(error)) *outlet {
	o := &outlet{queue: make(chan []byte, 16), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(o.done)
		for {
			select {
			case p := <-o.queue:
				if _, err := w.Write(p); err != nil {
					o.err = err
					failed(err)
					return
				}
			case <-o.stop:
				return
			}
		}
	}()
	return o
}

func (o *outlet) send(ctx context.Context, p []byte) error {
	select {
	case <-o.done:
		return o.closed()
	default:
	}
	select {
	case o.queue <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-o.done:
		return o.closed()
	}
}

func (o *outlet) closed() error {
	if o.err != nil {
		return o.err
	}
	return io.ErrClosedPipe
}

// offer sends p unless the queue is full.
func (o *outlet) offer(p []byte) {
	select {
	case o.queue <- p:
	default:
	}
}

// close ends the writer; a write that blocks is ended by closing what it
// writes to.
func (o *outlet) close() {
	o.once.Do(func() { close(o.stop) })
}
