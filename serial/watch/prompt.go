package watch

import (
	"bytes"
	"regexp"
)

// prompt matches a shell's prompt at the beginning of a visible line; the rest of
// the line is what was typed.
var prompt = regexp.MustCompile(`^(?:\[?(?:\][0-2];[^$#\]]*)?[\w.-]+@[\w.-]+(?::| )[^$#\]]{0,200}\]?|[\w.-]*sh-\d[\d.]*|(?:[\w.-]+:)?[~/][\w./-]* ?)([$#])(?: |$)`)

// PromptEnd is where the shell's prompt at the beginning of line ends and what
// is typed begins.
func PromptEnd(line []byte) (end int, ok bool) {
	line = line[:min(len(line), 300)]
	if !sign(line, '$') && !sign(line, '#') {
		return 0, false // as almost every line
	}
	at := prompt.FindIndex(line)
	if at == nil {
		return 0, false
	}
	return at[1], true
}

// sign is true of a line with a prompt's sign, at its end or before a blank.
func sign(line []byte, sign byte) bool {
	for {
		i := bytes.IndexByte(line, sign) + 1
		if i == 0 {
			return false
		}
		if i == len(line) || line[i] == ' ' {
			return true
		}
		line = line[i:]
	}
}

var stamp = re(`^\[ *\d+\.\d{6}\]`)

// Stamped is true of a text that begins with a kernel message's time stamp.
func Stamped(text []byte) bool { return stamp.Match(text) }
