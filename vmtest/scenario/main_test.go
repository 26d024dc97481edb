package scenario

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/fakevm"
	"bootaudit/vmtest"
)

func TestMain(m *testing.M) { fakevm.Main(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with the file of that name in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "if it should have changed: go test ./vmtest/scenario -short -run %s -update", t.Name())
}

// withoutImage is what the environment says, where it names no image: a boot of
// an image of ours is no part of another's audit.
func withoutImage(t *testing.T) config.Config {
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Target().Kind != contract.KindStandIn {
		t.Skip("another image is audited")
	}
	return cfg
}

// fakeHarness keeps all that a session writes in a folder of g's.
func fakeHarness(t testing.TB, g *fakevm.Guest) *vmtest.Harness {
	return &vmtest.Harness{
		Cache: filepath.Join(g.Dir, "cache"), Artifacts: filepath.Join(g.Dir, "artifacts"),
		LoginTimeout: time.Minute, SpawnTimeout: 3 * time.Minute, Out: t.Output(),
	}
}

func fakeSubject(g *fakevm.Guest) Subject {
	return Subject{
		Contract: g.Contract(), ISO: func(context.Context) (string, error) { return fakevm.Image() }, RootKey: g.Key,
		KeyAtBoot: fixtures.RootKeyFile, FaultAtBoot: fixtures.FaultFile,
	}
}

// fakeSuite are the scenarios for a fake guest. Only those of one VM are of use:
// there is one guest.
func fakeSuite(t testing.TB, g *fakevm.Guest) *Suite {
	suite := NewSuite(fakeSubject(g), fakeHarness(t, g))
	for _, s := range suite.fleet.order {
		inhabit(g, s)
	}
	return suite
}

// fakeSession is that of clean-disk.
func fakeSession(t testing.TB, g *fakevm.Guest) *session {
	s := fakeSuite(t, g).fleet.cleanVM()
	t.Cleanup(func() { s.Close(nil) })
	return s
}

// inhabit makes g the guest of s's VM, with small disks. For a machine with KVM
// nobody waits in the queue for CPUs.
func inhabit(g *fakevm.Guest, s *session) {
	s.template.FWCfg = map[string]string{fakevm.File: g.Dir}
	s.template.Accelerator = "kvm"
	for i := range s.template.Disks {
		s.template.Disks[i].MiB = 4
	}
	if s.template.Firmware == vmtest.UEFI {
		s.template.Code, s.template.Vars = filepath.Join(g.Dir, "init"), filepath.Join(g.Dir, "init") // any file
	}
	s.template.ControlDevice = filepath.Join(g.Dir, "dev", "tty-control")
}
