package report

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// FollowUp is something to do.
type FollowUp struct {
	Kind   string   // broken, failed, absent, unknown, risk
	IDs    []string // of the findings that it is about
	What   string   // was seen, or follows
	Wanted string   // the condition that does not hold
	Hides  int      // so many checks were not tried because of it
	Do     string   // the remedy
	Again  string   // the command that tests it again
	Anchor string
	Failed bool // it fails the audit
}

// Head is what a follow-up is about, in a line.
func (f FollowUp) Head() string {
	head := f.What
	if n := len(f.IDs); n > 6 {
		head = fmt.Sprintf("%s and %d more: %s", strings.Join(f.IDs[:6], ", "), n-6, head)
	} else if n > 0 {
		head = strings.Join(f.IDs, ", ") + ": " + head
	}
	if f.Wanted != "" {
		head += " (wanted: " + f.Wanted + ")"
	}
	if f.Hides > 0 {
		head += fmt.Sprintf("; not tried because of it: %s", plural(f.Hides, "check"))
	}
	return head
}

// followUps lists what to do: the broken first, then the absent, the unknown,
// the gaps. The same advice for several findings stands once.
func followUps(a *Audit) []FollowUp {
	var list []FollowUp
	add := func(f FollowUp) {
		for i := range list {
			if list[i].Kind == f.Kind && list[i].Do == f.Do && f.Do != "" {
				list[i].IDs = append(list[i].IDs, f.IDs...)
				list[i].Failed = list[i].Failed || f.Failed
				return
			}
		}
		list = append(list, f)
	}
	rows := a.rows()
	addRows := func(outcome check.Outcome) {
		for _, row := range with(rows, outcome) {
			if row.Because != nil {
				continue // it waits for another, which is in this list
			}
			add(FollowUp{Kind: string(outcome), IDs: []string{row.Title}, What: row.Detail, Wanted: row.Condition,
				Hides: waiting(rows, row), Do: cmp.Or(row.FollowUp, row.Remedy), Again: row.Again, Anchor: row.Anchor,
				Failed: row.fails()})
		}
	}
	addRows(check.Broken)
	for _, p := range a.Problems {
		add(FollowUp{Kind: "failed", What: p.words(), Do: p.Remedy, Again: p.Again, Failed: true})
	}
	addRows(check.Absent)
	addRows(check.Unknown)
	for _, row := range a.Risks {
		if !bad(row.Outcome) {
			add(FollowUp{Kind: "risk", IDs: []string{row.Title}, What: cmp.Or(row.Risk, row.Detail),
				Do: row.FollowUp, Again: row.Again, Anchor: row.Anchor})
		}
	}
	return list
}

// fails tells a row that fails the audit: broken, or absent or unknown where
// that fails its test.
func (r *Row) fails() bool { return r.Outcome == check.Broken || r.Failed }

// waiting counts the rows that were not tried because of row.
func waiting(rows []*Row, row *Row) int {
	n := 0
	for _, other := range rows {
		if other.Because == row {
			n++
		}
	}
	return n
}

// Failed lists what makes the audit fail; none is success.
func (a *Audit) Failed() []FollowUp {
	return slices.DeleteFunc(slices.Clone(a.FollowUps), func(f FollowUp) bool { return !f.Failed })
}

// Exit statuses of a command that makes an audit, beside 2 for one that cannot be
// made. Git's bisect takes 125 for a state that cannot be tested.
const (
	StatusGood    = 0
	StatusBroken  = 1
	StatusUnknown = 125
)

// Status is StatusBroken where something is broken, a test failed or the report is
// not whole, and else StatusUnknown where what is needed is absent or unknown.
func (a *Audit) Status() int {
	switch rows := a.rows(); {
	case len(a.Partial) > 0 || len(a.Problems) > 0 || len(with(rows, check.Broken)) > 0:
		return StatusBroken
	case slices.ContainsFunc(rows, (*Row).fails):
		return StatusUnknown
	}
	return StatusGood
}

// Conclude prints the last lines of a run: what fails it, why, what to do
// about it, and where the report is.
func (a *Audit) Conclude(w io.Writer, dir string) {
	fmt.Fprintf(w, "\naudit: %s", a.Result())
	if a.Passed > 0 {
		fmt.Fprintf(w, "; %s passed", plural(a.Passed, "other test"))
	}
	fmt.Fprintln(w)
	failed := a.Failed()
	const most = 20
	for _, f := range failed[:min(len(failed), most)] {
		fmt.Fprintf(w, "%-8s %s\n", strings.ToUpper(f.Kind), cleanLine(f.Head(), 400))
		if f.Do != "" {
			fmt.Fprintf(w, "         remedy: %s\n", f.Do)
		}
		if f.Again != "" {
			fmt.Fprintf(w, "         again:  %s\n", f.Again)
		}
	}
	if more := len(failed) - most; more > 0 {
		fmt.Fprintf(w, "         and %d more, in the report\n", more)
	}
	for _, why := range a.Partial {
		fmt.Fprintf(w, "PARTIAL  %s\n", why)
	}
	fmt.Fprintf(w, "report: %s (beside it: %s, %s, %s)\n", filepath.Join(dir, MarkdownFile), HTMLFile, JUnitFile, EventsFile)
}
