package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bootaudit": func() { os.Exit(run()) }})
}

// TestScripts runs testdata/script: what a person types, and what comes of it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			streams, err := filepath.Abs("../../internal/report/testdata")
			env.Setenv("STREAMS", streams)
			env.Setenv("BOOT", filepath.Join(streams, "../../screen/testdata/boots/stand-in.log.gz"))
			env.Setenv("BOOT_IMAGE_CACHE", filepath.Join(env.WorkDir, "cache"))
			return err
		},
	})
}

// TestInterruptLeavesAReport: Ctrl-C during a run must cost neither what was
// recorded nor the report.
func TestInterruptLeavesAReport(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bootaudit", "report", "-o", dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	event := `{"Action":"attr","Package":"p","Test":"TestHost/kvm","Key":"finding","Value":"{\"id\":\"kvm\",\"section\":\"host\",\"outcome\":\"holds\",\"detail\":\"fine\"}"}` + "\n"
	_, err = in.Write([]byte(`{"Action":"run","Package":"p","Test":"TestHost/kvm"}` + "\n" + event))
	require.NoError(t, err)
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "holds      kvm")

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "interrupted")
	in.Close() // as go test does when it is interrupted too
	var rest strings.Builder
	for lines.Scan() {
		rest.WriteString(lines.Text() + "\n")
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, rest.String(), "PARTIAL  Reading was ended by an interrupt.")
	report, err := os.ReadFile(filepath.Join(dir, "report.md"))
	require.NoError(t, err)
	assert.Contains(t, string(report), "This report is partial")
	saved, err := os.ReadFile(filepath.Join(dir, "events.json"))
	require.NoError(t, err)
	assert.Contains(t, string(saved), event)
}

// TestKillLeavesTheEvents: what was read is in events.json already.
func TestKillLeavesTheEvents(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bootaudit", "report", "-o", dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = in.Write([]byte("{\"Action\":\"start\",\"Package\":\"p\"}\n"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := os.Stat(filepath.Join(dir, "events.json"))
		return err == nil && info.Size() > 0
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	assert.Error(t, cmd.Wait())
}

// TestFullDisk: events that cannot be saved must not end the reading.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	saved := &events{file: full}
	n, err := saved.Write([]byte("event"))
	assert.Equal(t, 5, n)
	require.NoError(t, err)
	err = saved.close()
	assert.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "the events could not all be saved")
}
