package report

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"bootaudit/internal/plain"
)

// cleanLine is [plain.Text] on one line, its white space joined, at most n runes.
func cleanLine(s string, n int) string {
	s = strings.Join(strings.Fields(plain.Text(s)), " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:n-1])) + "…"
}

// bound keeps the beginning and the end of a text longer than n bytes: a log's
// first error and its last words.
func bound(s string, n int) string {
	if len(s) <= n {
		return s
	}
	head, tail := n/2, len(s)-n/2
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return fmt.Sprintf("%s\n[... %d bytes left out ...]\n%s", s[:head], tail-head, s[tail:])
}

// tail keeps the first and the last part of what is written to it.
type tail struct {
	first, last []byte
	lost        int
}

const (
	tailFirst = 4 << 10
	tailLast  = 12 << 10
)

func (t *tail) add(s string) {
	if room := tailFirst - len(t.first); room > 0 {
		n := min(room, len(s))
		t.first, s = append(t.first, s[:n]...), s[n:]
	}
	t.last = append(t.last, s...)
	if len(t.last) > 2*tailLast {
		n := len(t.last) - tailLast
		t.lost += n
		t.last = append(t.last[:0], t.last[n:]...)
	}
}

func (t *tail) String() string {
	if t.lost == 0 {
		return string(t.first) + string(t.last)
	}
	return fmt.Sprintf("%s\n[... %d bytes left out ...]\n%s", t.first, t.lost, t.last)
}

// seconds is a length as a person reads it.
func seconds(s float64) string {
	whole := int(math.Round(max(0, min(s, 1e6))))
	switch {
	case s < 0.05:
		return "0.0s"
	case s < 9.95:
		return fmt.Sprintf("%.1fs", s)
	case whole < 60:
		return fmt.Sprintf("%ds", whole)
	case whole < 3600:
		return fmt.Sprintf("%dm%02ds", whole/60, whole%60)
	default:
		return fmt.Sprintf("%dh%02dm", whole/3600, whole%3600/60)
	}
}

// capital is s with a capital letter.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// plural is "1 check", "2 checks".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
