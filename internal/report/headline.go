package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// headline is the verdict in words, with the cause's place: the first line of
// every report.
func headline(a *Audit) string {
	failed := a.Failed()
	if len(failed) == 0 {
		return passed(a)
	}
	f := failed[0]
	if f.row == nil {
		return "Failed: " + f.What
	}
	return lead(a, f.row) + ": " + sentence(f.row)
}

// passed is the verdict where nothing fails. It says no more than was seen.
func passed(a *Audit) string {
	rows := a.rows()
	if len(a.Partial) > 0 {
		return "Could not be told: " + a.Partial[0]
	}
	held, open := len(with(rows, check.Holds)), 0
	for _, row := range rows {
		if row.Outcome == check.Unknown || row.Outcome == check.Absent {
			open++
		}
	}
	var words string
	switch boots := bootWords(a); {
	case held == 0 && open == 0:
		return "Passed: " + plural(a.Passed, "test")
	case boots != "":
		words = "Passed: " + boots + ", and " + conditions(held)
	case len(a.Image.Groups) > 0:
		words = "Passed, without a boot: " + conditions(held)
	default:
		words = "Passed, of the host alone: " + conditions(held)
	}
	if open > 0 {
		words += fmt.Sprintf("; %d could not be told, and %s not required", open, verb(open))
	}
	if n := len(with(rows, check.Risk)); n > 0 {
		words += "; " + plural(n, "risk") + " to know of"
	}
	return words
}

func conditions(n int) string {
	if n == 1 {
		return "the one condition that was tested holds"
	}
	return fmt.Sprintf("all %d conditions that were tested hold", n)
}

func verb(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// bootWords tells how far the first VM came.
func bootWords(a *Audit) string {
	for _, vm := range a.VMs {
		if len(vm.Stages) == 0 {
			continue
		}
		under := ""
		if vm.Accelerator != "" {
			under = " under " + strings.ToUpper(vm.Accelerator)
		}
		for _, want := range []struct{ timing, words string }{{"boot to root", "boots to a root shell in "}, {"boot to login", "boots to a login in "}} {
			for _, t := range vm.Timings {
				if t.Name == want.timing {
					return want.words + seconds(t.Seconds) + under
				}
			}
		}
		last := vm.Stages[len(vm.Stages)-1]
		return fmt.Sprintf("boots to the stage %s in %s%s", last.Name, seconds(last.Seconds), under)
	}
	return ""
}

// lead is what a cause comes to, in words. It calls a boot failed only where one
// was seen to fail.
func lead(a *Audit, row *Row) string {
	seen := row
	_, failed := folded(a.rows(), row)
	for _, other := range failed {
		if other.Section == check.SectionRuntime && other.Outcome == check.Broken {
			seen = other
			break
		}
	}
	// A boot may go on unheard, and come to its login all the same.
	login := slices.ContainsFunc(a.VMs, func(vm Boot) bool {
		return vm.LoggedIn() && vm.on == seen.On && slices.Contains(vm.tests, seen.test)
	})
	tried := slices.ContainsFunc(a.VMs, func(vm Boot) bool { return len(vm.Stages) > 0 })
	switch {
	case row.Outcome == check.Unknown:
		return "Could not be told"
	case seen.Section == check.SectionRuntime:
		switch step := slices.Index(steps, seen.Step); {
		case step == 0:
			return "QEMU does not start it"
		case seen.Step == "login":
			return "Boots, and does not log in as promised"
		case seen.Step == "root":
			return "Boots to a login, and nobody becomes root"
		case step > slices.Index(steps, "root"), step < 0 && seen.Step != booted:
			return "Boots, and does not keep a promise"
		}
		if login {
			return "Boots to a login, and not all of it is heard"
		}
		return "Does not boot"
	case row.Section == check.SectionHost && !tried:
		return "Not tried, for this host is not ready"
	case row.Section == check.SectionHost:
		return "The host is not ready"
	case tried:
		return "Boots, and the image is not what was promised"
	}
	return "Not booted, for the image is not what was promised"
}

var (
	// place is a file's line, as checks write it at the beginning of what they saw.
	place  = regexp.MustCompile(`^([^\s:"]+:[0-9]+): (.+)$`)
	places = regexp.MustCompile(`(?m)^([^\s:"]+:[0-9]+)(?::|$)`)
)

// first is a cause without others of its kind, and without what was seen besides:
// all of it stands below.
func first(words string) string {
	var kept []string
	for i, part := range strings.Split(words, "; ") {
		other := place.MatchString(part) || tripID(part) != "" || strings.HasPrefix(part, "the console had shown ")
		if i == 0 || !other && len(kept) < 3 {
			kept = append(kept, part)
			continue
		}
		break
	}
	return strings.Join(kept, "; ")
}

// sentence is a cause in words, with its place last.
func sentence(row *Row) string {
	words, where := cmp.Or(row.Cause, row.Detail), ""
	if m := place.FindStringSubmatch(words); m != nil {
		where, words = m[1], m[2]
		said, rest, _ := strings.Cut(words, "; ")
		for part := range strings.SplitSeq(rest, "; ") { // the same of other places
			if m := place.FindStringSubmatch(part); m != nil && m[2] == said && len(where) < 120 {
				where += " and " + m[1]
			}
		}
	} else if found := places.FindAllStringSubmatch(row.Evidence, 2); len(found) == 1 {
		where = found[0][1]
	}
	words = first(words)
	if id := tripID(words); id != "" {
		words = strings.TrimPrefix(words, id+": ")
		if before, _, is := strings.Cut(words, " (stage reached: "); is {
			words = before
		}
		words += " (" + id + ")"
	}
	words = strings.TrimSuffix(cleanLine(words, 240), ".")
	if where != "" {
		words += ", " + where
	}
	return cmp.Or(words, row.Condition)
}
