package prereq

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bootaudit/internal/config"
	"bootaudit/internal/plain"
)

// FindingAttr is the test attribute that carries a [Finding] as JSON.
const FindingAttr = "finding"

// Run runs each check as a subtest of t named by its ID. Probes run side by
// side; selecting one with -run also probes what it needs.
func Run(t *testing.T, checks []Check) {
	t.Helper()
	run(t, checks, true)
}

// RunInOrder is [Run], one check after the other: a guest has only one state.
func RunInOrder(t *testing.T, checks []Check) {
	t.Helper()
	run(t, checks, false)
}

func run(t *testing.T, checks []Check, together bool) {
	t.Helper()
	all, err := newTable(checks)
	if err != nil {
		t.Fatal(err)
	}
	tellAbout(t)
	// Subtests outlive this function when they are parallel, and t.Context
	// ends only after them.
	ctx := t.Context()
	for _, c := range checks {
		t.Run(c.ID, func(t *testing.T) {
			e := all[c.ID]
			e.selected = true
			if together {
				// Every selected probe is under way before the first is
				// awaited: -parallel (2 on a small runner) bounds the waiting
				// only.
				go all.resolve(ctx, c.ID)
				t.Parallel()
			}
			f := all.resolve(ctx, c.ID)
			if f.because != nil && f.because.selected {
				// The check to blame fails where that is due; this one only
				// followed from it.
				attach(t, f.Finding)
				t.Skip(f.words())
			}
			Report(t, f.Finding)
		})
	}
}

// Report records f as an attribute of t and ends t as f's outcome demands:
// holds passes, broken fails, absent and unknown skip (and fail when
// BOOT_IMAGE_REQUIRE is set), not needed skips.
func Report(t *testing.T, f Finding) {
	t.Helper()
	attach(t, f)
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	switch words := f.words(); f.Outcome {
	case Holds:
		t.Log(words)
	case Broken:
		t.Fatal(words)
	case NotNeeded:
		t.Skip(words)
	default:
		if cfg.Require {
			t.Fatal(words)
		}
		t.Skip(words)
	}
}

func attach(t *testing.T, f Finding) {
	if text, err := json.Marshal(f); err == nil {
		t.Attr(FindingAttr, string(text))
	}
}

// words is the finding as a person reads it under go test.
func (f Finding) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", f.Outcome, f.Condition, f.Detail)
	if f.Remedy != "" && f.Outcome != NotNeeded {
		fmt.Fprintf(&b, "\nremedy: %s", f.Remedy)
	}
	if f.Risk != "" {
		fmt.Fprintf(&b, "\nrisk: %s", f.Risk)
	}
	if f.FollowUp != "" {
		fmt.Fprintf(&b, "\nfollow-up: %s", f.FollowUp)
	}
	if f.Evidence != "" && f.Outcome != Holds && f.Outcome != NotNeeded {
		fmt.Fprintf(&b, "\nevidence:\n%s", indent(excerpt(f.Evidence, shownLines)))
	}
	return plain.Text(b.String())
}

// shownLines is how much of a finding's evidence a terminal gets, in lines; the
// report has all of it.
const shownLines = 24

// excerpt is the beginning and the end of a text of more than most lines.
func excerpt(s string, most int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) <= most {
		return s
	}
	cut := fmt.Sprintf("[... %d lines, which the finding has ...]", len(lines)-most)
	return strings.Join(slices.Concat(lines[:most/2], []string{cut}, lines[len(lines)-most/2:]), "\n")
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
