package scenario

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/fakevm"
)

// lookAt runs a scenario's checks, each after what it needs, and says what came of
// each.
func lookAt(ctx context.Context, g *fakevm.Guest, scenario Scenario) string {
	var b strings.Builder
	table, err := check.NewTable(scenario.Checks)
	if err != nil {
		return err.Error()
	}
	for _, c := range scenario.Checks {
		f := table.Resolve(ctx, c.ID)
		fmt.Fprintf(&b, "%s/%s: %s: %s\n", scenario.Name, c.ID, f.Outcome, g.Plain(f.Detail))
	}
	return b.String()
}

// TestScenariosOnAFake takes every scenario through its checks, those that share
// a VM one after the other, the VMs side by side.
func TestScenariosOnAFake(t *testing.T) {
	fakevm.Beside(t)
	groups := [][]string{
		{"clean-disk", "network", "announcement"}, {"no-root-key"}, {"existing-storage"}, {"uefi"},
		{"detection-error"}, {"failed-provisioning"}, {"applied-without-effect"}, {"residue"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	said := make([]string, len(groups))
	var work sync.WaitGroup
	for i, names := range groups {
		g := fakevm.New(t, fakevm.ToShell)
		suite := fakeSuite(t, g)
		t.Cleanup(suite.Close)
		work.Go(func() {
			for _, scenario := range suite.Scenarios {
				if slices.Contains(names, scenario.Name) {
					said[i] += lookAt(ctx, g, scenario)
					suite.End(scenario, nil)
				}
			}
		})
	}
	work.Wait()
	golden(t, "scenarios.txt", strings.Join(said, ""))
}

// A clean-up that cleans nothing is found out in the guest and on its disks.
func TestResidueThatStays(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	g.Set("cleans-nothing", "")
	suite := fakeSuite(t, g)
	defer suite.Close()
	for _, scenario := range suite.Scenarios {
		if scenario.Name == "residue" {
			said := lookAt(t.Context(), g, scenario)
			assert.Contains(t, said, "residue/forced-cleanup: holds: the status is plan-only/existing-storage-force-cleanup\n")
			assert.Contains(t, said, "residue/nothing-left: broken: left over: array vg_residue lv_residue\n")
			assert.Contains(t, said, "residue/marker-gone: broken: disk 1 still has it at byte 1048576\n")
		}
	}
}

// What the image or its contract has no use for is not booted.
func TestScenariosThatAreNotNeeded(t *testing.T) {
	g := fakevm.New(t, fakevm.ToShell)
	plain := smalliso.Debian()
	plain.RootFile, plain.NoBoot = "", true
	image := filepath.Join(t.TempDir(), "no-boot.iso")
	require.NoError(t, plain.Write(image))
	subject := fakeSubject(g)
	subject.ISO = func(context.Context) (string, error) { return image, nil }
	subject.FaultAtBoot = ""
	debian := subject
	debian.Contract = contract.DebianLive()
	for name, row := range map[string]struct {
		subject Subject
		says    map[string]string
	}{
		"pre-nixos": {subject, map[string]string{
			"uefi": "the image has no UEFI boot entry", "detection-error": "the image has no knob for this fault",
			"applied-without-effect": "the image has no knob for this fault",
		}},
		"debian-live": {debian, map[string]string{
			"no-root-key": `the contract makes nothing depend on a root key`, "residue": `the contract promises no forced clean-up`,
			"failed-provisioning": `the contract promises nothing about disks`,
		}},
	} {
		suite := NewSuite(row.subject, fakeHarness(t, g))
		for _, scenario := range suite.Scenarios {
			if want := row.says[scenario.Name]; want != "" {
				r := alone(t, scenario.Checks[0])
				assert.Equal(t, check.NotNeeded, r.Outcome, name)
				assert.Equal(t, want, r.Detail, scenario.Name)
			}
		}
		suite.Close()
	}
	// A key in the image makes the scenario without one needless.
	keyed := NewSuite(fakeSubject(g), fakeHarness(t, g))
	s := keyed.fleet.sessions["no-root-key"]
	s.keyed = true
	assert.Equal(t, "the image has a root key embedded", s.unneeded())
	assert.Zero(t, g.Get("calls"), "no guest ran")
}
