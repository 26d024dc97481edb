package contract

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"bootaudit/contract/check"
)

// Waivers are a contract's waivers on the day of a run, and what they have come
// to in it. Several goroutines may use them.
type Waivers struct {
	day Date

	mu  sync.Mutex
	all []waiver
}

// waiver is one of a contract's, in a run.
type waiver struct {
	Allow
	where string // it stands in
	// last is what was found last of its check; "" where it has not come by.
	last check.Outcome
	used bool
}

// Waivers are the contract's waivers on a day.
func (c Contract) Waivers(day time.Time) *Waivers {
	w := &Waivers{day: Date(day.Format(time.DateOnly))}
	for i, a := range c.Allow {
		where := fmt.Sprintf("allow.%d of the contract %s", i+1, c.Name)
		if c.source != nil {
			where = fmt.Sprintf("%s:%d", c.source.file, c.source.root.lineOf(fmt.Sprintf("allow.%d", i+1)))
		}
		w.all = append(w.all, waiver{Allow: a, where: where})
	}
	return w
}

func (w *Waivers) expired(a waiver) bool { return a.Until < w.day } // as YYYY-MM-DD sorts

// words say of a finding that it is allowed.
func (a waiver) words() string {
	s := fmt.Sprintf("known, and allowed until %s: %s", a.Until, a.Reason)
	if a.Link != "" {
		s += " (" + a.Link + ")"
	}
	return s
}

// Over are the checks of a table, waived: each finding of a check goes through
// [Waivers.Finding], by its id with the prefix before it ("clean-disk/").
func (w *Waivers) Over(prefix string, checks []check.Check) []check.Check {
	over := make([]check.Check, len(checks))
	for i, c := range checks {
		over[i] = c
		over[i].Waive = func(f check.Finding) check.Finding { return w.Finding(prefix+c.ID, f) }
	}
	return over
}

// Finding is what becomes of a finding of the check name: broken, where a waiver
// covers it, is a risk with the waiver's reason and link. Every other finding
// stays as it is, and so does one whose waiver has expired.
func (w *Waivers) Finding(name string, f check.Finding) check.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.all {
		a := &w.all[i]
		if a.Check != name {
			continue
		}
		a.last = f.Outcome
		if f.Outcome != check.Broken || w.expired(*a) {
			continue
		}
		a.used = true
		f.Outcome, f.Risk = check.Risk, joined(a.words(), f.Risk)
		f.FollowUp, f.Remedy = joined(f.FollowUp, f.Remedy), ""
	}
	return f
}

func joined(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "; " + other
}

// Trip says whether a line of the console may touch a tripwire, and in words why.
func (w *Waivers) Trip(id, line string) (why string, allowed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.all {
		a := &w.all[i]
		if a.Tripwire != id || a.Line.Regexp == nil || !a.Line.MatchString(line) || w.expired(*a) {
			continue
		}
		a.used = true
		return a.words(), true
	}
	return "", false
}

// Left are the findings that the waivers themselves are, at the end of a run: a
// risk for each that has expired, and for each that nothing has matched. Of a
// check's waiver it is known once a finding of the check came by, and of a
// tripwire's where the image was booted.
func (w *Waivers) Left(booted bool) []check.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []check.Finding
	for i, a := range w.all {
		if a.Tripwire != "" && !booted || a.Check != "" && a.last == "" {
			continue
		}
		f := check.Finding{
			ID: fmt.Sprintf("waiver-%d", i+1), Section: check.SectionRuntime, Outcome: check.Risk,
			Condition: fmt.Sprintf("what the contract allows of %s is there, and its last day is not over", a.name()),
			How:       fmt.Sprintf("compare what was found with the waiver in %s (%s)", a.where, a.Reason),
		}
		if a.Check != "" && !strings.Contains(a.Check, "/") {
			f.Section = check.SectionImage
		}
		switch {
		case w.expired(a):
			f.Detail = fmt.Sprintf("the waiver of %s ended on %s", a.name(), a.Until)
			f.Risk = "it waives nothing any more: what it allowed counts in full"
			f.FollowUp = "mend what it allowed and take it out, or say until when, and why, it is allowed still"
		case a.used, a.last == check.Unknown, a.last == check.Absent:
			continue
		case a.Tripwire != "":
			f.Detail = fmt.Sprintf("no line that %s allows touched %s", quoted(a.Line.String()), a.name())
		default:
			f.Detail = fmt.Sprintf("%s is not broken, but: %s", a.name(), a.last)
		}
		if f.Risk == "" {
			f.Risk = "a waiver that nothing needs hides the next fault of that name"
			f.FollowUp = "take the waiver out of the contract"
		}
		all = append(all, f)
	}
	return all
}

// Check is the row of a table that says what the waivers themselves have come to
// ([Waivers.Left]): it comes after the checks, of which each whose name with the
// prefix has a waiver is resolved before it. booted says that the table is that of
// a boot, in which tripwires were watched for. A table of which nothing is allowed
// has no such row: ok is false.
func (w *Waivers) Check(prefix string, checks []check.Check, booted bool) (c check.Check, ok bool) {
	c = check.Check{
		ID: "image-waivers", Section: check.SectionImage, Condition: "each waiver of the contract is needed, and its last day is not over",
		How: "compare what was found with the contract's [[allow]]", Remedy: "take out of the contract what is not needed, and mend what is allowed no more",
		Timeout: time.Hour, // what it comes after has limits of its own
	}
	if prefix != "" {
		c.ID, c.Section = "waivers", check.SectionRuntime
	}
	for _, a := range w.all {
		ok = ok || booted && a.Tripwire != ""
		for _, row := range checks {
			if a.Check == prefix+row.ID {
				c.After = append(c.After, row.ID)
				ok = true
			}
		}
	}
	c.Probe = func(context.Context) check.Result { return w.result(booted) }
	return c, ok
}

// result is what is left of the waivers, in one.
func (w *Waivers) result(booted bool) check.Result {
	left := w.Left(booted)
	if len(left) == 0 {
		return check.Hold("each is needed, or what it is about could not be told")
	}
	var details, evidence []string
	for _, f := range left {
		details = append(details, f.Detail)
		evidence = append(evidence, f.How)
	}
	return check.Warn(strings.Join(details, "; "), left[0].Risk, left[0].FollowUp).With(strings.Join(evidence, "\n"))
}
