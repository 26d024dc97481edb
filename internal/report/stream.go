package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"
)

// Event is one line of `go test -json`; `go doc test2json` and
// `go help buildjson` define the fields.
type Event struct {
	Time        time.Time
	Action      string
	Package     string
	Test        string
	Elapsed     float64 // seconds
	Output      string
	Key, Value  string // of an attribute
	Path        string // of an artifact folder
	FailedBuild string
	ImportPath  string // of a build event
}

// Line is one line of a stream.
type Line struct {
	Event *Event // nil when the line is not an event
	Text  string // the line when it is not an event, bounded and not cleaned
	Err   error  // why reading ended early; the last Line only
	Cut   bool   // the stream ended inside this line
}

// maxLine is the longest line, in bytes, that is decoded. What is longer is
// passed over: go test itself writes no line over some 20 KiB.
const maxLine = 16 << 20

// maxText bounds the text kept of a line that is not an event.
const maxText = 2 << 10

// Lines reads r to its end. It keeps one line in memory.
func Lines(r io.Reader) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for {
			raw, length, err := readLine(in)
			if len(raw) > 0 && !yield(decode(raw, length, err == io.EOF)) {
				return
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Line{Err: err})
				return
			}
		}
	}
}

// readLine returns the next line without its end, at most maxLine bytes of
// it, and its whole length.
func readLine(in *bufio.Reader) (line []byte, length int, err error) {
	for {
		part, err := in.ReadSlice('\n')
		length += len(part)
		if room := maxLine - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimRight(line, "\r\n"), length, err
		}
	}
}

func decode(raw []byte, length int, last bool) Line {
	if length > maxLine {
		return Line{Text: fmt.Sprintf("%s [a line of %d bytes]", raw[:maxText], length), Cut: last}
	}
	var event Event
	if raw[0] == '{' {
		if err := json.Unmarshal(raw, &event); err == nil && event.Action != "" {
			return Line{Event: &event}
		}
	}
	text := raw[:min(len(raw), maxText)]
	return Line{Text: string(text), Cut: last && raw[0] == '{'}
}
