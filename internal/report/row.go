package report

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
)

// Section is one table of the audit, or several.
type Section struct {
	Title   string
	Verdict string // one sentence in plain words
	Groups  []Group
}

// Group is the rows of one test.
type Group struct {
	Title string
	Rows  []*Row
}

// Looked lists the rows that were looked at, which [Group.Needless] and
// [Group.Untried] were not.
func (g Group) Looked() []*Row {
	return slices.DeleteFunc(slices.Clone(g.Rows), func(r *Row) bool { return r.needless() || r.untried() })
}

// Needless lists what the target does without.
func (g Group) Needless() []*Row {
	return slices.DeleteFunc(slices.Clone(g.Rows), func(r *Row) bool { return !r.needless() })
}

// Untried lists what the outcome of another check kept from being tried.
func (g Group) Untried() []*Row {
	return slices.DeleteFunc(slices.Clone(g.Rows), func(r *Row) bool { return !r.untried() })
}

// Blamed names the rows to blame for [Group.Untried].
func (g Group) Blamed() string {
	var list []string
	for _, row := range g.Untried() {
		need := row.Because
		for need.untried() {
			need = need.Because
		}
		if words := need.ID + " is " + string(need.Outcome); !slices.Contains(list, words) {
			list = append(list, words)
		}
	}
	return strings.Join(list, ", and ")
}

// untried tells a row that was not tried because of another.
func (r *Row) untried() bool {
	return r.Outcome == check.Unknown && r.Because != nil && (r.because != "" || r.notBegun)
}

// needless tells a row without anything to say: a check that is not needed and
// that names no risk.
func (r *Row) needless() bool {
	return r.Outcome == check.NotNeeded && r.Risk == "" && r.FollowUp == ""
}

// Row is one finding.
type Row struct {
	ID, Anchor, Title   string
	On                  string // the machine, where the streams are of several
	Section             string
	Condition           string
	Command             string // what ran, or how it was looked up
	Ran                 bool   // Command is what ran
	Outcome             check.Outcome
	Detail, Evidence    string
	Remedy, Risk, Again string
	FollowUp            string
	Seconds             float64
	Failed              bool // the test failed
	Because             *Row // the row to blame that this one was not tried, or nil

	Step  string // of a boot that a runtime's check is about: its ID, or the step that "booted" ended in
	Cause string // Detail, without what only says that the boot did not come so far

	notBegun bool // Because is of another table, and this was not tried for it

	test    string // above the check's own: a table's test
	because string // Because's ID, in the same table
}

func newRow(t *Test, f check.Finding, on string, anchors map[string]int) *Row {
	row := &Row{
		ID: cleanLine(f.ID, 80), Section: f.Section,
		Condition: cleanLine(f.Condition, 300), Command: cleanLine(unfold(cmp.Or(f.Command, f.How)), 1000),
		Ran: f.Command != "", Outcome: f.Outcome, Detail: cleanLine(f.Detail, 600),
		Evidence: bound(strings.Trim(plain.Text(f.Evidence), "\n"), 2*check.MaxEvidence),
		Remedy:   cleanLine(f.Remedy, 600), Risk: cleanLine(f.Risk, 600), FollowUp: cleanLine(f.FollowUp, 600),
		Seconds: f.Seconds, Again: again(t), Failed: t.Status == "fail",
	}
	if !slices.Contains(outcomes, row.Outcome) {
		row.Outcome = check.Unknown
	}
	parent := ""
	if i := strings.LastIndexByte(t.Name, '/'); i > 0 {
		parent = t.Name[:i]
	}
	row.test, row.because = parent, cleanLine(f.Because, 80)
	row.Title = row.ID
	if i := strings.IndexByte(parent, '/'); i > 0 {
		row.Title = cleanLine(parent[i+1:], 80) + "/" + row.ID
	}
	if row.On = on; on != "" {
		row.Title += " on " + on
	}
	row.Anchor = anchor(anchors, f.Section+"-"+row.Title)
	return row
}

// unfold joins a command that a shell's backslashes fold into several lines.
func unfold(command string) string { return strings.ReplaceAll(command, "\\\n", " ") }

// blame finds, for each row that was not tried because of another, that other.
func blame(rows []*Row) {
	byName := map[string]*Row{}
	for _, row := range rows {
		byName[row.On+"/"+row.test+"/"+row.ID] = row
	}
	for _, row := range rows {
		need := byName[row.On+"/"+row.test+"/"+row.because]
		if row.Outcome == check.Unknown && need != nil && need != row && bad(need.Outcome) && need.Root() != row {
			row.Because = need
		}
	}
}

func bad(o check.Outcome) bool {
	return o == check.Broken || o == check.Absent || o == check.Unknown
}

var notAnchor = regexp.MustCompile(`[^a-z0-9]+`)

func anchor(taken map[string]int, name string) string {
	name = strings.Trim(notAnchor.ReplaceAllString(strings.ToLower(name), "-"), "-")
	taken[name]++
	if n := taken[name]; n > 1 {
		name = fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

// place puts a row in its section.
func (a *Audit) place(t *Test, row *Row) {
	section := &a.Runtime
	switch row.Section {
	case check.SectionHost:
		section = &a.Host
	case check.SectionImage:
		section = &a.Image
	case check.SectionGap:
		section = &a.Gaps
	}
	if row.Risk != "" || row.FollowUp != "" && !bad(row.Outcome) {
		a.Risks = append(a.Risks, row)
	}
	title := ""
	if parts := strings.Split(t.Name, "/"); len(parts) > 2 {
		title = cleanLine(path.Join(parts[1:len(parts)-1]...), 80)
	}
	for i := range section.Groups {
		if section.Groups[i].Title == title {
			section.Groups[i].Rows = append(section.Groups[i].Rows, row)
			return
		}
	}
	section.Groups = append(section.Groups, Group{title, []*Row{row}})
}
