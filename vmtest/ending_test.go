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
	"bootaudit/internal/fakevm"
	"bootaudit/internal/record"
)

// What a VM leaves behind when it ends.
func TestEndingOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	h := fakeHarness(t, g)
	h.Ledger = filepath.Join(g.Dir, "ledger.jsonl")
	took := 90 * time.Second
	s := fakeSession(t, g, h, func(p *Plan, m *Machine) {
		p.Provenance = func() Provenance { return Provenance{StorePath: "/nix/store/x", Took: took} }
		// In the queue for the CPUs, as an emulated machine.
		m.Accelerator, m.CPUs = "tcg", 1
		m.Disks = append(m.Disks, Disk{MiB: 1})
	})
	require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
	folder := s.record.Path("")
	assert.Equal(t, s.vm.Started, s.started0(), "all times are from one moment")
	assert.FileExists(t, filepath.Join(folder, "disk-0.raw"))
	locks, err := filepath.Glob(filepath.Join(h.Cache, "cpus", "*.lock"))
	require.NoError(t, err)
	assert.NotEmpty(t, locks)

	var attributes []string
	s.Close(func(name, value string) { attributes = append(attributes, name+" "+value) })
	s.Close(func(string, string) { t.Error("it has ended") })
	assert.Error(t, s.vm.alive.Err())

	var meta record.Metadata
	text, err := os.ReadFile(filepath.Join(folder, record.MetadataFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &meta))
	assert.Equal(t, "passed", meta.Outcome)
	assert.Equal(t, "exit status 0", meta.Ending)
	assert.Equal(t, "/nix/store/x", meta.Artifact.StorePath)
	assert.Equal(t, g.Key.Fingerprint, meta.Artifact.Fingerprint)
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
		record.ScreenFile: "root@nixos:~#", record.TranscriptFile: "(automatic login)", record.CastFile: `"m", "shell"`, commandFile: "qemu-system-x86_64",
		record.HarnessFile: "stage shell: ",
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, name)
		assert.Contains(t, strings.ReplaceAll(string(text), `"m","`, `"m", "`), want, name)
	}
	assert.NoFileExists(t, filepath.Join(folder, "disk-0.raw"), "large, and what it showed is in the record")
	assert.NoDirExists(t, s.vm.Machine.Sockets)
	require.Len(t, attributes, 1)
	var attribute record.VM
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(attributes[0], "vm ")), &attribute))
	assert.Equal(t, record.VM{
		Name: "fake", Folder: folder, CommandLine: meta.QEMU.Command, QEMUVersion: "99.0.1 (fake)", Accelerator: "tcg",
		Timings: meta.Timings, Stages: meta.Stages, Outcome: "passed",
	}, attribute)
	ledger := g.Get("ledger.jsonl")
	assert.Equal(t, 1, strings.Count(ledger, "\n"))
	assert.Contains(t, ledger, `"outcome":"passed"`)
}

// A VM that never came to be has a record that says so, and keeps it.
func TestEndingWithoutAVM(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	h := fakeHarness(t, g)
	h.Artifacts, h.LogRoot = "", filepath.Join(g.Dir, "runs")
	s := fakeSession(t, g, h, func(_ *Plan, m *Machine) { m.Disks = []Disk{{Base: "/nowhere/x.raw"}} })
	r := s.Booted(t.Context())
	assert.Equal(t, check.Broken, r.Outcome)
	assert.Contains(t, r.Detail, "disk 0: open /nowhere/x.raw: no such file")
	s.Close(nil)
	s.Close(nil)
	assert.Equal(t, "error", s.record.Now().Outcome)
	runs, err := filepath.Glob(filepath.Join(g.Dir, "runs", "*-vm-run", "logs", record.MetadataFile))
	require.NoError(t, err)
	assert.Len(t, runs, 1)
	assert.Contains(t, g.Get("runs/vm-run-ledger.jsonl"), `"outcome":"error"`)
}
