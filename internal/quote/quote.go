// Package quote makes words for shells of what is to be no command. A NUL byte,
// which no argument can hold, makes the empty word.
package quote

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Word makes one word of s for any POSIX shell, line breaks included.
func Word(s string) string { return word(s, syntax.LangPOSIX) }

// Words makes a word of each, as [Word] does.
func Words(all []string) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = Word(s)
	}
	return strings.Join(words, " ")
}

// Globs makes a word of each pattern, in which *, ? and [...] keep their meaning
// and nothing else has one.
func Globs(patterns []string) string {
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
				b.WriteString(Word(pattern[:n]))
				pattern = pattern[n:]
				continue
			}
			b.WriteByte(pattern[0])
			pattern = pattern[1:]
		}
	}
	return b.String()
}

// Line is args as a person can paste them into bash: no word has a control
// character in it.
func Line(args ...string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = typed(i, arg)
	}
	return strings.Join(words, " ")
}

// Lines is [Line] with a line for each option.
func Lines(args ...string) string {
	var b strings.Builder
	for i, arg := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(arg, "-"):
			b.WriteString(" \\\n  ")
		default:
			b.WriteString(" ")
		}
		b.WriteString(typed(i, arg))
	}
	return b.String()
}

// bare matches arguments that are read more easily without quotes: "=" means
// something in a command's first word alone.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+-][A-Za-z0-9_./=:,@%+-]*$`)

// typed is the i-th word of a command line.
func typed(i int, s string) string {
	if i > 0 && bare.MatchString(s) {
		return s
	}
	return word(s, syntax.LangBash)
}

func word(s string, lang syntax.LangVariant) string {
	if strings.Contains(s, "\x00") {
		return "''"
	}
	quoted, err := syntax.Quote(s, lang)
	// POSIX has no escapes; and in a shell that a person types at, "!" recalls
	// old commands, also in double quotes.
	if err != nil || strings.Contains(s, "!") && !strings.HasPrefix(quoted, "$'") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return quoted
}
