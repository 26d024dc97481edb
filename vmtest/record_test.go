package vmtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bootaudit/internal/config"
	"bootaudit/serial/watch"
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
	assert.Regexp(t, `^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z\] first\n    second red\n$`, string(text))

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

// stuckLog makes the harness's log in folder a pipe that is full and nobody
// reads, as a disk is that has stopped to answer.
func stuckLog(t *testing.T, folder string) (drain func(end string) string) {
	t.Helper()
	file := filepath.Join(folder, harnessFile)
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
	s := &session{fleet: newFleet(Subject{}, config.Config{}, Watcher{}), name: "x"}
	s.begins(time.Now())
	s.record = newRecord(folder, func(text string) { told = append(told, text) })
	var want []string
	seen := make(chan bool)
	go func() { // the pump
		defer close(seen)
		for i := range 100 {
			s.onStage(watch.Reached{Stage: watch.Login, Line: fmt.Sprintf("line %d", i), At: time.Now()})
			s.onTrip(watch.Trip{ID: "unit-failed", Line: fmt.Sprintf("trip %d", i), At: time.Now()})
		}
	}()
	select {
	case <-seen:
	case <-time.After(time.Minute):
		t.Fatal("the console's pump waits for the disk")
	}
	for i := range 100 {
		want = append(want, fmt.Sprintf("stage login: line %d", i), fmt.Sprintf("tripwire unit-failed (): trip %d", i))
	}
	go func() {
		s.record.say("the end")
		s.record.close()
	}()
	var got []string
	for line := range strings.Lines(drain("the end\n")) {
		_, words, _ := strings.Cut(strings.TrimSpace(line), "] ")
		got = append(got, words)
	}
	assert.Equal(t, append(want, "the end"), got)
	<-s.record.done
	assert.Len(t, told, 200, "and whoever watches is told")
	text, err := os.ReadFile(filepath.Join(folder, metadataFile))
	require.NoError(t, err)
	var meta metadata
	require.NoError(t, json.Unmarshal(text, &meta))
	assert.Len(t, meta.Stages, 100)
	assert.Equal(t, "trip 99", meta.Trips[99].Line)
}

// What waits for a slow disk is bounded, and what there is no room for counted.
func TestRecordIsBounded(t *testing.T) {
	folder := t.TempDir()
	drain := stuckLog(t, folder)
	told := 0
	r := newRecord(folder, func(string) { told++ })
	r.say("the first")
	for range 4 {
		r.say("%s", strings.Repeat("x", maxWaiting/3))
		for range maxTold {
			r.pass("x")
		}
	}
	r.mu.Lock()
	waiting, lost := len(r.lines), r.lost
	r.mu.Unlock()
	assert.LessOrEqual(t, waiting, maxWaiting)
	assert.Positive(t, lost)
	go r.close()
	text := drain("to be written]\n")
	assert.Contains(t, text, "the first")
	assert.Contains(t, text, fmt.Sprintf("[%d lines came too fast to be written]", lost))
	<-r.done
	assert.LessOrEqual(t, told, 2*maxTold)
}

// The pump adds to the record while checks read it: for the race detector.
func TestRecordIsReadWhileItIsWritten(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, transcriptFile), []byte("x"), 0o644))
	s := &session{fleet: newFleet(Subject{}, config.Config{}, Watcher{}), name: "x", record: newRecord(folder, nil)}
	defer s.record.close()
	var pump sync.WaitGroup
	pump.Go(func() {
		for range 60 {
			s.onStage(watch.Reached{Stage: watch.Firmware, At: time.Now()})
			s.onTrip(watch.Trip{ID: "kernel-warning", Line: "x", At: time.Now()})
		}
	})
	for i := range 10 {
		s.begins(time.Now())
		s.recordedCheck("").Probe(t.Context())
		s.rootSeconds()
		s.tellAttribute("passed", func(string, string) {})
		s.record.ledger(filepath.Join(folder, "ledger"), nil, ledgerTimeouts{})
		s.record.diagnose(fmt.Sprint(i), "txt", nil)
	}
	pump.Wait()
	assert.Len(t, s.record.now().Trips, 60)
}
