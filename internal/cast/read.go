package cast

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxLine is the longest line of a recording that [Read] accepts, in bytes.
const maxLine = 16 << 20

// Event is one event of a recording.
type Event struct {
	At   time.Duration // since the start
	Code byte          // 'o' output, 'i' input, 'm' marker, 'r' resize, 'x' exit
	Data string
}

type size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

type header struct {
	Version   int    `json:"version"`
	Term      *size  `json:"term,omitempty"`
	Width     int    `json:"width,omitempty"`  // version 2
	Height    int    `json:"height,omitempty"` // version 2
	Timestamp int64  `json:"timestamp,omitempty"`
	Title     string `json:"title,omitempty"`
	Command   string `json:"command,omitempty"`
}

// Is tells a recording by the beginning of a file.
func Is(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n\uFEFF")
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	return len(head) > 0 && head[0] == '{' && bytes.Contains(head, []byte(`"version"`))
}

// Read hands each event of a recording (version 2 or 3) to each, in order, and
// keeps one line in memory. What stands before a broken line has been handed
// over when the error returns. An error of each ends the reading.
func Read(r io.Reader, each func(Event) error) (Header, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var h Header
	head, number, err := nextLine(in, 0)
	if err != nil {
		return h, fmt.Errorf("read the recording's header: %w", err)
	}
	var parsed header
	if err := json.Unmarshal(head, &parsed); err != nil {
		return h, fmt.Errorf("read the recording's header: %w", err)
	}
	switch parsed.Version {
	case 2:
		h = Header{Cols: parsed.Width, Rows: parsed.Height}
	case 3:
		if parsed.Term != nil {
			h = Header{Cols: parsed.Term.Cols, Rows: parsed.Term.Rows}
		}
	default:
		return h, fmt.Errorf("read the recording: version %d is not known (2 and 3 are)", parsed.Version)
	}
	h.Title, h.Command = parsed.Title, parsed.Command
	if start := time.Unix(parsed.Timestamp, 0); parsed.Timestamp != 0 {
		h.Now = func() time.Time { return start }
	}
	var at float64
	for {
		var line []byte
		if line, number, err = nextLine(in, number); err != nil {
			if errors.Is(err, io.EOF) {
				return h, nil
			}
			return h, fmt.Errorf("read line %d of the recording: %w", number, err)
		}
		e, seconds, err := parse(line)
		if err != nil {
			return h, fmt.Errorf("read line %d of the recording: %w", number, err)
		}
		if parsed.Version == 3 {
			at += seconds
		} else {
			at = seconds
		}
		e.At = duration(at)
		if err := each(e); err != nil {
			return h, err
		}
	}
}

// duration is seconds as a duration; a file may hold any number.
func duration(seconds float64) time.Duration {
	const most = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(min(max(seconds, 0), most) * float64(time.Second))
}

func parse(line []byte) (Event, float64, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(line, &parts); err != nil {
		return Event{}, 0, err
	}
	if len(parts) != 3 {
		return Event{}, 0, fmt.Errorf("an event has 3 parts, not %d", len(parts))
	}
	var seconds float64
	var code, data string
	if err := errors.Join(json.Unmarshal(parts[0], &seconds), json.Unmarshal(parts[1], &code), json.Unmarshal(parts[2], &data)); err != nil {
		return Event{}, 0, err
	}
	if len(code) != 1 {
		return Event{}, 0, fmt.Errorf("an event's code is one letter, not %q", code)
	}
	return Event{Code: code[0], Data: data}, seconds, nil
}

// nextLine is the next line that is neither empty nor a comment, and its
// number. At the end it is io.EOF.
func nextLine(in *bufio.Reader, number int) ([]byte, int, error) {
	for {
		var line []byte
		for {
			part, err := in.ReadSlice('\n')
			if len(line)+len(part) > maxLine {
				return nil, number + 1, fmt.Errorf("it is longer than %d MiB", maxLine>>20)
			}
			line = append(line, part...)
			if err == nil {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) > 0 {
				break
			}
			return nil, number, err
		}
		number++
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\uFEFF")))
		if len(line) > 0 && line[0] != '#' {
			return line, number, nil
		}
	}
}
