package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestRecord(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "vm")
	r := New(folder, func(w string) { t.Error(w) })
	r.Say("first\nsecond \x1b[31mred")
	r.Update(func(m *Metadata) {
		m.Name = "clean-disk"
		m.QEMU = QEMU{Command: []string{"qemu", "-S"}, DiskImage: "/d.raw", ExtraDisks: []string{"/e.raw"}, Version: "7.2"}
		m.SSH = SSH{Host: "127.0.0.1", Port: 2222}
		m.Timings.Start = "2026-01-02T03:04:05Z"
	})
	r.Timed(time.Now().Add(-1500*time.Millisecond), "login")
	one := r.Save("journal of ../../etc/passwd.service", "log", []byte("x"))
	two := r.Save("\x1b[31m", "txt", []byte("y"))
	assert.Equal(t, filepath.Join(folder, "diagnostics", "journal-of-etc-passwd-service-01.log"), one)
	assert.Equal(t, filepath.Join(folder, "diagnostics", "31m-02.txt"), two)
	r.Close()
	r.Say("after the end: nothing, and no panic")

	text, err := os.ReadFile(filepath.Join(folder, HarnessFile))
	require.NoError(t, err)
	assert.Regexp(t, `^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z\] first\n    second red\n$`, string(text))

	text, err = os.ReadFile(filepath.Join(folder, MetadataFile))
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
	r := New(t.TempDir(), func(w string) { t.Error(w) })
	defer r.Close()
	total := 4000.0
	r.Update(func(m *Metadata) { m.Outcome, m.Timings.Total = "failed", &total })
	file := filepath.Join(t.TempDir(), "notes", "vm-run-ledger.jsonl")
	r.Ledger(file, []string{"-test.v"}, Limits{900, 300})
	r.Ledger(file, nil, Limits{900, 300})
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
	r := New("/dev/null/vm", func(w string) { warnings = append(warnings, w) })
	r.Say("x")
	r.Update(func(*Metadata) {})
	r.Flush() // warnings come from one goroutine at a time
	r.Save("x", "log", nil)
	r.Ledger("/dev/null/ledger", nil, Limits{})
	r.Close()
	assert.Len(t, warnings, 5)
	assert.Contains(t, warnings[0], "the VM's record is not whole: ")
}

func TestRunFolder(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, want := range []string{"audit/clean-disk", "audit/clean-disk-2"} {
		folder, temporary, err := Folder(filepath.Join(dir, "audit"), "ignored", "clean-disk", now)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, want), folder)
		assert.False(t, temporary)
	}
	for _, want := range []string{"notes/2026-01-02T030405Z-vm-run/logs", "notes/2026-01-02T030405Z-2-vm-run/logs"} {
		folder, _, err := Folder("", filepath.Join(dir, "notes"), "clean-disk", now)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, want), folder)
	}
	folder, temporary, err := Folder("", "", "clean-disk", now)
	require.NoError(t, err)
	assert.True(t, temporary)
	assert.NoError(t, os.Remove(folder))
	_, _, err = Folder("/dev/null/x", "", "clean-disk", now)
	assert.ErrorContains(t, err, "no folder for the files of VM clean-disk")
}

// stuckLog makes the harness's log in folder a pipe that is full and nobody
// reads, as a disk is that has stopped to answer.
func stuckLog(t *testing.T, folder string) (drain func(end string) string) {
	t.Helper()
	file := filepath.Join(folder, HarnessFile)
	require.NoError(t, unix.Mkfifo(file, 0o644))
	pipe, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { pipe.Close() })
	size, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	require.NoError(t, err)
	_, err = pipe.Write(make([]byte, size))
	require.NoError(t, err)
	return func(end string) string {
		require.NoError(t, unix.SetNonblock(int(pipe.Fd()), false))
		_, err := io.ReadFull(pipe, make([]byte, size))
		require.NoError(t, err)
		text := ""
		for buf := make([]byte, 4096); !strings.HasSuffix(text, end); {
			n, err := pipe.Read(buf)
			require.NoError(t, err)
			text += string(buf[:n])
		}
		return text
	}
}

// The console's pump does not wait for a disk: it says what it saw, in order, and
// all of it is written once the disk answers.
func TestSlowDiskDoesNotHoldUpTheConsole(t *testing.T) {
	folder := t.TempDir()
	drain := stuckLog(t, folder)
	told := []string{}
	r := New(folder, func(text string) { told = append(told, text) })
	var want []string
	seen := make(chan bool)
	go func() { // the pump
		defer close(seen)
		for i := range 100 {
			r.Pass("a stage")
			r.Update(func(m *Metadata) { m.Stages = append(m.Stages, Stage{"login", 1}) })
			r.Say("stage login: line %d", i)
		}
	}()
	select {
	case <-seen:
	case <-time.After(time.Minute):
		t.Fatal("the console's pump waits for the disk")
	}
	for i := range 100 {
		want = append(want, fmt.Sprintf("stage login: line %d", i))
	}
	go func() {
		r.Say("the end")
		r.Close()
	}()
	var got []string
	for line := range strings.Lines(drain("the end\n")) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), "] ")
		got = append(got, words)
	}
	assert.Equal(t, append(want, "the end"), got)
	<-r.done
	assert.Len(t, told, 100, "and whoever watches is told")
	text, err := os.ReadFile(filepath.Join(folder, MetadataFile))
	require.NoError(t, err)
	var meta Metadata
	require.NoError(t, json.Unmarshal(text, &meta))
	assert.Len(t, meta.Stages, 100)
}

// What waits for a slow disk is bounded, and what there is no room for counted.
func TestRecordIsBounded(t *testing.T) {
	folder := t.TempDir()
	drain := stuckLog(t, folder)
	told := 0
	r := New(folder, func(string) { told++ })
	r.Say("the first")
	for range 4 {
		r.Say("%s", strings.Repeat("x", maxWaiting/3))
		for range maxTold {
			r.Pass("x")
		}
	}
	r.mu.Lock()
	waiting, lost := len(r.lines), r.lost
	r.mu.Unlock()
	assert.LessOrEqual(t, waiting, maxWaiting)
	assert.Positive(t, lost)
	go r.Close()
	text := drain("to be written]\n")
	assert.Contains(t, text, "the first")
	assert.Contains(t, text, fmt.Sprintf("[%d lines came too fast to be written]", lost))
	<-r.done
	assert.LessOrEqual(t, told, 2*maxTold)
}
