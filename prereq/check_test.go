package prereq

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fake(id string, r Result, needs ...string) Check {
	return Check{ID: id, Section: SectionHost, Condition: "c", How: "h", When: "w", Remedy: "do it", Needs: needs,
		Probe: func(context.Context) Result { return r }}
}

func TestTableIsChecked(t *testing.T) {
	_, err := newTable([]Check{fake("a", Hold("")), fake("a", Hold(""))})
	assert.ErrorContains(t, err, `check "a" stands twice`)
	_, err = newTable([]Check{fake("a", Hold(""), "b"), fake("b", Hold(""))})
	assert.ErrorContains(t, err, `check "a" needs "b", which no earlier row defines`)
}

func TestNeeds(t *testing.T) {
	all, err := newTable([]Check{
		fake("holds", Hold("fine")),
		fake("broken", Break("it bends")),
		fake("skipped", Skip("an ISO does without")),
		fake("on holds", Hold("tried"), "holds"),
		fake("on broken", Hold("tried"), "holds", "broken"),
		fake("on that", Hold("tried"), "on broken"),
		fake("on skipped", Hold("tried"), "skipped"),
		fake("on on skipped", Hold("tried"), "on skipped"),
	})
	require.NoError(t, err)
	for id, want := range map[string]Finding{
		"on holds":      {Outcome: Holds, Detail: "tried"},
		"on broken":     {Outcome: Unknown, Detail: "not tried, because broken is broken"},
		"on that":       {Outcome: Unknown, Detail: "not tried, because broken is broken"},
		"on skipped":    {Outcome: NotNeeded, Detail: "an ISO does without"},
		"on on skipped": {Outcome: NotNeeded, Detail: "an ISO does without"},
	} {
		got := all.resolve(t.Context(), id)
		assert.Equal(t, want.Outcome, got.Outcome, id)
		assert.Equal(t, want.Detail, got.Detail, id)
	}
}

func TestEachCheckIsProbedOnce(t *testing.T) {
	times := 0
	c := fake("once", Hold(""))
	c.Probe = func(context.Context) Result { times++; return Hold("") }
	all, err := newTable([]Check{c, fake("a", Hold(""), "once"), fake("b", Hold(""), "once", "a")})
	require.NoError(t, err)
	for _, id := range []string{"b", "a", "once"} {
		all.resolve(t.Context(), id)
	}
	assert.Equal(t, 1, times)
}

// TestCallerGivesUp: what the end of one caller's context made of a check, and
// of those that need it, is not what the next one gets.
func TestCallerGivesUp(t *testing.T) {
	c := fake("once", Hold(""))
	ctx, cancel := context.WithCancel(t.Context())
	tried := 0
	c.Probe = func(ctx context.Context) Result {
		tried++
		cancel()
		if err := ctx.Err(); err != nil {
			return Doubt(err.Error())
		}
		return Hold("fine")
	}
	all, err := newTable([]Check{c, fake("on it", Hold("tried"), "once")})
	require.NoError(t, err)
	assert.Equal(t, Unknown, all.resolve(ctx, "on it").Outcome)
	assert.Equal(t, Unknown, all.resolve(ctx, "on it").Outcome)
	assert.Equal(t, Holds, all.resolve(t.Context(), "on it").Outcome)
	assert.LessOrEqual(t, tried, 3)
	tried = 0
	assert.Equal(t, Holds, all.resolve(t.Context(), "once").Outcome)
	assert.Zero(t, tried)
}

func TestProbesThatMisbehave(t *testing.T) {
	cases := []struct {
		name  string
		probe func(context.Context) Result
		took  time.Duration
		want  Outcome
		says  string
	}{
		{"panics", func(context.Context) Result { panic("oh no") }, 0, Unknown, "the probe itself failed: oh no"},
		{"concludes nothing", func(context.Context) Result { return Result{} }, 0, Unknown, "the probe came to no conclusion"},
		{"ignores its context", func(context.Context) Result { time.Sleep(time.Hour); return Hold("late") }, 4 * time.Second, Unknown, "no answer within 3s"},
		{"reports what it had seen", func(ctx context.Context) Result { <-ctx.Done(); return Break("stopped half-way") }, 3 * time.Second, Broken, "stopped half-way"},
		{"is cancelled", func(ctx context.Context) Result { return Hold("in time") }, 0, Holds, "in time"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check := fake("x", Result{})
				check.Probe, check.Timeout = c.probe, 3*time.Second
				all, err := newTable([]Check{check})
				require.NoError(t, err)
				start := time.Now()
				got := all.resolve(t.Context(), "x")
				assert.Equal(t, c.took, time.Since(start))
				assert.Equal(t, c.want, got.Outcome)
				assert.Equal(t, c.says, got.Detail)
				time.Sleep(2 * time.Hour) // let the one that ignores its context end
			})
		})
	}
}

// TestProgramsTakeTurns: no more probes that run programs are under way than
// there are CPUs; those that only look do not wait for them, and the limit of
// one that waits counts from its start.
func TestProgramsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := runtime.GOMAXPROCS(0)
		var now, peak atomic.Int32
		var checks []Check
		for i := range 3 * most {
			c := fake(fmt.Sprint("runs-", i), Result{})
			c.Runs, c.Timeout = true, 3*time.Second
			c.Probe = func(ctx context.Context) Result {
				peak.Store(max(peak.Load(), now.Add(1)))
				defer now.Add(-1)
				select {
				case <-time.After(2 * time.Second): // the last ones wait for longer than their limit
					return Hold("")
				case <-ctx.Done():
					return Break("its limit counted while it waited")
				}
			}
			checks = append(checks, c)
		}
		checks = append(checks, fake("looks", Hold("")))
		all, err := newTable(checks)
		require.NoError(t, err)
		var wait sync.WaitGroup
		for _, c := range checks[:3*most] {
			wait.Go(func() { assert.Equal(t, Holds, all.resolve(t.Context(), c.ID).Outcome) })
		}
		synctest.Wait()
		assert.Equal(t, int32(most), now.Load())
		assert.Equal(t, Holds, all.resolve(t.Context(), "looks").Outcome)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan Finding)
		late := fake("late", Hold(""))
		late.Runs = true
		all["late"] = &entry{check: late, slots: all["looks"].slots}
		go func() { left <- all.resolve(ctx, "late").Finding }()
		synctest.Wait()
		cancel()
		assert.Equal(t, "not tried: context canceled", (<-left).Detail)
		wait.Wait()
		assert.Equal(t, int32(most), peak.Load())
	})
}

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
	assert.Equal(t, "absent: c: it is not here\nremedy: do it\nrisk: slow\nfollow-up: buy\nevidence:\n    PATH=/bin", newFinding(fake("x", Result{}), r, 0).words())
	r.Outcome = NotNeeded
	assert.Equal(t, "not needed: c: it is not here\nrisk: slow\nfollow-up: buy", newFinding(fake("x", Result{}), r, 0).words())
}

func TestWordsCannotSteerATerminal(t *testing.T) {
	f := newFinding(fake("x", Result{}), Result{Outcome: Broken, Detail: "d", Evidence: "\x1b[2Jred\u009b31m\ttab\nline"}, 0)
	assert.NotContains(t, f.words(), "\x1b")
	assert.NotContains(t, f.words(), "\u009b")
	assert.Contains(t, f.words(), "\ttab\n    line")
}

func TestATerminalGetsFewLines(t *testing.T) {
	f := newFinding(fake("x", Result{}), Result{Outcome: Broken, Evidence: "first\n" + strings.Repeat("y\n", 1000) + "last\n"}, 0)
	words := f.words()
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
