package cast

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// Header describes a recording.
type Header struct {
	Cols, Rows int
	Title      string // may be empty
	Command    string // may be empty
	// Now tells the time; nil is time.Now. The recording starts with it.
	Now func() time.Time
}

// Writer records what is written to it. Every event is handed to the file at
// once, so that a recording that breaks off is good up to there. Its methods
// may be called at the same time.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	now  func() time.Time
	from time.Time
	last time.Duration // of the last event, as it was written
	rest []byte        // the beginning of a character, until it is whole
	err  error
}

// NewWriter starts a recording on w with its header line.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Now == nil {
		h.Now = time.Now
	}
	c := &Writer{w: w, now: h.Now, from: h.Now()}
	line, err := json.Marshal(header{
		Version: 3, Term: &size{Cols: h.Cols, Rows: h.Rows},
		Timestamp: c.from.Unix(), Title: h.Title, Command: h.Command,
	})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("start the recording: %w", err)
	}
	return c, nil
}

// Write records output. Bytes that are not UTF-8 become U+FFFD, as JSON has no
// others; a character that is split over two calls stays whole. After an error
// nothing more is recorded, and every call returns it.
func (c *Writer) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := p
	if len(c.rest) > 0 {
		text = append(c.rest, p...)
	}
	whole := len(text) - unfinished(text)
	c.event('o', string(text[:whole]))
	c.rest = append([]byte(nil), text[whole:]...)
	if c.err != nil {
		return 0, c.err
	}
	return len(p), nil
}

// Mark records a marker: a player stops at it by name.
func (c *Writer) Mark(label string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event('m', label)
	return c.err
}

// Close records the bytes of a character that never became whole. It does not
// close the file.
func (c *Writer) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event('o', string(c.rest))
	c.rest = nil
	return c.err
}

// event writes one line: the time since the last event, its code, its data.
func (c *Writer) event(code byte, data string) {
	if data == "" && code == 'o' || c.err != nil {
		return
	}
	at := max(c.now().Sub(c.from).Round(time.Microsecond), c.last)
	line, err := json.Marshal([]any{json.Number(fmt.Sprintf("%.6f", (at - c.last).Seconds())), string(code), data})
	if err == nil {
		_, err = c.w.Write(append(line, '\n'))
	}
	if err != nil {
		c.err = fmt.Errorf("record the console: %w", err)
	}
	c.last = at
}

// unfinished is the number of bytes at p's end that begin a character which is
// not whole yet.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
