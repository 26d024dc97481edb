package screen

import (
	"strconv"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// wrapNext is the bit of vt10x's cursor state that says: the last column has
// been written, the next character goes to the next row.
const wrapNext = 2

// where is vt's cursor, and whether it is about to wrap.
func (s *Screen) where() (x, y int, pending bool) {
	s.flush()
	c := s.vt.Cursor()
	return c.X, c.Y, c.State&wrapNext != 0
}

// print draws plain ASCII.
func (s *Screen) print(p []byte) {
	s.earn(len(p))
	if s.insert || s.charset.active != ascii {
		for _, b := range p {
			s.put(s.charset.active.rune(b))
		}
		return
	}
	s.last, s.marks = rune(p[len(p)-1]), s.marks[:0]
	for len(p) > 0 {
		x, y, pending := s.where()
		room := s.cols - x
		if pending {
			if room = s.cols; s.wrap {
				s.leaving(y)
			}
		}
		if !s.wrap {
			room = len(p)
		}
		n := min(room, len(p))
		s.out = append(s.out, p[:n]...)
		p = p[n:]
	}
}

// put draws one character.
func (s *Screen) put(r rune) {
	width := 1
	if r >= 0x300 {
		width = displaywidth.Rune(r)
	}
	if width == 0 {
		if s.last != 0 {
			s.combine(r)
			if len(s.marks) < maxCluster/2 {
				s.marks = append(s.marks, r)
			}
			return
		}
		width = 1 // there is nothing before it to join
	}
	s.last, s.marks = r, s.marks[:0]
	x, y, pending := s.where()
	if width == 2 && !pending && x == s.cols-1 {
		if !s.wrap {
			return
		}
		s.feedLine(y)
		s.out = append(s.out, '\r')
		_, y, pending = s.where()
	}
	if pending && s.wrap {
		if s.insert {
			s.feedLine(y)
			s.out = append(s.out, '\r')
			_, _, pending = s.where()
		} else {
			s.leaving(y)
		}
	}
	if pending && !s.wrap && width == 2 {
		return
	}
	if s.insert && !pending {
		s.seq(width, '@')
	}
	s.cell(r)
	if width == 2 {
		s.out = utf8.AppendRune(s.out, filler)
	}
}

// cell hands vt10x a character that came from the guest. Those that look like
// our own stand-ins get a stand-in.
func (s *Screen) cell(r rune) {
	if r >= firstCluster {
		if r = s.clusters.id(string(r)); r == 0 {
			r = utf8.RuneError
		}
	}
	s.out = utf8.AppendRune(s.out, r)
}

// combine adds a mark to the character before the cursor.
func (s *Screen) combine(r rune) {
	x, y, pending := s.where()
	at := x - 1
	if pending {
		at = x
	}
	if at < 0 {
		return // without autowrap, nowhere
	}
	base := s.vt.Cell(at, y).Char
	half := base == filler && at > 0
	if half {
		at--
		base = s.vt.Cell(at, y).Char
	}
	if base == 0 {
		base = ' '
	}
	id := s.clusters.id(s.clusters.get(base) + string(r))
	if id == 0 {
		return
	}
	s.column(at)
	s.out = utf8.AppendRune(s.out, id)
	switch {
	case !pending:
		s.column(x)
	case half:
		s.out = utf8.AppendRune(s.out, filler)
	}
}

// column moves the cursor within its row.
func (s *Screen) column(x int) { s.seq(x+1, 'G') }

// seq hands vt10x a control sequence with one parameter.
func (s *Screen) seq(n int, final byte) {
	s.out = append(s.out, "\x1b["...)
	s.out = strconv.AppendInt(s.out, int64(n), 10)
	s.out = append(s.out, final)
}

// settle takes back a wrap that is due, as every cursor movement does.
func (s *Screen) settle() (x, y int) {
	x, y, pending := s.where()
	if pending {
		s.column(x)
	}
	return x, y
}

// leaving keeps the top row when a line feed at row y is about to scroll it
// off the screen.
func (s *Screen) leaving(y int) {
	if y == s.bottom && s.top == 0 && !s.alt {
		s.flush()
		s.history.add(s.row(0))
	}
}

// feedLine moves the cursor down a row.
func (s *Screen) feedLine(y int) {
	s.leaving(y)
	s.out = append(s.out, '\n')
	if s.lnm {
		s.out = append(s.out, '\r')
	}
}
