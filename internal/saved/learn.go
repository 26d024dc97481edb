package saved

import (
	"bytes"
	"slices"
	"time"
)

const (
	// few lines prove nothing but a date.
	few = 3
	// maxNames is how many names tags may have: loggers of a hundred machines
	// at once are none of a console.
	maxNames = 8
	// maxTag is the longest tag.
	maxTag = 60
)

// majority is true of a clear one.
func majority(n, of int) bool { return n > 0 && n*3 >= of*2 }

// learn is the prefix that a clear majority of lines has. Empty ones say
// nothing. It leaves lines changed.
func learn(lines [][]byte) (layers []layer) {
	for len(layers) < maxLayers {
		l, ok := learnLayer(lines, len(layers) > 0)
		if !ok {
			break
		}
		layers = append(layers, l)
		if l.kind == monoKind {
			break
		}
		// The next layer is learnt from those that have this one.
		left := lines[:0]
		for _, p := range lines {
			if _, n, ok := l.strip(p); ok && n < len(p) {
				left = append(left, p[n:])
			}
		}
		lines = left
	}
	return layers
}

func learnLayer(lines [][]byte, behind bool) (layer, bool) {
	if len(lines) == 0 {
		return layer{}, false
	}
	// One blank alone is a guest's, but for what is left of a prefix.
	quote := func(lines [][]byte) (layer, bool) { return learnQuote(lines, 2) }
	if behind {
		quote = func(lines [][]byte) (layer, bool) { return learnQuote(lines, 1) }
	}
	for _, learn := range []func([][]byte) (layer, bool){learnClock, learnJournal, quote, learnTag} {
		if l, ok := learn(lines); ok {
			return l, true
		}
	}
	count := func(length func([]byte) int) (n int) {
		for _, p := range lines {
			if length(p) > 0 {
				n++
			}
		}
		return n
	}
	if len(lines) >= few && majority(count(levelLen), len(lines)) {
		return layer{kind: levelKind}, true
	}
	if behind && majority(count(streamLen), len(lines)) {
		return layer{kind: streamKind}, true
	}
	return layer{}, false
}

// learnClock: a clock runs forwards.
func learnClock(lines [][]byte) (layer, bool) {
	n, dated, back := 0, 0, 0
	var last time.Duration
	for i, p := range lines {
		if s, ok := clock(p); ok {
			n++
			if s.dated {
				dated++
			}
			if s.at < last {
				back++
			}
			last = s.at
		} else if i == 30 && n == 0 {
			return layer{}, false
		}
	}
	ok := majority(n, len(lines)) && (dated*2 > n || n >= few && back*10 <= n)
	return layer{kind: clockKind}, ok
}

// learnJournal: one host, and somewhere its kernel or two programs of it.
func learnJournal(lines [][]byte) (layer, bool) {
	for _, mono := range []bool{false, true} {
		hosts := map[string]int{}
		kernels := 0
		for _, p := range lines {
			if mono {
				n := stampLen(p)
				if n == 0 {
					continue
				}
				p = p[n+1:]
			}
			if host, ok := journalHost(p); ok && (len(hosts) < maxNames || hosts[host] > 0) {
				hosts[host]++
				if p = p[len(host):]; bytes.HasPrefix(bytes.TrimPrefix(p, []byte(" ")), []byte("kernel: ")) {
					kernels++
				}
			}
		}
		host, n := most(hosts)
		if host != "" {
			// Lines that have the host, and a name without a number.
			n = 0
			for _, p := range lines {
				if mono {
					p = p[min(len(p), max(0, stampLen(p)+1)):]
				}
				if journalLen(p, host) > 0 {
					n++
				}
			}
		}
		// A name with a number behind a kernel's stamp is a program that wrote
		// to the kernel's log; without a host, only "kernel: " makes it more.
		if !majority(n, len(lines)) || (mono || host == "") && kernels == 0 || mono && host == "" {
			continue
		}
		if mono {
			return layer{kind: monoKind, words: []string{host}}, true
		}
		return layer{kind: journalKind, words: []string{host}}, true
	}
	return layer{}, false
}

func most(counts map[string]int) (word string, n int) {
	for w, c := range counts {
		if c > n || c == n && w < word {
			word, n = w, c
		}
	}
	return word, n
}

// learnQuote: all lines are indented, or cited.
func learnQuote(lines [][]byte, least int) (layer, bool) {
	if len(lines) < few {
		return layer{}, false
	}
	cited, tabs, blanks := 0, 0, [9]int{}
	for _, p := range lines {
		switch p[0] {
		case '>':
			if len(p) == 1 || p[1] == ' ' {
				cited++
			}
		case '\t':
			tabs++
		case ' ':
			n := 1
			for n < len(p) && n < len(blanks)-1 && p[n] == ' ' {
				n++
			}
			blanks[n]++
		}
	}
	// A listing is indented as well: here all but one line in ten must be.
	all := func(n int) bool { return n*10 >= len(lines)*9 }
	if all(cited) {
		return layer{kind: quoteKind, words: []string{"> "}}, true
	}
	if all(tabs) {
		return layer{kind: quoteKind, words: []string{"\t"}}, true
	}
	n := 0
	for i := len(blanks) - 1; i >= least; i-- {
		if n += blanks[i]; all(n) {
			return layer{kind: quoteKind, words: []string{"        "[:i]}}, true
		}
	}
	return layer{}, false
}

// learnTag: a name that only loggers write ("machine # ", "console-1 | "), or
// anything that is in front of the kernel's stamp, or of a date, again and again.
func learnTag(lines [][]byte) (layer, bool) {
	if len(lines) < few {
		return layer{}, false
	}
	tags := map[string]int{}
	for _, p := range lines {
		if n := tagLen(p); n > 0 && (len(tags) < 8*maxNames || tags[string(p[:n])] > 0) {
			tags[string(p[:n])]++
		}
	}
	var words []string
	for word, n := range tags {
		if n >= few {
			words = append(words, word)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		if tags[a] != tags[b] {
			return tags[b] - tags[a]
		}
		return bytes.Compare([]byte(a), []byte(b))
	})
	l := layer{kind: tagKind, words: words[:min(len(words), maxNames)]}
	n := 0
	for _, p := range lines {
		if _, _, ok := l.strip(p); ok {
			n++
		}
	}
	return l, majority(n, len(lines))
}

// tagLen is the length of what may be a tag at p's beginning.
func tagLen(p []byte) int {
	i := 0
	for i < len(p) && i < maxTag && name(p[i]) {
		i++
	}
	if i > 0 {
		switch rest := p[i:]; {
		case bytes.HasPrefix(rest, []byte(" # ")):
			return i + 3
		case bytes.HasPrefix(bytes.TrimLeft(rest[:min(len(rest), 40)], " "), []byte("| ")):
			return bytes.IndexByte(p, '|') + 2
		}
	}
	if stampLen(p) > 0 {
		return 0
	}
	for i := 1; i < len(p) && i <= maxTag; i++ {
		switch {
		case p[i] == '[' && stampLen(p[i:]) > 0:
			return i - levelBefore(p[:i])
		case p[i] == '2' && !digit(p[i-1]):
			if s, ok := clock(p[i:]); ok && s.dated {
				return i
			}
		}
	}
	return 0
}

func name(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || digit(b) || b == '-' || b == '_' || b == '.'
}
