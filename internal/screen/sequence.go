package screen

import (
	"fmt"
	"slices"

	"github.com/charmbracelet/x/ansi"
)

// control carries out a C0 control.
func (s *Screen) control(b byte) {
	s.last = 0
	switch b {
	case '\n', '\v', '\f':
		_, y, _ := s.where()
		s.feedLine(y)
	case '\r', '\b':
		s.out = append(s.out, b)
	case '\t':
		if _, _, pending := s.where(); !pending {
			s.out = append(s.out, b)
		}
	case 0x0e:
		s.charset.shift(1)
	case 0x0f:
		s.charset.shift(0)
	}
}

// escape carries out an escape sequence.
func (s *Screen) escape(cmd ansi.Cmd) {
	s.last = 0
	final := cmd.Final()
	switch cmd.Intermediate() {
	case 0:
	case '(', ')', '*', '+':
		s.charset.designate(int(cmd.Intermediate()-'('), final)
		return
	case '-', '.', '/':
		s.charset.designate(int(cmd.Intermediate()-'-')+1, final)
		return
	case '%':
		s.charset.designate(0, 'B')
		s.charset.shift(0)
		return
	case '#':
		if final == '8' {
			s.settle()
			s.out = append(s.out, "\x1b#8\x1b[1;1H"...)
		}
		return
	default:
		return
	}
	switch final {
	case 'D':
		_, y := s.settle()
		s.leaving(y)
		s.out = append(s.out, "\x1bD"...)
	case 'E':
		_, y, _ := s.where()
		s.leaving(y)
		s.out = append(s.out, "\x1bE"...)
	case 'H':
		s.out = append(s.out, "\x1bH"...)
	case 'M':
		s.settle()
		s.out = append(s.out, "\x1bM"...)
	case '7':
		s.save()
	case '8':
		s.restore()
	case 'n':
		s.charset.shift(2)
	case 'o':
		s.charset.shift(3)
	case 'c':
		s.hardReset()
	}
}

func (s *Screen) save() {
	s.saved = s.charset.active
	s.out = append(s.out, "\x1b7"...)
}

func (s *Screen) restore() {
	s.charset.active = s.saved
	s.out = append(s.out, "\x1b8"...)
	s.flush()
	// vt10x restores origin mode too.
	s.origin = s.vt.Cursor().State&4 != 0
}

func (s *Screen) hardReset() {
	if s.alt {
		s.out = append(s.out, "\x1b[?47l"...)
		s.alt = false
	}
	s.out = append(s.out, "\x1bc"...)
	s.top, s.bottom = 0, s.rows-1
	s.origin, s.wrap, s.insert, s.lnm = false, true, false, false
	s.charset, s.saved = charsets{}, ascii
}

func (s *Screen) softReset() {
	x, y, _ := s.where()
	moved := false
	if s.origin || s.top != 0 || s.bottom != s.rows-1 {
		s.out = append(s.out, "\x1b[?6l\x1b[r"...)
		moved = true
	}
	s.out = append(s.out, "\x1b[m\x1b[?7h"...)
	if moved {
		s.out = fmt.Appendf(s.out, "\x1b[%d;%dH", y+1, x+1)
	}
	s.top, s.bottom = 0, s.rows-1
	s.origin, s.wrap, s.insert = false, true, false
	s.charset, s.saved = charsets{}, ascii
}

// csi carries out a control sequence.
func (s *Screen) csi(cmd ansi.Cmd, params ansi.Params) {
	last := s.last
	s.last = 0
	if s.malform {
		return
	}
	n := func(i, def int) int { // 0 counts as the default
		v, _, ok := params.Param(i, def)
		if !ok || v <= 0 {
			v = def
		}
		return min(v, 9999)
	}
	final := cmd.Final()
	if cmd.Intermediate() != 0 {
		if cmd.Intermediate() == '!' && final == 'p' && cmd.Prefix() == 0 {
			s.softReset()
		}
		return
	}
	switch cmd.Prefix() {
	case 0:
	case '?':
		s.private(final, params, n)
		return
	case '>':
		if final == 'c' && n(0, 0) == 0 {
			s.answer("\x1b[>0;276;0c")
		}
		return
	default:
		return
	}
	switch final {
	case 'm':
		s.style(params)
	case 'A', 'B', 'C', 'D', 'E', 'F', 'e', 'a':
		s.move(final, n(0, 1))
	case 'G', '`', 'd':
		s.seq(n(0, 1), final)
	case 'H', 'f':
		s.out = fmt.Appendf(s.out, "\x1b[%d;%dH", n(0, 1), n(1, 1))
	case 'I', 'Z':
		if _, _, pending := s.where(); !pending {
			s.seq(min(n(0, 1), s.cols), final)
		}
	case 'J', 'K':
		s.erase(final, params)
	case '@', 'P', 'X':
		s.settle()
		s.seq(min(n(0, 1), s.cols), final)
	case 'L', 'M':
		if _, y := s.settle(); y >= s.top && y <= s.bottom {
			s.seq(min(n(0, 1), s.rows), final)
			s.out = append(s.out, '\r')
		}
	case 'S':
		s.seq(min(n(0, 1), s.rows), final)
	case 'T':
		if len(params) < 5 { // with five it is a mouse mode
			s.seq(min(n(0, 1), s.rows), final)
		}
	case 'b':
		if last != 0 {
			marks := slices.Clone(s.marks)
			times := min(n(0, 1), s.cols*s.rows, s.repeats/(1+len(marks)))
			s.repeats -= times * (1 + len(marks))
			for range times {
				s.put(last)
				for _, m := range marks {
					s.put(m)
				}
			}
			s.last = 0
		}
	case 'g':
		if v, _, _ := params.Param(0, 0); v == 0 || v == 3 {
			s.out = fmt.Appendf(s.out, "\x1b[%dg", v)
		}
	case 'h', 'l':
		params.ForEach(0, func(_, p int, _ bool) {
			switch p {
			case 4:
				s.insert = final == 'h'
			case 20:
				s.lnm = final == 'h'
			}
		})
	case 'r':
		top, bottom := n(0, 1)-1, min(n(1, s.rows), s.rows)-1
		if top < bottom {
			s.top, s.bottom = top, bottom
			s.out = fmt.Appendf(s.out, "\x1b[%d;%dr", top+1, bottom+1)
		}
	case 's':
		s.save()
	case 'u':
		s.restore()
	case 'n':
		switch n(0, 0) {
		case 5:
			s.answer("\x1b[0n")
		case 6:
			x, y, _ := s.where()
			s.answer(fmt.Sprintf("\x1b[%d;%dR", y+1, x+1))
		}
	case 'c':
		if n(0, 0) == 0 {
			s.answer("\x1b[?1;2c")
		}
	case 't':
		if n(0, 0) == 18 {
			s.answer(fmt.Sprintf("\x1b[8;%d;%dt", s.rows, s.cols))
		}
	}
}

func (s *Screen) answer(text string) {
	if s.reply != nil && len(s.answers) < 64 {
		s.answers = append(s.answers, []byte(text))
	}
}
