package prereq

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Sections of the audit that a check's finding goes to.
const (
	SectionHost    = "host"
	SectionImage   = "image"
	SectionGap     = "image-gap"
	SectionRuntime = "runtime"
)

// DefaultTimeout ends a probe whose check sets no Timeout.
const DefaultTimeout = 10 * time.Second

// Check is one condition and how to test it. A table of checks is a test's
// subtests: IDs are kebab-case, unique in their table and never reused.
type Check struct {
	ID        string
	Section   string // one of the Section constants
	Condition string // what must hold, as a statement
	How       string // the command or look-up that tests it
	When      string // when it is needed, in words
	Remedy    string // what to do when it does not hold
	Needs     []string
	// Timeout ends Probe's context; 0 is DefaultTimeout.
	Timeout time.Duration
	// Probe looks. It must return soon after its context ends.
	Probe func(context.Context) Result
}

// table resolves checks at most once each, and a check's needs before it.
type table map[string]*entry

type entry struct {
	check Check
	once  sync.Once
	found Finding
}

func newTable(checks []Check) (table, error) {
	all := make(table, len(checks))
	for _, c := range checks {
		if all[c.ID] != nil {
			return nil, fmt.Errorf("check %q stands twice in its table", c.ID)
		}
		for _, need := range c.Needs {
			// Needs name earlier rows only, so they cannot form a cycle.
			if all[need] == nil {
				return nil, fmt.Errorf("check %q needs %q, which no earlier row defines", c.ID, need)
			}
		}
		all[c.ID] = &entry{check: c}
	}
	return all, nil
}

// resolve runs the check id, and what it needs, unless that has been done.
func (all table) resolve(ctx context.Context, id string) Finding {
	e := all[id]
	e.once.Do(func() {
		start := time.Now()
		result := all.unmet(ctx, e.check)
		if result == nil {
			r := probe(ctx, e.check)
			result = &r
		}
		e.found = newFinding(e.check, *result, time.Since(start))
	})
	return e.found
}

// unmet is the result of a check of which a need does not hold, or nil.
func (all table) unmet(ctx context.Context, c Check) *Result {
	for _, id := range c.Needs {
		need := all.resolve(ctx, id)
		switch need.Outcome {
		case Holds:
		case NotNeeded:
			r := Skip(fmt.Sprintf("needs %q, which is not needed: %s", id, need.Detail))
			return &r
		default:
			r := Doubt(fmt.Sprintf("not tried: needs %q, which is %s: %s", id, need.Outcome, need.Detail))
			return &r
		}
	}
	return nil
}

// probe runs a check's probe within its limit, and survives a probe that
// ignores its context or panics: one broken probe must not hide the others.
func probe(ctx context.Context, c Check) Result {
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
		done <- c.Probe(ctx)
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
