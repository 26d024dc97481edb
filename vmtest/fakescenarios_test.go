package vmtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bootaudit/prereq"
)

// look runs a scenario's checks, each after what it needs, and says what came of
// each.
func (g *fakeGuest) look(ctx context.Context, scenario Scenario) string {
	var b strings.Builder
	held := map[string]bool{}
	for _, c := range scenario.Checks {
		if slices.ContainsFunc(c.Needs, func(need string) bool { return !held[need] }) {
			fmt.Fprintf(&b, "%s/%s: not tried\n", scenario.Name, c.ID)
			continue
		}
		r := c.Probe(ctx)
		held[c.ID] = r.Outcome == prereq.Holds
		fmt.Fprintf(&b, "%s/%s: %s: %s\n", scenario.Name, c.ID, r.Outcome, g.plain(r.Detail))
	}
	return b.String()
}

// TestScenariosOnAFake takes every scenario through its checks, those that share
// a VM one after the other, the VMs side by side.
func TestScenariosOnAFake(t *testing.T) {
	beside(t)
	groups := [][]string{
		{"clean-disk", "network", "announcement"}, {"no-root-key"}, {"existing-storage"}, {"uefi"},
		{"detection-error"}, {"failed-provisioning"}, {"applied-without-effect"}, {"residue"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	said := make([]string, len(groups))
	var work sync.WaitGroup
	for i, names := range groups {
		g := newFakeGuest(t, toShell)
		suite := g.suite(g.config())
		t.Cleanup(suite.Close)
		work.Go(func() {
			for _, scenario := range suite.Scenarios {
				if slices.Contains(names, scenario.Name) {
					said[i] += g.look(ctx, scenario)
					suite.End(scenario, nil)
				}
			}
		})
	}
	work.Wait()
	golden(t, "scenarios.txt", strings.Join(said, ""))
}
