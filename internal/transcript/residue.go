package transcript

import (
	"bytes"
	"regexp"
)

// residue is what is left of escape sequences by a tool that took the escape
// characters away, or wrote them as ^[ (cat -v).
var residue = regexp.MustCompile(`\^\[\[[0-9;:?!]*[@-~]|\^\[\][^\^\n]*(?:\^G|\^\[\\)|\^\[[()%].|\^\[[=>78M]|\^[MGNO]|` +
	`\[\?\d+[hl]|\[\d[\d;]*[mKHJ]|\[[mK]|\[!p|\][0-2];[^\a\n]{0,200}\a|\]104\a?`)

// hasResidue is true of the beginning of such a file.
func hasResidue(start []byte) bool {
	return bytes.IndexByte(start, 0x1b) < 0 && len(residue.FindAllIndex(start, 8)) == 8
}

// unresidue passes a console on without what is left of escape sequences.
type unresidue struct {
	guest func([]byte)
	skip  func(int)
	line  []byte
}

func (u *unresidue) write(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		u.line = append(u.line, p[:end]...)
		if p[end-1] == '\n' || len(u.line) > head {
			u.flush()
		}
		p = p[end:]
	}
}

func (u *unresidue) flush() {
	from := 0
	for at := nextResidue(u.line, 0); at < len(u.line); {
		found := residue.FindIndex(u.line[at:])
		if found == nil {
			break
		}
		u.guest(u.line[from : at+found[0]])
		u.skip(found[1] - found[0])
		from = at + found[1]
		at = nextResidue(u.line, from)
	}
	u.guest(u.line[from:])
	u.line = u.line[:0]
}

// nextResidue is where one may begin, from a place on. The pattern is too slow to
// look at each line of a kernel.
func nextResidue(line []byte, from int) int {
	for i := from; i+1 < len(line); i++ {
		next := line[i+1]
		switch line[i] {
		case '^':
			if next == '[' || next == 'M' || next == 'G' || next == 'N' || next == 'O' {
				return i
			}
		case '[':
			if next == '?' || next == 'm' || next == 'K' || next == '!' || next >= '0' && next <= '9' && endsSequence(line[i+1:]) {
				return i
			}
		case ']':
			if next >= '0' && next <= '2' {
				return i
			}
		}
	}
	return len(line)
}

// endsSequence is true of digits and semicolons up to a letter that ends them.
func endsSequence(p []byte) bool {
	for _, b := range p {
		if b != ';' && (b < '0' || b > '9') {
			return b == 'm' || b == 'K' || b == 'H' || b == 'J'
		}
	}
	return false
}
