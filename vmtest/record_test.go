package vmtest

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecord(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "vm")
	r := newRecord(folder, func(w string) { t.Error(w) })
	r.say("first\nsecond \x1b[31mred")
	r.update(func(m *metadata) {
		m.Name = "clean-disk"
		m.QEMU = qemuData{Command: []string{"qemu", "-S"}, DiskImage: "/d.raw", ExtraDisks: []string{"/e.raw"}, Version: "7.2"}
		m.SSH = sshData{Host: "127.0.0.1", Port: 2222}
		m.Timings.Start = "2026-01-02T03:04:05Z"
	})
	r.timed(time.Now().Add(-1500*time.Millisecond), func(t *timings) **float64 { return &t.Login })
	one := r.diagnose("journal of ../../etc/passwd.service", "log", []byte("x"))
	two := r.diagnose("\x1b[31m", "txt", []byte("y"))
	assert.Equal(t, filepath.Join(folder, "diagnostics", "journal-of-etc-passwd-service-01.log"), one)
	assert.Equal(t, filepath.Join(folder, "diagnostics", "31m-02.txt"), two)
	r.close()
	r.say("after the end: nothing, and no panic")

	text, err := os.ReadFile(filepath.Join(folder, harnessFile))
	require.NoError(t, err)
	assert.Regexp(t, `^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z\] first\n    second \x{FFFD}\[31mred\n$`, string(text))

	text, err = os.ReadFile(filepath.Join(folder, metadataFile))
	require.NoError(t, err)
	var meta struct {
		Timings struct {
			Login float64 `json:"boot_to_login_seconds"`
		}
		Diagnostics struct {
			Artifacts []struct{ Label, Path string }
		}
		QEMU struct{ Command []string }
	}
	require.NoError(t, json.Unmarshal(text, &meta))
	assert.InDelta(t, 1.5, meta.Timings.Login, 0.5)
	assert.Len(t, meta.Diagnostics.Artifacts, 2)
	assert.Less(t, strings.Index(string(text), `"artifact"`), strings.Index(string(text), `"generated_at"`), "keys are sorted")
}

func TestLedger(t *testing.T) {
	r := newRecord(t.TempDir(), func(w string) { t.Error(w) })
	defer r.close()
	total := 4000.0
	r.update(func(m *metadata) { m.Outcome, m.Timings.Total = "failed", &total })
	file := filepath.Join(t.TempDir(), "notes", "vm-run-ledger.jsonl")
	r.ledger(file, []string{"-test.v"}, ledgerTimeouts{900, 300})
	r.ledger(file, nil, ledgerTimeouts{900, 300})
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var lines int
	for scanner := bufio.NewScanner(f); scanner.Scan(); lines++ {
		var line map[string]any
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		for _, key := range []string{"timestamp", "metadata", "harness_log", "serial_log", "ssh", "qemu", "pytest_args",
			"timeouts", "outcome", "timings", "session_ceiling_exceeded"} {
			assert.Contains(t, line, key)
		}
		assert.NotContains(t, line, "diagnostics")
		assert.Equal(t, true, line["session_ceiling_exceeded"])
		assert.Equal(t, 900.0, line["timeouts"].(map[string]any)["spawn_seconds"])
	}
	assert.Equal(t, 2, lines)
}

// A record that cannot be written warns and goes on.
func TestRecordCannotBeWritten(t *testing.T) {
	var warnings []string
	r := newRecord("/dev/null/vm", func(w string) { warnings = append(warnings, w) })
	r.say("x")
	r.update(func(*metadata) {})
	r.flush() // warnings come from one goroutine at a time
	r.diagnose("x", "log", nil)
	r.ledger("/dev/null/ledger", nil, ledgerTimeouts{})
	r.close()
	assert.Len(t, warnings, 5)
	assert.Contains(t, warnings[0], "the VM's record is not whole: ")
}

func TestRunFolder(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, want := range []string{"audit/clean-disk", "audit/clean-disk-2"} {
		folder, temporary, err := runFolder(filepath.Join(dir, "audit"), "ignored", "clean-disk", now)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, want), folder)
		assert.False(t, temporary)
	}
	for _, want := range []string{"notes/2026-01-02T030405Z-vm-run/logs", "notes/2026-01-02T030405Z-2-vm-run/logs"} {
		folder, _, err := runFolder("", filepath.Join(dir, "notes"), "clean-disk", now)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, want), folder)
	}
	folder, temporary, err := runFolder("", "", "clean-disk", now)
	require.NoError(t, err)
	assert.True(t, temporary)
	assert.NoError(t, os.Remove(folder))
	_, _, err = runFolder("/dev/null/x", "", "clean-disk", now)
	assert.ErrorContains(t, err, "no folder for the files of VM clean-disk")
}
