package command

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
)

// Head keeps the beginning of what is written to it.
type Head struct {
	Limit int  // bytes
	Cut   bool // there was more
	kept  bytes.Buffer
}

// Write implements [io.Writer]; it never fails.
func (h *Head) Write(p []byte) (int, error) {
	room := max(h.Limit-h.kept.Len(), 0)
	h.kept.Write(p[:min(len(p), room)])
	h.Cut = h.Cut || len(p) > room
	return len(p), nil
}

func (h *Head) String() string { return h.kept.String() }

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	kept []byte
}

const maxWords = 1 << 10

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	p = p[max(0, n-maxWords):]
	l.kept = append(l.kept, p...)
	if more := len(l.kept) - maxWords; more > 0 {
		l.kept = l.kept[:copy(l.kept, l.kept[more:])]
	}
	return n, nil
}

// String is the last line, as it can be shown to a person.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(l.kept), "?"))
	line := text[strings.LastIndex(text, "\n")+1:]
	line = line[:min(len(line), 200)]
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(line, ""))
}
