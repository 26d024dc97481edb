package saved

import (
	"bytes"
	"time"
)

// kind is what a layer of a prefix is.
type kind byte

const (
	clockKind   kind = iota
	levelKind        // <6>, or dmesg -x's "kern  :info  : "
	streamKind       // which stream it came from: GitLab's, and CRI's
	journalKind      // "HOST kernel: ", or "HOST " before "systemd[1]: "
	monoKind         // the same behind a stamp of the kernel's form, which stays
	tagKind          // a name: "machine # ", "console-1  | "
	quoteKind        // "> ", or blanks
)

// layer is a part of a prefix; a prefix has some, one behind the other.
type layer struct {
	kind  kind
	words []string // those of a tag; the host
}

// maxLayers bounds a prefix.
const maxLayers = 6

// strip is how much of p is the layer. Of monoKind, what comes before keep is
// not.
func (l layer) strip(p []byte) (keep, n int, ok bool) {
	switch l.kind {
	case clockKind:
		s, ok := clock(p)
		return 0, s.len, ok
	case levelKind:
		n = levelLen(p)
	case streamKind:
		n = streamLen(p)
	case journalKind:
		n = journalLen(p, l.words[0])
	case monoKind:
		if keep = stampLen(p); keep == 0 {
			return 0, 0, false
		}
		keep++
		n = keep + journalLen(p[keep:], l.words[0])
		return keep, n, n > keep
	case tagKind, quoteKind:
		for _, word := range l.words {
			if bytes.HasPrefix(p, []byte(word)) {
				return 0, len(word), true
			}
			// An empty line, whose blanks somebody took off.
			if bare := bytes.TrimRight([]byte(word), " "); len(bare) > 0 && bytes.Equal(p, bare) {
				return 0, len(p), true
			}
		}
	}
	return 0, n, n > 0
}

// stripped is what a prefix is of a line: the bytes before from, and those
// between keep and resume.
type stripped struct {
	from, keep, resume int
	at                 time.Duration
	timed, dated       bool
}

func strip(layers []layer, p []byte) (s stripped) {
	for _, l := range layers {
		keep, n, ok := l.strip(p[s.resume:])
		if !ok {
			break
		}
		if l.kind == clockKind && !s.timed {
			c, _ := clock(p[s.resume:])
			s.at, s.timed, s.dated = c.at, true, c.dated
		}
		if keep > 0 {
			s.from, s.keep, s.resume = s.resume, s.resume+keep, s.resume+n
			return s
		}
		s.resume += n
		s.from, s.keep = s.resume, s.resume
	}
	return s
}

// levelLen is the length of a message's level.
func levelLen(p []byte) int {
	if len(p) > 2 && p[0] == '<' {
		i := 1
		for i < len(p) && i < 4 && digit(p[i]) {
			i++
		}
		if i > 1 && i < len(p) && p[i] == '>' {
			return i + 1
		}
		return 0
	}
	// kern  :info  : text
	const width = len("kern  :info  : ")
	if len(p) < width || p[6] != ':' || p[13] != ':' || p[14] != ' ' {
		return 0
	}
	for _, word := range [][]byte{p[:6], p[7:13]} {
		word = bytes.TrimRight(word, " ")
		if len(word) < 3 || bytes.ContainsFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
			return 0
		}
	}
	return width
}

// streamLen is the length of what says where a line came from: "00O " and "01E+"
// of GitLab's runner, "stdout F " of a container's log.
func streamLen(p []byte) int {
	for _, word := range []string{"stdout F ", "stderr F ", "stdout P ", "stderr P "} {
		if bytes.HasPrefix(p, []byte(word)) {
			return len(word)
		}
	}
	hex := func(b byte) bool { return digit(b) || b >= 'a' && b <= 'f' }
	if len(p) < 3 || !hex(p[0]) || !hex(p[1]) || p[2] != 'O' && p[2] != 'E' {
		return 0
	}
	if len(p) == 3 {
		return 3
	}
	if p[3] == ' ' || p[3] == '+' {
		return 4
	}
	return 0
}

// journalLen is the length of the host and of "kernel: " at p's beginning.
func journalLen(p []byte, host string) int {
	n := 0
	if host != "" {
		if !bytes.HasPrefix(p, []byte(host)) || len(p) <= len(host) || p[len(host)] != ' ' {
			return 0
		}
		n = len(host) + 1
	}
	if bytes.HasPrefix(p[n:], []byte("kernel: ")) {
		n += len("kernel: ")
	} else if string(p[n:]) == "kernel:" { // an empty line's
		n = len(p)
	}
	return n
}

// journalHost is the host of a line that a journal wrote, and whether it is one:
// behind it, or at once, comes "kernel: " or "name[1]: ".
func journalHost(p []byte) (host string, ok bool) {
	if written(p) {
		return "", true
	}
	end := bytes.IndexByte(p[:min(len(p), 64)], ' ')
	if end > 0 && written(p[end+1:]) {
		return string(p[:end]), true
	}
	return "", false
}

// written is true of "kernel: " and of "name[1]: ".
func written(p []byte) bool {
	if bytes.HasPrefix(p, []byte("kernel: ")) {
		return true
	}
	end := bytes.Index(p[:min(len(p), 64)], []byte("]: "))
	open := bytes.IndexByte(p[:max(end, 0)], '[')
	if open <= 0 || open+1 == end {
		return false
	}
	return !bytes.ContainsAny(p[:open], " \t") && !bytes.ContainsFunc(p[open+1:end], func(r rune) bool { return r < '0' || r > '9' })
}
