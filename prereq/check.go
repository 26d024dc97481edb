package prereq

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"bootaudit/internal/once"
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
	// Timeout ends Probe's context; 0 is DefaultTimeout. It counts from when
	// the probe starts.
	Timeout time.Duration
	// Runs says that Probe runs programs: of those, no more probe at a time
	// than there are CPUs, for their limits allow for no crowd.
	Runs bool
	// Probe looks. It must return soon after its context ends.
	Probe func(context.Context) Result
}

// table resolves checks at most once each, and a check's needs before it.
type table map[string]*entry

type entry struct {
	check    Check
	slots    chan struct{} // of its table; is filled by probes that run programs
	resolved once.Value[resolved]
	// selected says that this run has a subtest that reports it.
	selected bool
}

// resolved is what was found of a check, and the check whose outcome left it
// untried.
type resolved struct {
	Finding
	because *entry
}

func newTable(checks []Check) (table, error) {
	all := make(table, len(checks))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
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
		all[c.ID] = &entry{check: c, slots: slots}
	}
	return all, nil
}

// resolve runs the check id, and what it needs, unless that has been done. What
// the end of ctx made of it is not kept.
func (all table) resolve(ctx context.Context, id string) resolved {
	e := all[id]
	r, err := e.resolved.Get(ctx, func(ctx context.Context) (resolved, error) {
		if because, need := all.unmet(ctx, e.check); because != nil {
			f := newFinding(e.check, untried(need), 0)
			// What to do is said once, with the check to blame.
			f.Because, f.Remedy = because.check.ID, ""
			return resolved{f, because}, ctx.Err()
		}
		if e.check.Runs {
			select {
			case e.slots <- struct{}{}:
				defer func() { <-e.slots }()
			case <-ctx.Done():
				return resolved{newFinding(e.check, Doubt("not tried: "+ctx.Err().Error()), 0), nil}, ctx.Err()
			}
		}
		start := time.Now() // the waiting was for others
		return resolved{newFinding(e.check, probe(ctx, e.check), time.Since(start)), nil}, ctx.Err()
	})
	if err != nil && r.ID == "" { // its turn did not come
		r = resolved{newFinding(e.check, Doubt(err.Error()), 0), nil}
	}
	return r
}

// unmet is the check to blame where a need of c does not hold, and what was
// found of it: the first in the chain of needs, for the others only followed
// from it.
func (all table) unmet(ctx context.Context, c Check) (*entry, Finding) {
	for _, id := range c.Needs {
		need := all.resolve(ctx, id)
		switch {
		case need.Outcome == Holds:
		case need.because != nil:
			return need.because, all.resolve(ctx, need.because.check.ID).Finding
		default:
			return all[id], need.Finding
		}
	}
	return nil, Finding{}
}

// untried is the result of a check that the need's outcome left untried.
func untried(need Finding) Result {
	if need.Outcome == NotNeeded {
		return Skip(need.Detail)
	}
	return Doubt(fmt.Sprintf("not tried, because %s is %s", need.ID, need.Outcome))
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
