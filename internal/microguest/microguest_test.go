package microguest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"bootaudit/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDiskIsMadeOfItsSource(t *testing.T) {
	for _, tool := range []string{"as", "ld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v; apt-get install binutils", err)
		}
	}
	dir := t.TempDir()
	object, made := filepath.Join(dir, "guest.o"), filepath.Join(dir, "guest.bin")
	for _, args := range [][]string{
		{"as", "--32", "-o", object, "guest.asm"},
		{"ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", made, object},
	} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Skipf("no assembler for x86 here: %v: %s", err, out)
		}
	}
	got, err := os.ReadFile(made)
	require.NoError(t, err)
	assert.Equal(t, got, disk, "guest.bin is not what guest.asm makes: go generate ./internal/microguest")
}

func qemu(t *testing.T) string {
	if testing.Short() {
		t.Skip("boots QEMU")
	}
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		config.Lacking(t, err)
	}
	return path
}

func TestWorks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	report, err := Machine{QEMU: qemu(t), Accelerator: "tcg"}.Boot(ctx)
	require.NoError(t, err, "%+v", report)
	assert.Contains(t, report.Console, ran)
	assert.Contains(t, report.Console, worked)
	t.Logf("first word after %s, done after %s", report.Ran, report.Took)
}

func TestAnswersOnItsForwardedPort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	report, err := Machine{QEMU: qemu(t), Accelerator: "tcg", Network: true}.Boot(ctx)
	require.NoError(t, err, "%+v", report)
	assert.Contains(t, report.Console, ready)
	t.Logf("first word after %s, answer after %s", report.Ran, report.Took)
}

// A broken QEMU is a shell script here: what matters is what it prints and how
// it ends.
func TestBrokenQEMU(t *testing.T) {
	// Those that end by themselves get long, for a loaded machine; the others
	// are stopped.
	const long, stopped = 30 * time.Second, 1500 * time.Millisecond
	cases := []struct {
		name, script string
		limit        time.Duration
		want         string
	}{
		{"exits", "echo 'failed to initialize kvm: Permission denied' >&2; exit 1", long,
			"QEMU ended with exit status 1, before the guest said a word: failed to initialize kvm: Permission denied"},
		{"exits 0", "exit 0", long, "QEMU ended with status 0 instead of 33, before the guest said a word"},
		{"right status without a word", "exit 33", long, "QEMU ended with exit status 33, before the guest said a word"},
		{"is killed", "kill -SEGV $$", long, "QEMU ended with signal: segmentation fault, before the guest said a word"},
		{"hangs", "echo 'micro-guest: RAN'; exec sleep 60", stopped, "QEMU was stopped after "},
		{"prints without end", "exec yes 'no newline is a long time away' | tr -d '\\n'", stopped, "QEMU was stopped after "},
		{"dies on KVM", "echo 'micro-guest: RAN'; echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60", long,
			"was not done: KVM internal error. Suberror: 1"},
		{"only warns", "echo 'qemu: warning: old CPU' >&2; exit 2", long, "exit status 2, before the guest said a word"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script := filepath.Join(t.TempDir(), "qemu")
			require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755))
			ctx, cancel := context.WithTimeout(t.Context(), c.limit)
			defer cancel()
			report, err := Machine{QEMU: script, Accelerator: "tcg"}.Boot(ctx)
			assert.ErrorContains(t, err, c.want)
			assert.LessOrEqual(t, len(report.Console)+len(report.Stderr), 2*maxOutput)
		})
	}
	t.Run("is not there", func(t *testing.T) {
		_, err := Machine{QEMU: "/nowhere/qemu", Accelerator: "tcg"}.Boot(t.Context())
		assert.ErrorContains(t, err, "no such file")
	})
}

func TestPortThatDoesNotAnswer(t *testing.T) {
	script := filepath.Join(t.TempDir(), "qemu")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho 'micro-guest: READY'; exec sleep 60\n"), 0o755))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := Machine{QEMU: script, Accelerator: "tcg", Network: true}.Boot(ctx)
	assert.ErrorContains(t, err, "its forwarded port refuses")
}

func TestCommandLineEscapesCommas(t *testing.T) {
	line := Machine{QEMU: "qemu", Accelerator: "tcg"}.CommandLine("/tmp/a,b/disk.raw", 0)
	assert.Contains(t, strings.Join(line, " "), "file=/tmp/a,,b/disk.raw")
}
