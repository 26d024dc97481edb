package screen

import (
	"bytes"

	"github.com/charmbracelet/x/ansi/parser"
)

// bulk draws the beginning of a flood and returns how many bytes of p that was;
// when it was none, how many it is no use to try again before. Of plain lines that run through the whole screen only the last ones are seen;
// the others go straight to the scrollback, which is what vt10x and we would
// have made of them one by one, thirty times slower.
func (s *Screen) bulk(p []byte) (drawn, dull int) {
	enough := 2 * s.rows
	if len(p) < 2*enough || s.p.State() != parser.GroundState || s.swallow || s.insert || s.lnm || s.origin || s.alt ||
		!s.wrap || s.top != 0 || s.bottom != s.rows-1 || s.charset.active != ascii {
		return 0, 1
	}
	x, y, _ := s.where()
	if x != 0 || y != s.bottom || s.row(y) != "" {
		return 0, 1
	}
	var lines [][]byte
	n := 0
	for {
		line := plainLine(p[n:], s.cols)
		if line == nil {
			break
		}
		n += len(line)
		lines = append(lines, bytes.TrimRight(line, "\r\n"))
	}
	if len(lines) < enough {
		return 0, max(n, 1)
	}
	for y := range s.rows - 1 {
		s.history.add(s.row(y))
	}
	seen := s.rows - 1
	past := lines[:len(lines)-seen]
	for _, line := range past[max(0, len(past)-s.history.most):] {
		s.history.add(string(bytes.TrimRight(line, " ")))
	}
	s.out = append(s.out, "\x1b[2J\x1b[H"...)
	for _, line := range lines[len(lines)-seen:] {
		s.out = append(append(s.out, line...), "\r\n"...)
	}
	s.last = 0
	return n, 0
}

// plainLine is the line at p's beginning, with its end, when it is printable
// ASCII that fits in cols and ends in carriage returns and a line feed.
func plainLine(p []byte, cols int) []byte {
	end := bytes.IndexByte(p[:min(len(p), cols+4)], '\n')
	if end < 1 || p[end-1] != '\r' {
		return nil
	}
	text := bytes.TrimRight(p[:end], "\r")
	// A row that is full to its last column would wrap first.
	if len(text) >= cols {
		return nil
	}
	for _, b := range text {
		if b < 0x20 || b >= 0x7f {
			return nil
		}
	}
	return p[:end+1]
}
