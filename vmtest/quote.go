package vmtest

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// quote makes one word of s for a POSIX shell or bash.
func quote(s string) string {
	word, err := syntax.Quote(s, syntax.LangBash)
	if err != nil { // NUL, which no argument can hold
		return "''"
	}
	return word
}

// shellCommand is args as a person can paste them, an option per line.
func shellCommand(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(arg, "-"):
			b.WriteString(" \\\n  ")
		default:
			b.WriteString(" ")
		}
		b.WriteString(quote(arg))
	}
	b.WriteString("\n")
	return b.String()
}
