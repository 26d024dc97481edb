package screen

import (
	"strings"

	"github.com/hinshun/vt10x"
)

// Style is how characters look. The zero value is the terminal's own.
type Style struct {
	FG, BG                  Colour
	Bold, Italic, Underline bool
}

// Colour is 0 for the terminal's own, 1 to 256 for xterm's palette (its number
// and one), above that 24 bits of red, green and blue, and [Swapped] for the
// terminal's other own: text in reverse video.
type Colour uint32

const (
	// Swapped is the background's own colour for text, and the other way round.
	Swapped Colour = 1 << 25
	rgb     Colour = 1 << 24
)

// RGB tells a colour of 24 bits.
func (c Colour) RGB() (hex uint32, ok bool) {
	return uint32(c &^ rgb), c&rgb != 0 && c != Swapped
}

// Run is part of a row in one style.
type Run struct {
	Text string
	Style
}

// Styled are the rows of the screen as [Screen.Text] has them, with their
// styles. Blanks at a row's end are left out unless they show a colour.
func (s *Screen) Styled() [][]Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([][]Run, s.rows)
	for y := range rows {
		rows[y] = s.styled(y)
	}
	return rows
}

func (s *Screen) styled(y int) []Run {
	var runs []Run
	var text strings.Builder
	var last Style
	end := func() {
		if text.Len() > 0 {
			runs = append(runs, Run{text.String(), last})
			text.Reset()
		}
	}
	for x := 0; x < s.cols; x++ {
		cell := s.vt.Cell(x, y)
		c := cell.Char
		switch {
		case c == filler || c == 0:
			c = ' '
		case s.clusters.width(c) == 2:
			if x+1 < s.cols && s.vt.Cell(x+1, y).Char == filler {
				x++
			} else {
				c = ' '
			}
		}
		if style := styleOf(cell); style != last {
			end()
			last = style
		}
		s.clusters.write(&text, c)
	}
	end()
	for n := len(runs); n > 0; n = len(runs) {
		r := &runs[n-1]
		if r.BG != 0 || r.Underline {
			break
		}
		if r.Text = strings.TrimRight(r.Text, " "); r.Text != "" {
			break
		}
		runs = runs[:n-1]
	}
	return runs
}

// vt10x's bits of a cell's mode. What is reverse it keeps with its colours
// swapped already.
const (
	underlined = 1 << 1
	bold       = 1 << 2
	italic     = 1 << 4
)

func styleOf(g vt10x.Glyph) Style {
	return Style{
		FG: colour(g.FG, vt10x.DefaultFG), BG: colour(g.BG, vt10x.DefaultBG),
		Bold: g.Mode&bold != 0, Italic: g.Mode&italic != 0, Underline: g.Mode&underlined != 0,
	}
}

// colour is vt10x's, which has one number for the palette and for 24 bits: the
// darkest blues are taken for the palette's.
func colour(c, own vt10x.Color) Colour {
	switch {
	case c == own:
		return 0
	case c == vt10x.DefaultFG || c == vt10x.DefaultBG:
		return Swapped
	case c < 256:
		return Colour(c) + 1
	default:
		return rgb | Colour(c&0xffffff)
	}
}
