// Package checktest shows tables of checks to go test: each check is a subtest
// named by its ID, and its finding an attribute of it.
package checktest

import (
	"encoding/json"
	"testing"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
)

// Run runs each check as a subtest of t named by its ID. Probes run side by
// side; selecting one with -run also probes what it needs.
func Run(t *testing.T, checks []check.Check) {
	t.Helper()
	run(t, checks, true)
}

// RunInOrder is [Run], one check after the other: a guest has only one state.
func RunInOrder(t *testing.T, checks []check.Check) {
	t.Helper()
	run(t, checks, false)
}

func run(t *testing.T, checks []check.Check, together bool) {
	t.Helper()
	table, err := check.NewTable(checks)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	attach(t, check.AboutAttr, about())
	// Subtests outlive this function when they are parallel, and t.Context
	// ends only after them.
	ctx := t.Context()
	selected := map[string]bool{} // has a subtest in this run
	for _, c := range checks {
		t.Run(c.ID, func(t *testing.T) {
			selected[c.ID] = true
			if together {
				// Every selected probe is under way before the first is
				// awaited: -parallel (2 on a small runner) bounds the waiting
				// only.
				go table.Resolve(ctx, c.ID)
				t.Parallel()
			}
			f := table.Resolve(ctx, c.ID)
			attach(t, check.FindingAttr, f)
			ending := f.Outcome.Ending(cfg.Require)
			if selected[f.Because] {
				// The check to blame fails where that is due; this one only
				// followed from it.
				ending = check.Skip
			}
			switch ending {
			case check.Pass:
				t.Log(f.Words())
			case check.Skip:
				t.Skip(f.Words())
			default:
				t.Fatal(f.Words())
			}
		})
	}
}

func attach(t *testing.T, name string, value any) {
	if text, err := json.Marshal(value); err == nil {
		t.Attr(name, string(text))
	}
}
