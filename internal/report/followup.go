package report

import (
	"cmp"
	"fmt"
	"path"
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
	Same   int      // so many failed by it elsewhere
	Where  []string // the tests of which those are
	Do     string   // the remedy
	Again  string   // the command that tests it again
	Anchor string
	Failed bool // it fails the audit

	row *Row // nil for a failure that is no check's
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
	if words := f.Folded(); words != "" {
		head += "; " + words
	}
	return head
}

// Folded is what a cause kept from being tried, and what else failed by it.
func (f FollowUp) Folded() string {
	var words []string
	if f.Same > 0 {
		words = append(words, fmt.Sprintf("failed by it: %s (%s)", plural(f.Same, "more check"), short(f.Where)))
	}
	if f.Hides > 0 {
		words = append(words, "not tried because of it: "+plural(f.Hides, "check"))
	}
	return strings.Join(words, "; ")
}

// short is a list for a sentence, at most six of it.
func short(list []string) string {
	if more := len(list) - 6; more > 0 {
		list = append(slices.Clone(list[:6]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// followUps lists what to do: the broken first, then the absent, the unknown,
// the gaps; of the broken first what most else failed by. The same advice for
// several findings stands once.
func followUps(a *Audit) []FollowUp {
	var list []FollowUp
	add := func(f FollowUp) {
		for i := range list {
			if list[i].Kind == f.Kind && list[i].Do == f.Do && f.Do != "" {
				list[i].IDs = append(list[i].IDs, f.IDs...)
				list[i].Failed = list[i].Failed || f.Failed
				list[i].Hides, list[i].Same = list[i].Hides+f.Hides, list[i].Same+f.Same
				return
			}
		}
		list = append(list, f)
	}
	rows := a.rows()
	addRows := func(outcome check.Outcome) {
		for _, row := range with(rows, outcome) {
			if row.Because != nil {
				continue // it is another's, which is in this list
			}
			untried, failed := folded(rows, row)
			var where []string
			for _, other := range failed {
				if name := path.Base(other.test); !slices.Contains(where, name) {
					where = append(where, name)
				}
			}
			add(FollowUp{Kind: string(outcome), IDs: []string{row.Title}, What: row.Detail, Wanted: row.Condition,
				Hides: len(untried), Same: len(failed), Where: where, row: row, Do: cmp.Or(row.FollowUp, row.Remedy), Again: row.Again, Anchor: row.Anchor,
				Failed: row.fails()})
		}
	}
	addRows(check.Broken)
	slices.SortStableFunc(list, func(x, y FollowUp) int { return cmp.Compare(y.Same+y.Hides, x.Same+x.Hides) })
	for _, p := range a.Problems {
		add(FollowUp{Kind: "failed", What: p.words(), Do: p.Remedy, Again: p.Again, Failed: true})
	}
	addRows(check.Absent)
	// Nothing can be tried where what is needed is not here: that comes first.
	slices.SortStableFunc(list, func(x, y FollowUp) int { return cmp.Compare(blocks(y), blocks(x)) })
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

// blocks is how much was not tried because of something absent.
func blocks(f FollowUp) int {
	if f.Kind != string(check.Absent) {
		return 0
	}
	return f.Hides + f.Same
}

// Failed lists what makes the audit fail; none is success.
func (a *Audit) Failed() []FollowUp {
	return slices.DeleteFunc(slices.Clone(a.FollowUps), func(f FollowUp) bool { return !f.Failed })
}
