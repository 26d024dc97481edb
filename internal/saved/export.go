package saved

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// maxMessage is how much of a journal's message is read.
const maxMessage = 64 << 10

// isExport is true of the beginning of a journal in its export format
// (systemd.io/JOURNAL_EXPORT_FORMATS).
func isExport(start []byte) bool {
	start = bytes.TrimLeft(start, "\n")
	for _, first := range []string{"__CURSOR=", "__REALTIME_TIMESTAMP=", "__SEQNUM="} {
		if bytes.HasPrefix(start, []byte(first)) {
			return true
		}
	}
	return false
}

// entry is what of a journal's entry a console would show.
type entry struct {
	message    []byte
	at         int64 // of the message, in the file
	identifier string
	pid        string
	kernel     bool
	monotonic  uint64 // in microseconds
	some       bool   // it has a message
	inLine     bool   // the message's lines are all in one of the file
}

// head is what a console shows in front of the message.
func (e *entry) head() (line []byte) {
	if e.monotonic > 0 {
		line = fmt.Appendf(line, "[%5d.%06d] ", e.monotonic/1e6, e.monotonic%1e6)
	}
	if !e.kernel && e.identifier != "" {
		line = append(line, e.identifier...)
		if e.pid != "" {
			line = append(append(append(line, '['), e.pid...), ']')
		}
		line = append(line, ": "...)
	}
	return line
}

func (e *entry) set(name string, value []byte, at int64) {
	const most = 64 // of a name
	text := func() string { return string(value[:min(len(value), most)]) }
	switch name {
	case "MESSAGE":
		e.message, e.at, e.some = append(e.message[:0], value...), at, true
	case "SYSLOG_IDENTIFIER":
		e.identifier = text()
	case "_COMM":
		if e.identifier == "" {
			e.identifier = text()
		}
	case "SYSLOG_PID":
		if e.pid == "" {
			e.pid = text()
		}
	case "_PID":
		e.pid = text()
	case "_TRANSPORT":
		e.kernel = string(value) == "kernel"
	case "_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP":
		if n, err := strconv.ParseUint(text(), 10, 64); err == nil && (e.monotonic == 0 || name[1] == 'S') {
			e.monotonic = n
		}
	}
}

// entry hands out an entry.
func (r *Reader) entry(e *entry) {
	if e.some {
		if e.monotonic > 0 && e.monotonic < 1<<52 && r.At != nil {
			r.settle(e.at) // what is in front was printed before
			r.At(r.clock.read(time.Duration(e.monotonic)*time.Microsecond, true))
		}
		line, at := e.head(), e.at
		for part := range bytes.Lines(append(bytes.TrimSuffix(e.message, []byte("\n")), '\n')) {
			r.give(append(line, part...), at)
			line = line[:0]
			if !e.inLine {
				at += int64(len(part))
			}
		}
	}
	*e = entry{message: e.message[:0]}
}

// readExport reads a journal's export: fields NAME=VALUE on a line, or NAME on a
// line and behind it a length of eight bytes and as many bytes.
func (r *Reader) readExport(in *bufio.Reader) error {
	var e entry
	var line []byte
	for {
		at := r.at
		var err error
		line, err = r.longLine(in, line[:0], maxMessage)
		if err != nil && len(line) == 0 {
			r.entry(&e)
			return ended(err)
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		name, value, found := bytes.Cut(line, []byte("="))
		switch {
		case len(line) == 0:
			r.entry(&e)
		case found:
			e.set(string(name[:min(len(name), 64)]), value, at+int64(len(name))+1)
		default:
			var size [8]byte
			n, err := io.ReadFull(in, size[:])
			r.passed(size[:n])
			if err != nil {
				r.entry(&e)
				return fmt.Errorf("the journal's export was cut short; what is in front of the cut was read")
			}
			at := r.at
			if value, err = r.binary(in, binary.LittleEndian.Uint64(size[:])); err != nil {
				r.entry(&e)
				return fmt.Errorf("field %.40q of the journal's export is longer than the file; what is in front of it was read", name)
			}
			e.set(string(name[:min(len(name), 64)]), value, at)
		}
	}
}

// passed counts bytes of the file, and its lines.
func (r *Reader) passed(p []byte) {
	for i, b := range p {
		if b == '\n' {
			r.numbers.add(r.at + int64(i) + 1)
		}
	}
	r.at += int64(len(p))
}

// binary reads a value of n bytes and the line feed behind it.
func (r *Reader) binary(in *bufio.Reader, n uint64) (value []byte, err error) {
	for n > 0 {
		part, err := in.Peek(int(min(n, 4<<10)))
		if len(value) < maxMessage {
			value = append(value, part...)
		}
		r.passed(part)
		_, _ = in.Discard(len(part))
		n -= uint64(len(part))
		if err != nil {
			return value, err
		}
	}
	if next, _ := in.Peek(1); len(next) == 1 && next[0] == '\n' {
		r.passed(next)
		_, _ = in.Discard(1)
	}
	return value, nil
}

// longLine reads a line, of which it keeps at most some bytes.
func (r *Reader) longLine(in *bufio.Reader, line []byte, most int) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		r.at += int64(len(part))
		if err == nil {
			r.numbers.add(r.at)
		}
		line = append(line, part[:min(len(part), most-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
