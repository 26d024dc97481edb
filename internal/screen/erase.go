package screen

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"
)

// move moves the cursor up or down, which a margin stops, or sideways.
func (s *Screen) move(final byte, n int) {
	_, y := s.settle()
	switch final {
	case 'A', 'F':
		if y >= s.top {
			n = min(n, y-s.top)
		}
	case 'B', 'E', 'e':
		if y <= s.bottom {
			n = min(n, s.bottom-y)
		}
	}
	if n > 0 {
		dir := final
		switch final {
		case 'F':
			dir = 'A'
		case 'E', 'e':
			dir = 'B'
		case 'a':
			dir = 'C'
		}
		s.seq(n, dir)
	}
	if final == 'E' || final == 'F' {
		s.out = append(s.out, '\r')
	}
}

// erase carries out ED and EL. A cursor that is about to wrap stands beyond
// the last column, so that nothing of its row is to the right of it.
func (s *Screen) erase(final byte, params ansi.Params) {
	what, _, _ := params.Param(0, 0)
	x, y, pending := s.where()
	switch {
	case what < 0 || what > 2:
	case what == 0 && pending:
		if final == 'J' && y < s.rows-1 {
			s.rowsBelow(x, y)
		}
	case what == 1 && final == 'J' && y == 1:
		// vt10x forgets row 0.
		if s.out = append(s.out, "\x1b[1K"...); s.origin {
			s.out = fmt.Appendf(s.out, "\x1b[?6l\x1b[2K\x1b[?6h\x1b[%d;%dH", y-s.top+1, x+1)
		} else {
			s.out = append(s.out, "\x1b[A\x1b[2K\x1b[B"...)
		}
		if pending {
			s.again(x, y)
		}
	default:
		s.seq(what, final)
	}
}

// rowsBelow erases all rows under the cursor's, which is about to wrap.
func (s *Screen) rowsBelow(x, y int) {
	s.out = fmt.Appendf(s.out, "\x1b[B\r\x1b[J\x1b[A")
	s.again(x, y)
}

// again brings a cursor that was about to wrap back to where it was, about to
// wrap: by writing the last column once more.
func (s *Screen) again(x, y int) {
	s.column(x)
	s.flush()
	if c := s.vt.Cell(x, y).Char; c != 0 {
		s.out = append(s.out, string(c)...)
	} else {
		s.out = append(s.out, ' ')
	}
}
