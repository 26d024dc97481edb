package vmtest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/checktest"
	"bootaudit/internal/fakevm"
	"bootaudit/internal/record"
	"bootaudit/internal/report"
)

// truncated names, in the test binary that TestTruncatedRun runs, the folder for
// what its VM leaves behind.
const truncated = "BOOTAUDIT_TEST_TRUNCATED"

// TestTruncatedInner boots a guest that has one fault, and in which nothing that
// looks into the fault ever ends.
func TestTruncatedInner(t *testing.T) {
	folder := os.Getenv(truncated)
	if folder == "" {
		t.Skip("TestTruncatedRun runs it")
	}
	g := fakevm.New(t, fakevm.ToShell)
	for _, program := range []string{"systemctl", "systemd-analyze", "journalctl", "lsblk"} {
		require.NoError(t, os.WriteFile(filepath.Join(g.Dir, "hangs", program), nil, 0o644))
	}
	h := NewHarness(t)
	h.Artifacts, h.Ledger, h.Cache = folder, filepath.Join(folder, "ledger.jsonl"), filepath.Join(g.Dir, "cache")
	h.Attr = t.Attr
	s := fakeSession(t, g, h, func(p *Plan, _ *Machine) { p.Cost = 0 })
	looks := func(id, needs string, look func(context.Context) check.Result) check.Check {
		return check.Check{ID: id, Section: check.SectionRuntime, Condition: "c", How: "h", Remedy: "r", Needs: []string{needs}, Timeout: time.Hour,
			Probe: func(ctx context.Context) check.Result { return s.Do(ctx, "storage", look) }}
	}
	check.RunInOrder(checktest.Of(t), append(s.steps,
		looks("disks", lastStep, func(context.Context) check.Result { return check.Break("the disks are blank") }),
		looks("units", lastStep, func(ctx context.Context) check.Result {
			_, err := s.vm.Run(ctx, "systemctl is-active a.service")
			return check.Break("no answer: " + err.Error())
		}),
		looks("mounts", "disks", func(context.Context) check.Result { return check.Hold("mounted") })), false)
}

// go test's -timeout comes while a failure is looked into: what was found, the
// record and the report are whole all the same, and no test was cut off.
func TestTruncatedRun(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the end of a -timeout that suits a busy host")
	}
	t.Parallel()
	folder := t.TempDir()
	inner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTruncatedInner$", "-test.short", "-test.v=test2json", "-test.timeout=40s")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BOOT_IMAGE_") {
			inner.Env = append(inner.Env, v)
		}
	}
	inner.Env = append(inner.Env, truncated+"="+folder)
	out, err := inner.CombinedOutput()
	require.Equal(t, 1, inner.ProcessState.ExitCode(), "%v\n%s", err, out)
	require.NotContains(t, string(out), "panic: test timed out")

	convert := exec.CommandContext(t.Context(), "go", "tool", "test2json", "-t", "-p", "bootaudit/vmtest")
	convert.Stdin = strings.NewReader(string(out))
	stream, err := convert.Output()
	require.NoError(t, err)
	run := report.NewRun("events.json")
	for line := range report.Lines(strings.NewReader(string(stream))) {
		run.Add(line)
	}
	run.End()
	var page strings.Builder
	require.NoError(t, report.NewAudit(run).Markdown(&page))
	for _, step := range steps {
		if step.id == expectedStep {
			continue // nothing is
		}
		assert.Regexp(t, `(?m)holds.*`+step.condition+`|`+step.condition+`.*holds`, page.String())
	}
	assert.Contains(t, page.String(), "the disks are blank")
	t.Log(page.String())
	assert.Regexp(t, `units \| c \|.* \*\*unknown\*\* \| no answer: .*go test's -timeout is near`, page.String())
	assert.Contains(t, page.String(), "not tried")

	text, err := os.ReadFile(filepath.Join(folder, "fake", record.MetadataFile))
	require.NoError(t, err)
	var m record.Metadata
	require.NoError(t, json.Unmarshal(text, &m))
	assert.Equal(t, "failed", m.Outcome)
	assert.NotEmpty(t, m.Timings.End)
	assert.NotEmpty(t, m.Ending)
	var labels []string
	for _, d := range m.Diagnostics.Artifacts {
		labels = append(labels, d.Label)
		assert.FileExists(t, d.Path)
	}
	assert.Subset(t, labels, []string{"storage failure", "screen", "serial tail", "jobs", "disks", "status files"})
	ledger, err := os.ReadFile(filepath.Join(folder, "ledger.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(ledger), "\n"))
}
