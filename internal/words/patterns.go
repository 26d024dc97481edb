package words

import (
	"iter"
	"math/bits"
	"regexp"
	"regexp/syntax"
)

// Patterns are many patterns, of which few are tried on a line: each branch of
// one only where a text is that it cannot match without. Those texts are read
// out of the patterns themselves, so none is missed.
type Patterns struct {
	words    *Matcher
	of       []uint16 // the branch that each word is of
	branches []branch
	first    []int    // branch of each pattern, and the end
	always   []uint16 // branches without such a text
	starts   []string // what a line begins with, where that text is short
	start    []uint16 // the branch of each
}

type branch struct {
	pattern uint16
	re      *regexp.Regexp
}

// NewPatterns is of the given patterns, which are known by their place.
func NewPatterns(list []*regexp.Regexp) *Patterns {
	p := &Patterns{}
	var words []string
	for i, re := range list {
		p.first = append(p.first, len(p.branches))
		tree, err := syntax.Parse(re.String(), syntax.Perl)
		if err != nil {
			panic(err) // it was compiled before
		}
		tree = tree.Simplify()
		parts := []*syntax.Regexp{tree}
		if tree.Op == syntax.OpAlternate {
			parts = tree.Sub
		}
		for _, part := range parts {
			id := uint16(len(p.branches))
			p.branches = append(p.branches, branch{uint16(i), regexp.MustCompile(part.String())})
			need := needs(part)
			if start := begins(part); shortest(need) < short && start != "" {
				p.starts = append(p.starts, start)
				p.start = append(p.start, id)
				continue
			}
			if len(need) == 0 {
				p.always = append(p.always, id)
			}
			for _, word := range need {
				words, p.of = append(words, word), append(p.of, id)
			}
		}
	}
	p.first = append(p.first, len(p.branches))
	p.words = New(words)
	return p
}

// Bare are the patterns that have a branch which is tried on every line.
func (p *Patterns) Bare() (list []int) {
	for _, id := range p.always {
		list = append(list, int(p.branches[id].pattern))
	}
	return list
}

// begins is what all that matches begins with, "" where that cannot be told.
func begins(re *syntax.Regexp) string {
	if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	if lit := re.Sub[1]; lit.Op == syntax.OpLiteral && lit.Flags&syntax.FoldCase == 0 {
		return string(lit.Rune)
	}
	return ""
}

// needs are texts one of which is in all that matches, none where that cannot be
// told: of those that there are, the longest.
func needs(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needs(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needs(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if list := needs(sub); shortest(list) > shortest(best) {
				best = list
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			list := needs(sub)
			if len(list) == 0 {
				return nil
			}
			all = append(all, list...)
		}
		return all
	}
	return nil
}

func shortest(list []string) int {
	if len(list) == 0 {
		return 0
	}
	least := len(list[0])
	for _, s := range list {
		least = min(least, len(s))
	}
	return least
}

// Look is what may be in a line.
type Look struct {
	p        *Patterns
	found    []uint16
	branches []uint64 // those that may match
	patterns []uint64 // those of which one may
}

// Look looks at a line.
func (p *Patterns) Look(l *Look, text []byte) {
	if l.p != p {
		*l = Look{p: p, branches: make([]uint64, len(p.branches)/64+1), patterns: make([]uint64, len(p.first)/64+1)}
	}
	clear(l.branches)
	clear(l.patterns)
	l.found = p.words.Find(text, l.found[:0])
	for _, w := range l.found {
		l.may(p.of[w])
	}
	for _, id := range p.always {
		l.may(id)
	}
	for i, start := range p.starts {
		if len(text) >= len(start) && string(text[:len(start)]) == start {
			l.may(p.start[i])
		}
	}
}

func (l *Look) may(id uint16) {
	l.branches[id/64] |= 1 << (id % 64)
	pattern := l.p.branches[id].pattern
	l.patterns[pattern/64] |= 1 << (pattern % 64)
}

// May says whether a pattern is worth trying.
func (l *Look) May(pattern int) bool {
	return pattern/64 < len(l.patterns) && l.patterns[pattern/64]>>(pattern%64)&1 != 0
}

// Each are the patterns that are, from one of them up to another.
func (l *Look) Each(from, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := from / 64; at < len(l.patterns) && at*64 < to; at++ {
			for left := l.patterns[at]; left != 0; left &= left - 1 {
				if i := at*64 + bits.TrailingZeros64(left); i >= from && i < to && !yield(i) {
					return
				}
			}
		}
	}
}

// Match says whether a pattern matches the text that was looked at.
func (l *Look) Match(pattern int, text []byte) bool {
	if !l.May(pattern) {
		return false
	}
	for id := l.p.first[pattern]; id < l.p.first[pattern+1]; id++ {
		if l.branches[id/64]>>(id%64)&1 != 0 && l.p.branches[id].re.Match(text) {
			return true
		}
	}
	return false
}
