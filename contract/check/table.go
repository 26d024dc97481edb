package check

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"bootaudit/internal/once"
)

// Table resolves checks, each at most once.
type Table struct {
	rows  map[string]*row
	slots chan struct{} // is filled by probes that run programs
}

type row struct {
	check    Check
	resolved once.Value[resolved]
}

// resolved is what was found of a check, whether others that need it can be
// tried, and the finding that left it untried.
type resolved struct {
	Finding
	met   bool
	blame *Finding
}

// NewTable makes a table. Its error names a row whose ID an earlier one has, and
// one whose need is no earlier row: needs cannot form a cycle.
func NewTable(checks []Check) (*Table, error) {
	t := &Table{rows: make(map[string]*row, len(checks)), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, c := range checks {
		if t.rows[c.ID] != nil {
			return nil, fmt.Errorf("check %q stands twice in its table", c.ID)
		}
		for _, need := range slices.Concat(c.Needs, c.After) {
			if t.rows[need] == nil {
				return nil, fmt.Errorf("check %q needs %q, which no earlier row defines", c.ID, need)
			}
		}
		t.rows[c.ID] = &row{check: c}
	}
	return t, nil
}

// Resolve is what is found of the check id. It is probed, and what it needs before
// it, unless that has been done; what the end of ctx made of it is not kept.
func (t *Table) Resolve(ctx context.Context, id string) Finding { return t.resolve(ctx, id).Finding }

func (t *Table) resolve(ctx context.Context, id string) resolved {
	row := t.rows[id]
	if row == nil {
		return resolved{Finding: Finding{ID: id, Outcome: Unknown, Detail: "the table has no such check"}}
	}
	r, err := row.resolved.Get(ctx, func(ctx context.Context) (resolved, error) {
		return t.find(ctx, row.check), ctx.Err()
	})
	if err != nil && r.ID == "" { // its turn did not come
		r.Finding = newFinding(row.check, Doubt(err.Error()), 0)
	}
	return r
}

// find finds out about c.
func (t *Table) find(ctx context.Context, c Check) resolved {
	r := t.look(ctx, c)
	if c.Waive != nil {
		r.Finding = c.Waive(r.Finding)
		r.met = r.met || r.Outcome.Met()
	}
	return r
}

func (t *Table) look(ctx context.Context, c Check) resolved {
	untried := func(r Result) resolved { return resolved{Finding: newFinding(c, r, 0)} }
	if c.Applies != nil {
		if r := attempt(ctx, c, c.asked); r.Outcome != Holds {
			return untried(r)
		}
	}
	if blame := t.unmet(ctx, c); blame != nil {
		r := untried(because(*blame))
		// What to do is said once, with the check to blame.
		r.Because, r.Remedy, r.blame = blame.ID, "", blame
		return r
	}
	for _, id := range c.After {
		t.resolve(ctx, id)
	}
	if c.Runs {
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
		case <-ctx.Done():
			return untried(Doubt("not tried: " + context.Cause(ctx).Error()))
		}
	}
	start := time.Now() // the waiting was for others
	r := attempt(ctx, c, c.Probe)
	return resolved{Finding: newFinding(c, r, time.Since(start)), met: r.Outcome.Met() || r.Past}
}

// asked is Applies as a probe, which holds where the check applies.
func (c Check) asked(ctx context.Context) Result {
	if why := c.Applies(ctx); why != "" {
		return Result{Outcome: NotNeeded, Detail: why}
	}
	return Hold("")
}

// unmet is the finding to blame where a need of c is not met: the first in the
// chain of needs, for the others only followed from it.
func (t *Table) unmet(ctx context.Context, c Check) *Finding {
	for _, id := range c.Needs {
		switch need := t.resolve(ctx, id); {
		case need.met:
		case need.blame != nil:
			return need.blame
		default:
			return &need.Finding
		}
	}
	return nil
}

// because is the result of a check that another one's finding left untried.
func because(blame Finding) Result {
	if blame.Outcome == NotNeeded {
		return Result{Outcome: NotNeeded, Detail: blame.Detail}
	}
	return Doubt(fmt.Sprintf("not tried, because %s is %s", blame.ID, blame.Outcome))
}

// attempt calls probe within c's limit, and survives one that ignores its context
// or panics: a broken probe must not hide the others.
func attempt(ctx context.Context, c Check, probe func(context.Context) Result) Result {
	limit := c.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan Result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- Doubt(fmt.Sprintf("the probe itself failed: %v", p))
			}
		}()
		done <- probe(ctx)
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	// The probe was told; leave it a moment to report what it had seen.
	select {
	case r := <-done:
		return r
	case <-time.After(time.Second):
		return Doubt(fmt.Sprintf("no answer within %s", limit))
	}
}
