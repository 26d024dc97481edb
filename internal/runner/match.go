package runner

import (
	"fmt"
	"regexp"
	"strings"
)

// Pattern selects tests by their names, as the -run and -skip of go test do:
// alternatives, each with a regular expression for each level of a name, and slashes
// between. The zero value has none.
type Pattern struct{ alternatives [][]*regexp.Regexp }

// ParsePattern reads a pattern. A bar or a slash in brackets is part of its level.
func ParsePattern(text string) (Pattern, error) {
	var p Pattern
	if text == "" {
		return p, nil
	}
	for _, alternative := range split(text, '|') {
		var levels []*regexp.Regexp
		for _, level := range split(alternative, '/') {
			re, err := regexp.Compile(level)
			if err != nil {
				return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
			}
			levels = append(levels, re)
		}
		p.alternatives = append(p.alternatives, levels)
	}
	return p, nil
}

// split splits a text at the signs that are in no brackets.
func split(text string, at byte) []string {
	var all []string
	class, group, from := 0, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '[':
			class++
		case c == ']':
			class = max(0, class-1)
		case class > 0:
		case c == '(':
			group++
		case c == ')':
			group--
		case c == at && group == 0:
			all, from = append(all, text[from:i]), i+1
		}
	}
	return append(all, text[from:])
}

// set says whether there is a pattern.
func (p Pattern) set() bool { return p.alternatives != nil }

// match says whether the test of that name is selected; more, that only tests
// below it may be.
func (p Pattern) match(name string) (ok, more bool) {
	if !p.set() {
		return true, false
	}
	parts := strings.Split(name, "/")
	for _, levels := range p.alternatives {
		if matches(levels, parts) {
			return true, len(parts) < len(levels)
		}
	}
	return false, false
}

func matches(levels []*regexp.Regexp, parts []string) bool {
	for i, part := range parts[:min(len(parts), len(levels))] {
		if !levels[i].MatchString(part) {
			return false
		}
	}
	return true
}
