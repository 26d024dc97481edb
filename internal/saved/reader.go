package saved

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

const (
	// blockSize is how much is looked at for a prefix at once: some 200 lines.
	blockSize = 16 << 10
	// sample is how many of a block's lines are looked at, evenly.
	sample = 64
	// settled is how many lines a block must have to take back what was learnt.
	settled = 8
)

// Reader hands out what the guest wrote. Its functions are called in order, and
// what they are given is valid until they return.
type Reader struct {
	Guest func([]byte)
	// Skip is told of n bytes of the file that are not the guest's. It is
	// negative where bytes were handed out that are not in the file.
	Skip func(n int)
	// At, if set, is told what the clock in front of the next lines shows, from
	// the first one that was read on. It never goes back.
	At func(time.Duration)

	form    string
	layers  []layer
	numbers numbers
	at      int64 // of what is read next, in the file
	said    int64 // of what the callbacks know
	// prefixed is how many bytes are in blocks with a prefix.
	prefixed int64
	lines    [][]byte
	clean    cleaner
	clock    runningClock
}

// Form is what the file was: "" for a console as it is, or "journal export",
// "journal JSON", "container JSON", "LAVA log", "lines with a prefix".
func (r *Reader) Form() string { return r.form }

// Number is the number, from 1, of the file's line that the byte at offset is
// in. It is known for what was just handed out, and some 500 KB before it; else
// it is 0.
func (r *Reader) Number(offset int64) int { return r.numbers.at(offset) }

// Read reads in to its end.
func (r *Reader) Read(in *bufio.Reader) error {
	r.numbers.add(0)
	start, _ := in.Peek(Head)
	if bytes.HasPrefix(start, []byte("\uFEFF")) {
		_, _ = in.Discard(3)
		r.at, start = 3, start[3:]
	}
	var err error
	switch {
	case isExport(start):
		r.form = "journal export"
		err = r.readExport(in)
	default:
		if kind := recordKind(start); kind != nil {
			r.form = kind.form
			err = r.readRecords(in, kind)
		} else {
			err = r.readLines(in)
			// A journal that was printed on a console makes no other file of it.
			if r.prefixed*2 > r.at {
				r.form = "lines with a prefix"
			}
		}
	}
	r.settle(r.at)
	return err
}

// settle lets the callbacks know where in the file what comes next is.
func (r *Reader) settle(at int64) {
	if at != r.said {
		r.Skip(int(at - r.said))
		r.said = at
	}
}

// give hands out p, which is at an offset of the file.
func (r *Reader) give(p []byte, at int64) {
	if len(p) > 0 {
		r.settle(at)
		r.Guest(p)
		r.said += int64(len(p))
	}
}

// readLines reads blocks of whole lines.
func (r *Reader) readLines(in io.Reader) error {
	buf := make([]byte, Head)
	held := 0
	for {
		n, err := in.Read(buf[held:])
		held += n
		done := 0
		for done < held {
			block := buf[done:min(held, done+blockSize)]
			if len(block) < blockSize && err == nil {
				break // more of it may come
			}
			end := bytes.LastIndexByte(block, '\n') + 1
			if end == 0 || done+len(block) == held && err != nil {
				end = len(block)
			}
			r.block(block[:end])
			done += end
		}
		held = copy(buf, buf[done:held])
		if err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return err
		}
	}
}

// block learns from a block, and hands it out.
func (r *Reader) block(p []byte) {
	r.learn(p)
	if len(r.layers) == 0 {
		for at := 0; ; {
			i := bytes.IndexByte(p[at:], '\n')
			if i < 0 {
				break
			}
			at += i + 1
			r.numbers.add(r.at + int64(at))
		}
		r.give(p, r.at)
		r.at += int64(len(p))
		return
	}
	r.prefixed += int64(len(p))
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		} else {
			r.numbers.add(r.at + int64(end))
		}
		r.line(p[:end])
		r.at += int64(end)
		p = p[end:]
	}
}

// line hands out a line without its prefix.
func (r *Reader) line(p []byte) {
	view := r.clean.view(p)
	s := strip(r.layers, view)
	if s.timed && r.At != nil {
		r.settle(r.at + int64(r.clean.place(s.from))) // what is in front was printed before
		r.At(r.clock.read(s.at, s.dated))
	}
	if s.keep > s.from {
		from := r.clean.place(s.from)
		r.give(p[from:r.clean.place(s.keep)], r.at+int64(from))
	}
	rest := r.clean.place(s.resume)
	r.give(p[rest:], r.at+int64(rest))
}

// learn looks at a block's lines for a prefix. One that was there before stays
// until a block says otherwise: others may write in between.
func (r *Reader) learn(p []byte) {
	r.lines = r.lines[:0]
	step := bytes.Count(p, []byte("\n"))/sample + 1
	for i := 0; len(p) > 0; i++ {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		if i%step > 0 {
			p = p[end:]
			continue
		}
		if view := r.clean.view(p[:end]); len(bytes.TrimRight(view, " \t")) > 0 {
			if r.clean.escapes {
				view = bytes.Clone(view)
			}
			r.lines = append(r.lines, view)
		}
		p = p[end:]
	}
	all := len(r.lines)
	old := 0
	if len(r.layers) > 0 {
		for _, line := range r.lines {
			if strip(r.layers, line).resume > 0 {
				old++
			}
		}
	}
	if learnt := learn(r.lines); len(learnt) > 0 {
		if len(r.layers) == 0 || all >= settled || old == 0 {
			r.layers = learnt
		}
	} else if all >= settled && old*4 < all {
		r.layers = nil
	}
}

// cleaner shows the beginning of a line without its escape sequences: loggers
// write names in colour.
type cleaner struct {
	escapes bool
	text    []byte
	places  []int // of text's bytes, and its end, in the line
}

// shown is how much of a line with escape sequences is looked at.
const shown = 256

// view is p without escape sequences and line end.
func (c *cleaner) view(p []byte) []byte {
	p = bytes.TrimRight(p, "\r\n")
	head := p[:min(len(p), shown)]
	if c.escapes = bytes.IndexByte(head, 0x1b) >= 0; !c.escapes {
		return p
	}
	c.text, c.places = c.text[:0], c.places[:0]
	for i := 0; i < len(head); {
		if head[i] == 0x1b {
			i += escapeLen(head[i:])
			continue
		}
		c.text = append(c.text, head[i])
		c.places = append(c.places, i)
		i++
	}
	c.places = append(c.places, len(head))
	return c.text
}

// place is where in the line the view's byte at i is. Colours in front of the
// line itself stay with it, if it has them alone.
func (c *cleaner) place(i int) int {
	if !c.escapes {
		return i
	}
	if i == 0 {
		return 0
	}
	return c.places[i]
}

// runningClock makes one time of those that lines have.
type runningClock struct {
	begun      bool
	zero, last time.Duration
}

func (c *runningClock) read(at time.Duration, dated bool) time.Duration {
	if !c.begun {
		c.begun, c.zero = true, at
	}
	if !dated && at-c.zero < c.last-12*time.Hour {
		c.zero -= 24 * time.Hour // past midnight
	}
	c.last = max(c.last, at-c.zero)
	return c.last
}
