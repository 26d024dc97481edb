package check

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestFindingKeepsTheRemedyWhereItIsWanted(t *testing.T) {
	c := fake("x", Result{})
	assert.Empty(t, newFinding(c, Hold(""), 0).Remedy)
	assert.Equal(t, "do it", newFinding(c, Break(""), 0).Remedy)
	assert.Equal(t, 1.235, newFinding(c, Hold(""), 1234*time.Millisecond+567*time.Microsecond).Seconds)
}

func TestEvidenceIsBounded(t *testing.T) {
	first, last := "the first error", "the last words"
	long := first + strings.Repeat("ä", MaxEvidence) + last
	got := newFinding(fake("x", Result{}), Result{Outcome: Broken, Evidence: long}, 0).Evidence
	assert.LessOrEqual(t, len(got), MaxEvidence)
	assert.True(t, utf8.ValidString(got))
	assert.True(t, strings.HasPrefix(got, first) && strings.HasSuffix(got, last))
	got = newFinding(fake("x", Result{}), Result{Outcome: Broken, Evidence: "a\xffb"}, 0).Evidence
	assert.Equal(t, "a\uFFFDb", got)
}

func TestWords(t *testing.T) {
	r := Result{Outcome: Absent, Detail: "it is not here", Risk: "slow", FollowUp: "buy", Evidence: "PATH=/bin\n"}
	assert.Equal(t, "absent: c: it is not here\nremedy: do it\nrisk: slow\nfollow-up: buy\nevidence:\n    PATH=/bin", newFinding(fake("x", Result{}), r, 0).Words())
	r.Outcome = Risk
	assert.Equal(t, "risk: c: it is not here\nrisk: slow\nfollow-up: buy\nevidence:\n    PATH=/bin", newFinding(fake("x", Result{}), r, 0).Words())
}

func TestWordsCannotSteerATerminal(t *testing.T) {
	f := newFinding(fake("x", Result{}), Result{Outcome: Broken, Detail: "d", Evidence: "\x1b[2Jred\u009b31m\ttab\nline"}, 0)
	assert.NotContains(t, f.Words(), "\x1b")
	assert.NotContains(t, f.Words(), "\u009b")
	assert.Contains(t, f.Words(), "\ttab\n    line")
}

func TestATerminalGetsFewLines(t *testing.T) {
	f := newFinding(fake("x", Result{}), Result{Outcome: Broken, Evidence: "first\n" + strings.Repeat("y\n", 1000) + "last\n"}, 0)
	words := f.Words()
	assert.LessOrEqual(t, strings.Count(words, "\n"), shownLines+4)
	assert.Contains(t, words, "first\n")
	assert.Contains(t, words, "[... 978 lines, which the finding has ...]")
	assert.Contains(t, words, "last")
}

func FuzzBound(f *testing.F) {
	f.Add("", 10)
	f.Add("äöü", 3)
	f.Add(strings.Repeat("x", 100), 20)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 8 + min(max(most, 0), 1<<16)
		s = strings.ToValidUTF8(s, "?")
		got := bound(s, most)
		if len(got) > most || !utf8.ValidString(got) || len(s) <= most && got != s {
			t.Errorf("bound(%q, %d) = %q", s, most, got)
		}
	})
}
