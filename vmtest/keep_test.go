package vmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"bootaudit/internal/queue"
	"bootaudit/iso"
	"bootaudit/serial"
)

// A kept VM outlives its session, can be found and talked to, several times,
// and ended.
func TestKept(t *testing.T) {
	needQEMU(t)
	cache := t.TempDir()
	_, err := FindKept(cache, "")
	assert.ErrorContains(t, err, "no VM is kept")

	f := newFleet(Subject{}, config.Config{CacheDir: config.Path(cache), Debug: true}, Watcher{Out: t.Output()})
	m := tiny(t, "kept")
	vm, err := Launch(t.Context(), m, Settings{Keep: true})
	require.NoError(t, err)
	s := &session{fleet: f, name: "tiny", vm: vm, failed: true, quiet: make(chan struct{}), record: newRecord(m.Folder, nil)}
	s.close(nil)

	kept, err := FindKept(cache, "tiny")
	require.NoError(t, err)
	t.Cleanup(func() { _ = kept.End(context.Background(), cache) })
	assert.Contains(t, kept.Usage(), "attach "+kept.Name)
	_, err = FindKept(cache, "other")
	assert.ErrorContains(t, err, "no kept VM is called other; there are: tiny-")
	_, err = kept.Run(t.Context(), "true")
	assert.ErrorContains(t, err, "has no control line")
	for range 2 {
		console, err := kept.Console(t.Context())
		require.NoError(t, err)
		console.Close()
	}
	require.True(t, runs(kept.PID))
	require.NoError(t, kept.End(t.Context(), cache))
	// We are QEMU's parent, and reap it.
	<-vm.process.done
	assert.NoDirExists(t, kept.Sockets)
	all, err := ListKept(cache)
	require.NoError(t, err)
	assert.Empty(t, all)
}

// A VM whose check failed is kept under BOOT_IMAGE_DEBUG, and another process
// gets at its console and its root shell, and ends it.
func TestKeptOnAFake(t *testing.T) {
	beside(t)
	g := newFakeGuest(t, toShell)
	cfg := g.config()
	cfg.Debug = true
	s := g.session(cfg)
	require.Equal(t, check.Holds, s.booted(t.Context()).Outcome)
	s.do(t.Context(), "boot", func(context.Context) check.Result { return check.Break("something") })
	s.close(nil)
	cache := string(cfg.CacheDir)
	kept, err := FindKept(cache, "clean-disk")
	require.NoError(t, err)
	t.Cleanup(func() { _ = kept.End(context.Background(), cache) })
	assert.Contains(t, kept.Usage(), "attach "+kept.Name+" COMMAND")
	assert.Contains(t, kept.Usage(), fmt.Sprintf("ssh -i %s -p %d", g.key.Private, s.vm.SSHPort))
	for range 2 {
		result, err := kept.Run(t.Context(), "id -un; exit 3")
		require.NoError(t, err)
		assert.Equal(t, serial.Result{Status: 3, Stdout: []byte("root\n"), Stderr: []byte{}}, result)
		conn, err := kept.Console(t.Context())
		require.NoError(t, err)
		_, err = conn.Write([]byte("echo on-the-''console\r"))
		require.NoError(t, err)
		readUntil(t, conn, "on-the-console")
		conn.Close()
	}
	assert.FileExists(t, s.vm.Machine.Disks[0].File)
	require.NoError(t, kept.End(t.Context(), cache))
	<-s.vm.process.done
	assert.NoDirExists(t, kept.Sockets)
	_, err = FindKept(cache, "")
	assert.ErrorContains(t, err, "no VM is kept")
	require.NoError(t, kept.End(t.Context(), cache), "which has ended")

	text, err := json.Marshal(kept)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(keptFolder(cache), "stale.json"), text, 0o600))
	all, err := ListKept(cache)
	require.NoError(t, err)
	assert.Empty(t, all)
	require.NoError(t, os.WriteFile(filepath.Join(keptFolder(cache), "torn.json"), text[:10], 0o600))
	_, err = ListKept(cache)
	assert.ErrorContains(t, err, "torn.json: ")
}

// TestVMDebianLive audits a Debian live image by its contract: a name and a
// password to type, and nothing of pre-nixos. Then the VM is kept as after a
// failure, and bootaudit attach gets at its control line and its console, and
// ends it.
func TestVMDebianLive(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a Debian live image in QEMU; -short asks for no boot")
	}
	cfg := loadConfig(t)
	if cfg.Target().Kind != contract.KindStandIn {
		t.Skip("another image is audited")
	}
	t.Parallel()
	cfg.Debug = true
	sub := Subject{Contract: contract.DebianLive(), ISO: func(ctx context.Context) (string, error) {
		// The build must not starve the guests that run meanwhile.
		release, err := queue.CPUs(ctx, filepath.Join(string(cfg.CacheDir), "cpus"), runtime.GOMAXPROCS(0), 1, nil)
		if err != nil {
			return "", err
		}
		defer release()
		image, err := fixtures.DebianLive(ctx, t.Output())
		if err != nil {
			return "", &iso.NoImage{Outcome: check.Absent, Err: err}
		}
		return image, nil
	}}
	cache := string(cfg.CacheDir)
	t.Cleanup(func() {
		if kept, err := FindKept(cache, "debian-live-"); err == nil { // the test did not come to its end
			_ = kept.End(context.Background(), cache)
		}
	})
	suite := NewSuite(sub, cfg, watcher(t))
	t.Cleanup(suite.Close)
	s := suite.fleet.cleanVM()
	s.name, s.template.CPUs = "debian-live", 1 // as all that run side by side
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
	assert.GreaterOrEqual(t, asked, len(steps)+2)

	s.failed = true
	for _, scenario := range suite.Scenarios[:3] {
		suite.End(scenario, nil)
	}
	kept, err := FindKept(cache, "debian-live-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if s.temp {
			os.RemoveAll(kept.Folder)
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
		said, status := attach("", kept.Name, "id", "-u;", "exit", "3")
		assert.Equal(t, "0\n", said)
		assert.Equal(t, 3, status)
		said, status = attach("echo on-the-''console\r", kept.Name)
		assert.Contains(t, said, "on-the-console")
		assert.Contains(t, said, "[left the console of "+kept.Name)
		assert.Zero(t, status)
	}
	said, status := attach("", "-end", kept.Name)
	assert.Contains(t, said, "VM "+kept.Name+" has ended")
	assert.Zero(t, status)
	said, status = attach("", kept.Name)
	assert.Contains(t, said, "kept")
	assert.NotZero(t, status)
}
