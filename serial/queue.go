package serial

import (
	"bytes"
	"sync"
)

// window is what of the console's text is kept for an Expect to come, in bytes.
// go-expect reads some 2 MB/s: of a flood that is longer and faster, the oldest is
// dropped. A whole boot prints 100 KiB.
const window = 256 << 10

// queue stands between the pump, which never waits, and go-expect, which reads
// only while something is expected.
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
	if len(q.buf) > window {
		// Down to a half, so that a flood is not moved in memory at each push,
		// and to the beginning of a line: half a line could match wrongly.
		cut := len(q.buf) - window/2
		if i := bytes.IndexByte(q.buf[cut:min(len(q.buf), cut+4096)], '\n'); i >= 0 {
			cut += i + 1
		}
		q.dropped += int64(cut)
		q.buf = append(append(q.buf[:0], '\n'), q.buf[cut:]...)
	}
	q.mu.Unlock()
	q.wake()
}

// end lets pop return false once the queue is empty.
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

// pop waits for bytes and copies them into p; false is the end.
func (q *queue) pop(p []byte, stop <-chan struct{}) (int, bool) {
	for {
		q.mu.Lock()
		n := copy(p, q.buf)
		q.buf = q.buf[n:]
		ended := q.ended
		q.mu.Unlock()
		if n > 0 {
			return n, true
		}
		if ended {
			return 0, false
		}
		select {
		case <-q.more:
		case <-stop:
			return 0, false
		}
	}
}

// lost is how many bytes no Expect has seen or will see.
func (q *queue) lost() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
