package outside

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/fixtures"
	"bootaudit/internal/config"
)

// TestOutside makes a module as docs/writing-a-boot-test.md says, with no network,
// and runs its tests: a boot test of its own and a contract's scenarios. Under
// -short they are only compiled and skip themselves.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata")))
	image := ""
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		// What we were built of is here. The sums are ours: tidy asks for more, of
		// tests of modules that nobody builds.
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off", "MY_ISO="+image)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) string {
		out, err := run(args...)
		require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
		return out
	}
	must("go", "mod", "init", "example.org/mine")
	must("go", "mod", "edit", "-require=bootaudit@v0.0.0", "-replace=bootaudit="+root, "-tool=bootaudit/cmd/bootaudit")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))

	said := must("go", "test", "-short", "-v", "./...")
	assert.Contains(t, said, "--- SKIP: TestMyImage")
	assert.Contains(t, said, "--- SKIP: TestVM")
	// As a VM's hints have it.
	said, _ = run("go", "run", "bootaudit/cmd/bootaudit", "attach", "no-such-vm")
	assert.Regexp(t, `no VM is kept|no kept VM is called`, said)
	if testing.Short() {
		return
	}
	t.Parallel()
	if image, err = fixtures.StandIn(t.Context(), t.Output()); err != nil {
		config.Lacking(t, "no stand-in to boot: ", err)
	}
	said, err = run("go", "test", "-v", "-count=1", "-timeout=20m", "-run", "^TestMyImage$|^TestVM$/^existing-storage$", "./...")
	require.NoError(t, err, said)
	for _, line := range []string{"--- PASS: TestMyImage", "--- PASS: TestVM/existing-storage/booted", "--- PASS: TestVM/existing-storage/cd-bus", "--- SKIP: TestVM/existing-storage/untouched"} {
		assert.Contains(t, said, line)
	}
}
