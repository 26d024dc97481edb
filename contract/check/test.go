package check

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Test is a test under way that checks are shown by. Its methods are those of a
// *testing.T, but that the subtest of Run is a Test; Skip and Fatal end the
// goroutine that calls them.
type Test interface {
	Run(name string, f func(Test)) bool
	Parallel()
	Context() context.Context
	Deadline() (deadline time.Time, ok bool)
	Cleanup(func())
	Attr(name, value string)
	Output() io.Writer
	Log(args ...any)
	Skip(args ...any)
	Fatal(args ...any)
	Helper()
}

// Attach makes a an attribute of the test that has a table's checks.
func (a About) Attach(t Test) { attach(t, AboutAttr, a) }

// Run runs each check as a subtest of t named by its ID, and its finding is an
// attribute of that. Probes run side by side; selecting one also probes what it
// needs. What is absent or unknown fails where require says so.
func Run(t Test, checks []Check, require bool) {
	t.Helper()
	show(t, checks, require, true)
}

// RunInOrder is [Run], one after the other: a guest has only one state.
func RunInOrder(t Test, checks []Check, require bool) {
	t.Helper()
	show(t, checks, require, false)
}

func show(t Test, checks []Check, require, together bool) {
	t.Helper()
	table, err := NewTable(checks)
	if err != nil {
		t.Fatal(err)
	}
	// Subtests outlive this function when they are parallel, and t.Context
	// ends only after them.
	ctx := t.Context()
	selected := map[string]bool{} // has a subtest in this run
	for _, c := range checks {
		t.Run(c.ID, func(t Test) {
			selected[c.ID] = true
			if together {
				// Every selected probe is under way before the first is
				// awaited: -parallel (2 on a small runner) bounds the waiting
				// only.
				go table.Resolve(ctx, c.ID)
				t.Parallel()
			}
			f := table.Resolve(ctx, c.ID)
			attach(t, FindingAttr, f)
			ending := f.Outcome.Ending(require)
			if selected[f.Because] {
				// The check to blame fails where that is due; this one only
				// followed from it.
				ending = Skip
			}
			switch ending {
			case Pass:
				t.Log(f.Words())
			case Skip:
				t.Skip(f.Words())
			default:
				t.Fatal(f.Words())
			}
		})
	}
}

func attach(t Test, name string, value any) {
	if text, err := json.Marshal(value); err == nil {
		t.Attr(name, string(text))
	}
}
