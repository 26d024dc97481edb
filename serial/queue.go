package serial

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// window is what of the console's text is kept for a wait to come, in bytes. An
// Expect reads some 2 MB/s: of a flood that is longer and faster, the oldest is
// dropped. A whole boot prints 100 KiB.
const window = 256 << 10

// queue stands between the pump, which never waits, and the one wait that has
// the turn.
type queue struct {
	mu      sync.Mutex
	buf     []byte
	dropped int64
	ended   bool
	more    chan struct{}
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

func (q *queue) push(p []byte) {
	q.mu.Lock()
	q.buf = append(q.buf, p...)
	q.trim()
	q.mu.Unlock()
	q.wake()
}

// giveBack puts p, which was taken, before what has come since.
func (q *queue) giveBack(p []byte) {
	if len(p) == 0 {
		return
	}
	q.mu.Lock()
	q.buf = append(bytes.Clone(p), q.buf...)
	q.trim()
	q.mu.Unlock()
	q.wake()
}

func (q *queue) trim() {
	if len(q.buf) <= window {
		return
	}
	// Down to a half, so that a flood is not moved in memory at each push,
	// and to the beginning of a line: half a line could match wrongly.
	cut := len(q.buf) - window/2
	if i := bytes.IndexByte(q.buf[cut:min(len(q.buf), cut+4096)], '\n'); i >= 0 {
		cut += i + 1
	}
	q.dropped += int64(cut)
	q.buf = append(append(q.buf[:0], '\n'), q.buf[cut:]...)
}

// end lets take return io.EOF once the queue is empty.
func (q *queue) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take waits for text and returns at most that many bytes of it, or the cause of
// ctx's end, however much text there is.
func (q *queue) take(ctx context.Context, most int) ([]byte, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		q.mu.Lock()
		n := min(len(q.buf), most)
		p := q.buf[:n:n]
		q.buf = q.buf[n:]
		ended := q.ended
		q.mu.Unlock()
		if n > 0 {
			return p, nil
		}
		if ended {
			return nil, io.EOF
		}
		select {
		case <-q.more:
		case <-ctx.Done():
		}
	}
}

// lost is how many bytes no wait has seen or will see.
func (q *queue) lost() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
