package iso

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInnerNix is the process that TestNixDiesWithUs kills.
func TestInnerNix(t *testing.T) {
	if os.Getenv("ISO_TEST_INNER") == "" {
		t.Skip("is run by TestNixDiesWithUs")
	}
	_, err := execNix(t.Context(), []string{"build", "x"}, os.Environ(), io.Discard)
	t.Fatal(err)
}

// TestNixDiesWithUs: a test that is killed leaves neither nix nor what nix
// runs. nix is a script here, which starts a builder of its own.
func TestNixDiesWithUs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ids")
	script := "#!/bin/sh\nsleep 300 & echo $$ $! >" + file + ".new; mv " + file + ".new " + file + "; wait\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nix"), []byte(script), 0o755))
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestInnerNix$")
	cmd.Env = append(os.Environ(), "ISO_TEST_INNER=1", "PATH="+dir+":"+os.Getenv("PATH"))
	require.NoError(t, cmd.Start())
	var ids []string
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		ids = strings.Fields(string(text))
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	require.Len(t, ids, 2)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, id := range ids {
		_, err := strconv.Atoi(id)
		require.NoError(t, err)
		assert.Eventually(t, func() bool {
			stat, err := os.ReadFile(filepath.Join("/proc", id, "stat"))
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 30*time.Second, 20*time.Millisecond, "process %s of nix lives on", id)
	}
}
