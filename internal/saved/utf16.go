package saved

import (
	"bufio"
	"unicode/utf16"
	"unicode/utf8"
)

// isUTF16 is true of the beginning of a text in UTF-16, as PowerShell redirects
// output into a file. The mark alone may be a UART's noise.
func isUTF16(start []byte) bool {
	if len(start) < 4 || !(start[0] == 0xff && start[1] == 0xfe) && !(start[0] == 0xfe && start[1] == 0xff) {
		return false
	}
	big, latin, all := start[0] == 0xfe, 0, 0
	for i := 2; i+1 < len(start) && i < 512; i += 2 {
		if unit := unit(start[i:], big); unit > 0 && unit < 0x100 {
			latin++
		}
		all++
	}
	return latin*2 > all
}

func unit(p []byte, big bool) uint16 {
	if big {
		return uint16(p[0])<<8 | uint16(p[1])
	}
	return uint16(p[1])<<8 | uint16(p[0])
}

// utf16Reader is what another reader has in UTF-16, in UTF-8.
type utf16Reader struct {
	in    *bufio.Reader
	big   bool
	begun bool // the mark is passed
	high  rune // the first half of a pair, 0 for none
	text  []byte
}

func (r *utf16Reader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		next, err := r.in.Peek(4 << 10)
		if len(next) == 0 {
			if r.high != 0 {
				r.text, r.high = utf8.AppendRune(r.text, utf8.RuneError), 0
				break
			}
			return 0, err
		}
		whole := len(next) &^ 1
		if whole == 0 {
			r.text, whole = utf8.AppendRune(r.text, utf8.RuneError), 1 // half a unit
		}
		for i := 0; i+1 < whole; i += 2 {
			r.add(rune(unit(next[i:], r.big)))
		}
		_, _ = r.in.Discard(whole)
	}
	n := copy(p, r.text)
	r.text = r.text[:copy(r.text, r.text[n:])]
	return n, nil
}

// add reads a unit.
func (r *utf16Reader) add(c rune) {
	if !r.begun {
		r.begun = true
		if c == 0xfeff {
			return
		}
	}
	if r.high != 0 {
		pair := utf16.DecodeRune(r.high, c)
		r.high = 0
		if r.text = utf8.AppendRune(r.text, pair); pair != utf8.RuneError {
			return
		}
	}
	switch {
	case c >= 0xd800 && c < 0xdc00:
		r.high = c
	default:
		r.text = utf8.AppendRune(r.text, c) // a second half alone is an error there
	}
}
