package vmtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/iso"
)

// What a VM leaves behind when it ends.
func TestEndingOnAFake(t *testing.T) {
	beside(t)
	g := newFakeGuest(t, toShell)
	cfg := g.config()
	cfg.LedgerPath = config.Path(filepath.Join(g.dir, "ledger.jsonl"))
	suite := g.suite(cfg)
	defer suite.Close()
	took := 90 * time.Second
	suite.fleet.subject.Built = func() iso.Build { return iso.Build{StorePath: "/nix/store/x", Took: took} }
	s := suite.fleet.cleanVM()
	// In the queue for the CPUs, as an emulated machine.
	s.template.Accelerator, s.template.CPUs = "tcg", 1
	s.template.Disks = append(s.template.Disks, Disk{MiB: 1})
	require.Equal(t, check.Holds, s.booted(t.Context()).Outcome)
	folder := s.record.folder
	assert.Equal(t, s.vm.Started, s.started0(), "all times are from one moment")
	assert.FileExists(t, filepath.Join(folder, "disk-0.raw"))
	locks, err := filepath.Glob(filepath.Join(string(cfg.CacheDir), "cpus", "*.lock"))
	require.NoError(t, err)
	assert.NotEmpty(t, locks)

	var attributes []string
	suite.End(suite.Scenarios[0], nil)
	suite.End(suite.Scenarios[1], nil)
	assert.NoError(t, s.vm.alive.Err(), "a scenario of this VM is not over")
	suite.End(suite.Scenarios[2], func(name, value string) { attributes = append(attributes, name+" "+value) })
	suite.End(suite.Scenarios[2], func(string, string) { t.Error("it has ended") })
	suite.EndAlone()
	assert.Error(t, s.vm.alive.Err())

	var meta metadata
	text, err := os.ReadFile(filepath.Join(folder, metadataFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &meta))
	assert.Equal(t, "passed", meta.Outcome)
	assert.Equal(t, "exit status 0", meta.Ending)
	assert.Equal(t, "/nix/store/x", meta.Artifact.StorePath)
	assert.Equal(t, g.key.Fingerprint, meta.Artifact.Fingerprint)
	assert.Equal(t, took.Seconds(), *meta.Timings.Build)
	assert.Equal(t, s.vm.SSHPort, meta.SSH.Port)
	assert.Len(t, meta.QEMU.ExtraDisks, 1)
	var stages []string
	for i, stage := range meta.Stages {
		stages = append(stages, stage.Stage)
		assert.True(t, i == 0 || stage.Seconds >= meta.Stages[i-1].Seconds)
	}
	assert.Equal(t, "firmware bootloader menu kernel-load initrd init login shell", strings.Join(stages, " "))
	assert.LessOrEqual(t, *meta.Timings.Login, *meta.Timings.Root)
	assert.LessOrEqual(t, *meta.Timings.Root, *meta.Timings.Total)

	for name, want := range map[string]string{
		screenFile: "root@nixos:~#", transcriptFile: "(automatic login)", castFile: `"m", "shell"`, commandFile: "qemu-system-x86_64",
		harnessFile: "stage shell: ",
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, name)
		assert.Contains(t, strings.ReplaceAll(string(text), `"m","`, `"m", "`), want, name)
	}
	assert.NoFileExists(t, filepath.Join(folder, "disk-0.raw"), "large, and what it showed is in the record")
	assert.NoDirExists(t, s.vm.Machine.Sockets)
	require.Len(t, attributes, 1)
	var attribute vmAttribute
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(attributes[0], "vm ")), &attribute))
	assert.Equal(t, vmAttribute{"clean-disk", folder, meta.QEMU.Command, "99.0.1 (fake)", "tcg", meta.Timings, meta.Stages, "passed"}, attribute)
	ledger := g.get("ledger.jsonl")
	assert.Equal(t, 1, strings.Count(ledger, "\n"))
	assert.Contains(t, ledger, `"outcome":"passed"`)
}

// A VM that never came to be has a record that says so, and keeps it.
func TestEndingWithoutAVM(t *testing.T) {
	beside(t)
	g := newFakeGuest(t, toShell)
	cfg := g.config()
	cfg.Artifacts, cfg.LogRoot = "", config.Path(filepath.Join(g.dir, "runs"))
	s := g.session(cfg)
	s.template.Disks = []Disk{{Base: "/nowhere/x.raw"}}
	r := s.booted(t.Context())
	assert.Equal(t, check.Broken, r.Outcome)
	assert.Contains(t, r.Detail, "disk 0: open /nowhere/x.raw: no such file")
	s.close(nil)
	s.close(nil)
	assert.Equal(t, "error", s.record.now().Outcome)
	runs, err := filepath.Glob(filepath.Join(g.dir, "runs", "*-vm-run", "logs", metadataFile))
	require.NoError(t, err)
	assert.Len(t, runs, 1)
	assert.Contains(t, g.get("runs/vm-run-ledger.jsonl"), `"outcome":"error"`)
}
