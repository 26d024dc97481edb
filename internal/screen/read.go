package screen

import (
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi/parser"
)

// feed reads console bytes. Characters are put together here, not by the
// parser, which would take the bytes of a character for C1 controls.
func (s *Screen) feed(p []byte) {
	for dull := 0; len(p) > 0; {
		n := 0
		if len(s.utf) == 0 {
			if dull <= 0 {
				n, dull = s.bulk(p)
			}
			if n == 0 {
				n = s.ascii(p)
			}
		}
		if n == 0 {
			s.tail(p[0])
			n = 1
		}
		dull -= n
		p = p[n:]
	}
}

// ascii reads the bytes below 0x80 at p's beginning and returns how many. It
// stops behind a line feed, where a flood may begin.
func (s *Screen) ascii(p []byte) int {
	for i := 0; i < len(p); {
		b := p[i]
		if b >= utf8.RuneSelf || i > 0 && p[i-1] == '\n' {
			return i
		}
		if s.p.State() == parser.GroundState && !s.swallow && b >= 0x20 && b != 0x7f {
			end := i + 1
			for end < len(p) && p[end] >= 0x20 && p[end] < 0x7f {
				end++
			}
			s.print(p[i:end])
			i = end
			continue
		}
		s.advance(b)
		i++
	}
	return len(p)
}

// tail reads a byte of a character of more than one byte. Bytes that make no
// character are dropped.
func (s *Screen) tail(b byte) {
	if len(s.utf) > 0 && b&0xc0 != 0x80 {
		s.utf = s.utf[:0]
		if b < utf8.RuneSelf {
			s.ascii([]byte{b})
			return
		}
	}
	s.utf = append(s.utf, b)
	if !utf8.FullRune(s.utf) {
		return
	}
	r, size := utf8.DecodeRune(s.utf)
	if size == 1 {
		r = utf8.RuneError
	}
	bad := r == utf8.RuneError && size == 1
	s.utf = s.utf[:0]
	if !bad {
		s.wide(r)
	}
}

// wide reads a character beyond ASCII.
func (s *Screen) wide(r rune) {
	if r < 0xa0 {
		s.c1(byte(r))
		return
	}
	switch state := s.p.State(); {
	case state == parser.GroundState:
		if !s.swallow {
			s.put(r)
		}
	case state == parser.OscStringState:
		if len(s.osc) < maxOsc {
			s.osc = utf8.AppendRune(s.osc, r)
		}
	case state >= parser.DcsEntryState && state <= parser.DcsStringState,
		state >= parser.SosStringState && state <= parser.ApcStringState:
	default:
		// It breaks an escape or control sequence off, and is lost with it.
		s.p.Reset()
		s.malform = false
	}
}

// c1 reads a C1 control as the escape sequence it is short for.
func (s *Screen) c1(b byte) {
	switch b {
	case 0x84, 0x85, 0x88: // IND, NEL, HTS
		if inString(s.p.State()) {
			return
		}
		s.advance(0x18)
		s.advance(0x1b)
		s.advance(b - 0x40)
	case 0x90, 0x98, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f: // DCS SOS CSI ST OSC PM APC
		s.advance(0x1b)
		s.advance(b - 0x40)
	}
}

const (
	maxOsc    = 1024 // of a title, in bytes
	maxDigits = 6    // of a parameter: the parser's numbers may overflow
)

// advance reads one byte below 0x80 that is not plain text, and keeps the
// parser from what it gets wrong.
func (s *Screen) advance(b byte) {
	s.earn(1)
	if s.swallow && b >= 0x20 {
		if b >= 0x40 && b != 0x7f {
			s.swallow = false
		}
		return
	}
	state := s.p.State()
	if b < 0x20 && b != 0x18 && b != 0x1a && b != 0x1b && state != parser.GroundState && !inString(state) {
		// A control inside a sequence is carried out at once. The parser would
		// forget the sequence's marks over it.
		s.control(b)
		return
	}
	switch state {
	case parser.CsiEntryState, parser.CsiParamState:
		switch {
		case b >= '0' && b <= '9':
			if s.digits++; s.digits > maxDigits {
				return
			}
		case b == ';' || b == ':':
			s.digits = 0
		case b >= 0x3c && b <= 0x3f && state == parser.CsiParamState:
			s.malform = true // a private marker after parameters
		}
	case parser.CsiIntermediateState:
		if b >= 0x30 && b <= 0x3f {
			s.p.Reset()
			s.swallow = true
			return
		}
	case parser.OscStringState:
		if b >= 0x20 && b != 0x7f {
			if len(s.osc) < maxOsc {
				s.osc = append(s.osc, b)
			}
		}
	default:
		s.digits, s.malform = 0, false
		if b == 0x1b {
			s.swallow = false
		}
	}
	s.p.Advance(b)
	if s.p.State() == parser.OscStringState && state != parser.OscStringState {
		s.osc = s.osc[:0]
	}
}

// earn adds to what a guest may have repeated (CSI b): a few bytes must not
// keep us busy for long.
func (s *Screen) earn(bytes int) {
	s.repeats = min(s.repeats+16*bytes, 2*s.cols*s.rows)
}

// oscEnd takes a title. All other OSC commands change nothing on a screen.
func (s *Screen) oscEnd(cmd int) {
	if cmd != 0 && cmd != 2 {
		return
	}
	for i, b := range s.osc {
		if b == ';' {
			s.title = string(s.osc[i+1:])
			return
		}
	}
}
