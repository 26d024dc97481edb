package screen

import (
	"strconv"

	"github.com/charmbracelet/x/ansi"
)

// style carries out SGR: vt10x knows no colons and no empty parameters.
func (s *Screen) style(params ansi.Params) {
	if len(params) == 0 {
		s.out = append(s.out, "\x1b[m"...)
		return
	}
	for i := 0; i < len(params); {
		group := []int{params[i].Param(0)}
		colons := params[i].HasMore()
		i++
		for more := colons; more && i < len(params); i++ {
			group = append(group, params[i].Param(-1))
			more = params[i].HasMore()
		}
		switch code := group[0]; {
		case code == 38 || code == 48:
			if !colons {
				n := 0
				if i < len(params) {
					switch params[i].Param(0) {
					case 5:
						n = 2
					case 2:
						n = 4
					}
				}
				for ; n > 0 && i < len(params); n-- {
					group = append(group, params[i].Param(0))
					i++
				}
			} else if len(group) == 6 && group[1] == 2 {
				// 38:2:SPACE:r:g:b
				group = append(group[:2], group[3:]...)
			}
			if len(group) == 3 && group[1] == 5 || len(group) == 5 && group[1] == 2 {
				s.sgr(group)
			}
		case code == 4 && colons && len(group) > 1 && group[1] == 0:
			s.sgr([]int{24})
		case code == 58 && !colons:
			// The underline's colour, with its parameters.
			if i < len(params) {
				switch params[i].Param(0) {
				case 5:
					i += 2
				case 2:
					i += 4
				}
			}
		default:
			s.sgr(group[:1])
		}
	}
}

func (s *Screen) sgr(codes []int) {
	s.out = append(s.out, "\x1b["...)
	for i, c := range codes {
		if i > 0 {
			s.out = append(s.out, ';')
		}
		s.out = strconv.AppendInt(s.out, int64(max(c, 0)), 10)
	}
	s.out = append(s.out, 'm')
}
