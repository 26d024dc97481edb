// Package plain makes what a guest, an image or a tool has written safe to show:
// in a terminal, in go test's stream, in a page. Such text is data, which may
// move the cursor, reverse the direction of writing, or imitate somebody else's
// lines.
package plain

import (
	"regexp"
	"strings"
)

// escapes matches the terminal sequences that a console prints: CSI, OSC that
// is ended, character sets, and the short ones. An unended sequence is left,
// so that it cannot hide what follows it; its ESC is replaced.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]` +
	`|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)` +
	`|\x1b[ -/][0-~]` +
	`|\x1b[=>78cDEHMNOZ]`)

// Text is s without terminal sequences and with LF ends of line. Control
// characters other than tabs are replaced by U+FFFD, and so is what changes the
// direction of writing: after a ^V, go test would believe a line that imitates
// its own, such as "--- PASS: TestX".
func Text(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "")
	s = strings.ReplaceAll(s, "\r\r\n", "\n")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case r < 0x20, r >= 0x7f && r < 0xa0, // C0, DEL, C1
			r == 0x061c, r == 0x200e, r == 0x200f, // marks of direction
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, // embeddings, overrides, isolates
			r == 0x2028, r == 0x2029, r == 0xfeff:
			return '\uFFFD'
		}
		return r
	}, s)
}

// Line is [Text] in one line: ends of line and tabs are blanks.
func Line(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(Text(s))
}
