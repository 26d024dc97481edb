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

// quoteAll makes a word of each.
func quoteAll(all []string) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = quote(s)
	}
	return strings.Join(words, " ")
}

// globs makes a word of each pattern, in which *, ? and [...] keep their meaning
// and nothing else has one.
func globs(patterns []string) string {
	var b strings.Builder
	for i, pattern := range patterns {
		if i > 0 {
			b.WriteByte(' ')
		}
		for len(pattern) > 0 {
			n := strings.IndexAny(pattern, "*?[]")
			if n < 0 {
				n = len(pattern)
			}
			if n > 0 {
				b.WriteString(quote(pattern[:n]))
				pattern = pattern[n:]
				continue
			}
			b.WriteByte(pattern[0])
			pattern = pattern[1:]
		}
	}
	return b.String()
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
