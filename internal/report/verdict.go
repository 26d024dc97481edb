package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

func (s Section) rows() []*Row {
	var rows []*Row
	for _, g := range s.Groups {
		rows = append(rows, g.Rows...)
	}
	return rows
}

func (a *Audit) rows() []*Row {
	return slices.Concat(a.Host.rows(), a.Image.rows(), a.Gaps.rows(), a.Runtime.rows())
}

// with lists the rows of an outcome.
func with(rows []*Row, outcome check.Outcome) []*Row {
	var list []*Row
	for _, row := range rows {
		if row.Outcome == outcome {
			list = append(list, row)
		}
	}
	return list
}

// names is a list for a sentence, at most six of it.
func names(rows []*Row) string {
	var list []string
	for _, row := range rows[:min(len(rows), 6)] {
		list = append(list, row.Title)
	}
	if more := len(rows) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// ids is a list for a line that folds it up: the first of them.
func ids(rows []*Row) string {
	var list []string
	for _, row := range rows {
		list = append(list, row.ID)
	}
	return short(list)
}

// verdict says in one sentence what the rows come to: none when nothing was
// looked at, bad when something does not hold, else how many hold, and good.
func verdict(rows []*Row, none, bad, good string) string {
	looked := len(rows) - len(with(rows, check.NotNeeded)) - len(with(rows, check.Risk))
	if looked == 0 {
		return none
	}
	var parts []string
	elsewhere := func(r *Row) bool { return r.Because != nil && r.because == "" }
	because := map[string][]*Row{}
	for _, outcome := range []check.Outcome{check.Broken, check.Absent} {
		list := with(rows, outcome)
		for _, row := range list {
			if elsewhere(row) && !slices.Contains(rows, row.Root()) {
				because[row.Root().Title] = append(because[row.Root().Title], row)
			}
		}
		if list = slices.DeleteFunc(list, elsewhere); len(list) > 0 {
			parts = append(parts, string(outcome)+": "+names(list))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(because)) {
		parts = append(parts, fmt.Sprintf("because of %s: %s", name, names(because[name])))
	}
	doubt := ""
	unknown := with(rows, check.Unknown)
	first := slices.DeleteFunc(slices.Clone(unknown), func(r *Row) bool { return r.Because != nil })
	if len(first) > 0 {
		doubt = " Could not be told: " + names(first) + "."
	}
	if n := len(unknown) - len(first); n > 0 {
		doubt += fmt.Sprintf(" Not tried because of that: %d more.", n)
	}
	switch {
	case len(parts) > 0:
		return bad + " (" + strings.Join(parts, "; ") + ")." + doubt
	case doubt != "":
		return fmt.Sprintf("%d of %s that were tested hold.", len(with(rows, check.Holds)), plural(looked, "condition")) + doubt
	case looked == 1:
		return "The one condition that was tested holds" + good + "."
	default:
		return fmt.Sprintf("All %d conditions that were tested hold", looked) + good + "."
	}
}

func hostVerdict(a *Audit) string {
	good := ""
	for _, vm := range a.VMs {
		if len(vm.Stages) > 0 {
			good = ": this host runs the guests, under " + strings.ToUpper(cmp.Or(vm.Accelerator, "an accelerator not named"))
		}
	}
	return verdict(a.Host.rows(), "Nothing about the host was tested.",
		"This host lacks what the target needs", good)
}

func imageVerdict(a *Audit) string {
	v := verdict(a.Image.rows(), "The image was not examined.",
		"The image is not what the boot test needs", ": the image is what the boot test needs")
	if n := len(a.Risks); n > 0 {
		v += fmt.Sprintf(" Gaps and risks: %d.", n)
	}
	return v
}

func runtimeVerdict(a *Audit) string {
	boots, bad := "", "Nothing was seen to boot"
	for _, vm := range a.VMs {
		if vm.LoggedIn() {
			bad = "The booted image does not keep its promises"
			break
		}
		if len(vm.Stages) > 0 {
			bad = "No boot came to a login"
		}
	}
	for _, vm := range a.VMs {
		if n := len(vm.Stages); n > 0 {
			last := vm.Stages[n-1]
			boots = fmt.Sprintf(" %s reached %q after %s.", vm.Name, last.Name, seconds(last.Seconds))
			break
		}
	}
	return verdict(a.Runtime.rows(), "Nothing was tested in a booted guest.",
		bad, ": the image keeps its promises") + boots
}
