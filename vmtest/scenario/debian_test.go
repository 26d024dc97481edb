package scenario

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/kept"
	"bootaudit/internal/once"
	"bootaudit/internal/queue"
	"bootaudit/vmtest"
)

// TestVMDebianLive audits a Debian live image by its contract: a name and a
// password to type, and nothing of pre-nixos. Then the VM is kept as after a
// failure, and bootaudit attach gets at its control line and its console, and
// ends it.
func TestVMDebianLive(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a Debian live image in QEMU; -short asks for no boot")
	}
	cfg := withoutImage(t)
	t.Parallel()
	harness := vmtest.NewHarness(t)
	harness.Keep = true
	// The build must not starve the guests that run meanwhile; and who has a guest
	// must not wait for it.
	var built once.Value[string]
	sub := Subject{Contract: contract.DebianLive(), ISO: func(ctx context.Context) (string, error) {
		return built.Get(ctx, func(ctx context.Context) (string, error) {
			release, err := queue.CPUs(ctx, filepath.Join(string(cfg.CacheDir), "cpus"), runtime.GOMAXPROCS(0), 1, nil)
			if err != nil {
				return "", err
			}
			defer release()
			image, err := fixtures.DebianLive(ctx, t.Output())
			if err != nil {
				return "", &check.Lack{Outcome: check.Absent, Err: err}
			}
			return image, nil
		})
	}}
	cache := string(cfg.CacheDir)
	t.Cleanup(func() {
		if left, err := kept.Find(cache, "clean-disk-"); err == nil { // the test did not come to its end
			_ = left.End(context.Background(), cache)
		}
	})
	suite := NewSuite(sub, harness)
	t.Cleanup(suite.Close)
	s := suite.fleet.cleanVM()
	s.template.CPUs = 1 // as all that run side by side
	asked := 0
	for _, scenario := range suite.Scenarios[:4] {
		table, err := check.NewTable(scenario.Checks)
		require.NoError(t, err)
		for _, c := range scenario.Checks {
			r := table.Resolve(t.Context(), c.ID)
			if r.Outcome == check.Absent || r.Outcome == check.Unknown {
				config.Lacking(t, r.Detail)
			}
			t.Logf("%s/%s: %s: %s", scenario.Name, c.ID, r.Outcome, r.Detail)
			assert.Contains(t, []check.Outcome{check.Holds, check.Risk, check.NotNeeded}, r.Outcome, r.Evidence)
			assert.NotContains(t, strings.ToLower(c.Condition+r.Detail), "pre-nixos")
			if r.Outcome == check.Holds {
				asked++
			}
			if r.Outcome == check.NotNeeded && c.ID == "booted" {
				break
			}
		}
	}
	assert.GreaterOrEqual(t, asked, len(s.Boot())+2)

	s.Settle(true)
	for _, scenario := range suite.Scenarios[:3] {
		suite.End(scenario, nil)
	}
	left, err := kept.Find(cache, "clean-disk-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if harness.Artifacts+harness.LogRoot == "" {
			os.RemoveAll(left.Folder)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// By the program, several times, without a terminal of its own.
	program := filepath.Join(t.TempDir(), "bootaudit")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "bootaudit/cmd/bootaudit").CombinedOutput()
	require.NoError(t, err, "%s", out)
	attach := func(typed string, words ...string) (said string, status int) {
		cmd := exec.CommandContext(ctx, program, append([]string{"attach"}, words...)...)
		cmd.Stdin = strings.NewReader(typed)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			require.NoError(t, err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	for range 2 {
		said, status := attach("", left.Name, "id", "-u;", "exit", "3")
		assert.Equal(t, "0\n", said)
		assert.Equal(t, 3, status)
		said, status = attach("echo on-the-''console\r", left.Name)
		assert.Contains(t, said, "on-the-console")
		assert.Contains(t, said, "[left the console of "+left.Name)
		assert.Zero(t, status)
	}
	said, status := attach("", "-end", left.Name)
	assert.Contains(t, said, "VM "+left.Name+" has ended")
	assert.Zero(t, status)
	said, status = attach("", left.Name)
	assert.Contains(t, said, "kept")
	assert.NotZero(t, status)
}
