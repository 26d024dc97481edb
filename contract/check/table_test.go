package check

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fake(id string, r Result, needs ...string) Check {
	return Check{ID: id, Section: SectionHost, Condition: "c", How: "h", Remedy: "do it", Needs: needs,
		Probe: func(context.Context) Result { return r }}
}

func TestTableIsChecked(t *testing.T) {
	_, err := NewTable([]Check{fake("a", Hold("")), fake("a", Hold(""))})
	assert.ErrorContains(t, err, `check "a" stands twice`)
	_, err = NewTable([]Check{fake("a", Hold(""), "b"), fake("b", Hold(""))})
	assert.ErrorContains(t, err, `check "a" needs "b", which no earlier row defines`)
}

func TestNeeds(t *testing.T) {
	notNeeded := fake("skipped", Break("it was tried"), "broken")
	notNeeded.Applies = func(context.Context) string { return "an ISO does without" }
	needed := fake("needed", Hold("tried"), "broken")
	needed.Applies = func(context.Context) string { return "" }
	past := Break("it asked for a password")
	past.Past = true
	all, err := NewTable([]Check{
		fake("holds", Hold("fine")),
		fake("broken", Break("it bends")),
		notNeeded,
		fake("on holds", Hold("tried"), "holds"),
		fake("on broken", Hold("tried"), "holds", "broken"),
		fake("on that", Hold("tried"), "on broken"),
		fake("on skipped", Hold("tried"), "skipped"),
		fake("on on skipped", Hold("tried"), "on skipped"),
		needed,
		fake("risky", Warn("it is slow", "", "")),
		fake("on risk", Hold("tried"), "risky"),
		fake("past", past),
		fake("on past", Hold("tried"), "past"),
	})
	require.NoError(t, err)
	for id, want := range map[string]Finding{
		"on holds":      {Outcome: Holds, Detail: "tried"},
		"on broken":     {Outcome: Unknown, Detail: "not tried, because broken is broken", Because: "broken"},
		"on that":       {Outcome: Unknown, Detail: "not tried, because broken is broken", Because: "broken"},
		"on skipped":    {Outcome: NotNeeded, Detail: "an ISO does without", Because: "skipped"},
		"on on skipped": {Outcome: NotNeeded, Detail: "an ISO does without", Because: "skipped"},
		"needed":        {Outcome: Unknown, Detail: "not tried, because broken is broken", Because: "broken"},
		"on risk":       {Outcome: Holds, Detail: "tried"},
		"on past":       {Outcome: Holds, Detail: "tried"},
		"nonsense":      {Outcome: Unknown, Detail: "the table has no such check"},
	} {
		got := all.Resolve(t.Context(), id)
		assert.Equal(t, want.Outcome, got.Outcome, id)
		assert.Equal(t, want.Detail, got.Detail, id)
		assert.Equal(t, want.Because, got.Because, id)
	}
}

func TestEachCheckIsProbedOnce(t *testing.T) {
	times := 0
	c := fake("once", Hold(""))
	c.Probe = func(context.Context) Result { times++; return Hold("") }
	all, err := NewTable([]Check{c, fake("a", Hold(""), "once"), fake("b", Hold(""), "once", "a")})
	require.NoError(t, err)
	for _, id := range []string{"b", "a", "once"} {
		all.Resolve(t.Context(), id)
	}
	assert.Equal(t, 1, times)
}

// TestWaive: a finding that is waived lets others be tried; one that is made
// worse takes nothing back that came to pass.
func TestWaive(t *testing.T) {
	to := func(o Outcome) func(Finding) Finding {
		return func(f Finding) Finding { f.Outcome, f.Risk = o, "waived "+string(f.Outcome); return f }
	}
	waived, untried, worse := fake("waived", Break("it bends")), fake("untried", Hold("tried"), "broken"), fake("worse", Hold("fine"))
	waived.Waive, untried.Waive, worse.Waive = to(Risk), to(Unknown), to(Broken)
	all, err := NewTable([]Check{
		waived, fake("on waived", Hold("tried"), "waived"),
		fake("broken", Break("it bends")), untried, fake("on untried", Hold("tried"), "untried"),
		worse, fake("on worse", Hold("tried"), "worse"),
	})
	require.NoError(t, err)
	for id, want := range map[string]Finding{
		"waived":     {Outcome: Risk, Detail: "it bends", Risk: "waived broken"},
		"on waived":  {Outcome: Holds, Detail: "tried"},
		"untried":    {Outcome: Unknown, Detail: "not tried, because broken is broken", Because: "broken", Risk: "waived unknown"},
		"on untried": {Outcome: Unknown, Detail: "not tried, because broken is broken", Because: "broken"},
		"worse":      {Outcome: Broken, Detail: "fine", Risk: "waived holds"},
		"on worse":   {Outcome: Holds, Detail: "tried"},
	} {
		got := all.Resolve(t.Context(), id)
		assert.Equal(t, want, Finding{Outcome: got.Outcome, Detail: got.Detail, Because: got.Because, Risk: got.Risk}, id)
	}
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
	all, err := NewTable([]Check{c, fake("on it", Hold("tried"), "once")})
	require.NoError(t, err)
	assert.Equal(t, Unknown, all.Resolve(ctx, "on it").Outcome)
	assert.Equal(t, Unknown, all.Resolve(ctx, "on it").Outcome)
	assert.Equal(t, Holds, all.Resolve(t.Context(), "on it").Outcome)
	assert.LessOrEqual(t, tried, 3)
	tried = 0
	assert.Equal(t, Holds, all.Resolve(t.Context(), "once").Outcome)
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
				all, err := NewTable([]Check{check})
				require.NoError(t, err)
				start := time.Now()
				got := all.Resolve(t.Context(), "x")
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
		late := fake("late", Hold(""))
		late.Runs = true
		checks = append(checks, fake("looks", Hold("")), late)
		all, err := NewTable(checks)
		require.NoError(t, err)
		var wait sync.WaitGroup
		for _, c := range checks[:3*most] {
			wait.Go(func() { assert.Equal(t, Holds, all.Resolve(t.Context(), c.ID).Outcome) })
		}
		synctest.Wait()
		assert.Equal(t, int32(most), now.Load())
		assert.Equal(t, Holds, all.Resolve(t.Context(), "looks").Outcome)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan Finding)
		go func() { left <- all.Resolve(ctx, "late") }()
		synctest.Wait()
		cancel()
		assert.Equal(t, "not tried: context canceled", (<-left).Detail)
		wait.Wait()
		assert.Equal(t, int32(most), peak.Load())
	})
}
