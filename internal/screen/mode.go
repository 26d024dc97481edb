package screen

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"
)

// private carries out a sequence that begins with "?".
func (s *Screen) private(final byte, params ansi.Params, n func(int, int) int) {
	switch final {
	case 'J', 'K':
		s.erase(final, params)
	case 'n':
		if n(0, 0) == 6 {
			x, y, _ := s.where()
			s.answer(fmt.Sprintf("\x1b[?%d;%dR", y+1, x+1))
		}
	case 'h', 'l':
		on := final == 'h'
		params.ForEach(0, func(_, p int, _ bool) {
			switch p {
			case 6:
				s.origin = on
			case 7:
				s.wrap = on
			case 25:
			case 47, 1047, 1049:
				s.screen(p, on)
				return
			case 1048:
				if on {
					s.save()
				} else {
					s.restore()
				}
				return
			default:
				return // changes nothing that is drawn
			}
			s.out = fmt.Appendf(s.out, "\x1b[?%d%c", p, final)
		})
	}
}

// screen switches to the alternate screen or back. vt10x switches to it even
// when it is told to leave it, and does not clear it on the way in.
func (s *Screen) screen(mode int, alternate bool) {
	if mode == 1049 && alternate {
		s.save()
	}
	if s.alt != alternate {
		s.alt = alternate
		if alternate {
			s.out = append(s.out, "\x1b[?47h\x1b[2J"...)
		} else {
			s.out = append(s.out, "\x1b[?47l"...)
		}
	}
	if mode == 1049 && !alternate {
		s.restore()
	}
}
