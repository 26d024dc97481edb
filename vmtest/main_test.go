package vmtest

import (
	"context"
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bootaudit/internal/fakevm"
)

func TestMain(m *testing.M) { fakevm.Main(m) }

// every asks for what is too slow for each run of the tests.
var every = flag.Bool("every", false, "run more commands in noise, and boot more under Secure Boot")

// fakeMachine is a machine whose guest is g: with small disks, and as if there
// were KVM, so that nobody waits in the queue for CPUs.
func fakeMachine(t testing.TB, g *fakevm.Guest) Machine {
	t.Helper()
	iso, err := fakevm.Image()
	require.NoError(t, err)
	return Machine{
		Name: "fake", ISO: iso, Accelerator: "kvm", Network: true, Disks: []Disk{{MiB: 4}},
		FWCfg:         map[string]string{fakevm.File: g.Dir},
		ControlDevice: filepath.Join(g.Dir, "dev", "tty-control"),
	}
}

// fakeHarness keeps all that a session writes in a folder of g's.
func fakeHarness(t testing.TB, g *fakevm.Guest) *Harness {
	return &Harness{
		Cache: filepath.Join(g.Dir, "cache"), Artifacts: filepath.Join(g.Dir, "artifacts"),
		LoginTimeout: time.Minute, SpawnTimeout: 3 * time.Minute, Out: t.Output(),
	}
}

// fakeSession is a VM of g's that is held against the contract of pre-nixos.
// change, when not nil, changes what is to be booted first.
func fakeSession(t testing.TB, g *fakevm.Guest, h *Harness, change func(*Plan, *Machine)) *Session {
	t.Helper()
	machine := fakeMachine(t, g)
	plan := Plan{Name: "fake", Cost: time.Minute, Contract: g.Contract(), RootKey: g.Key}
	if change != nil {
		change(&plan, &machine)
	}
	plan.Machine = func(context.Context) (Machine, error) { return machine, nil }
	s := h.Session(plan)
	t.Cleanup(func() { s.Close(nil) })
	return s
}
