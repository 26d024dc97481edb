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
	for _, at := range residue.FindAllIndex(u.line, -1) {
		u.guest(u.line[from:at[0]])
		u.skip(at[1] - at[0])
		from = at[1]
	}
	u.guest(u.line[from:])
	u.line = u.line[:0]
}
