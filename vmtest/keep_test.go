package vmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/internal/kept"
	"bootaudit/internal/record"
	"bootaudit/serial"
)

// A kept VM outlives its session, can be found and talked to, several times,
// and ended.
func TestKept(t *testing.T) {
	needQEMU(t)
	cache := t.TempDir()
	_, err := kept.Find(cache, "")
	assert.ErrorContains(t, err, "no VM is kept")

	h := &Harness{Cache: cache, Keep: true, NoLedger: true, Out: t.Output()}
	m := tiny(t, "kept")
	vm, err := Launch(t.Context(), m, Settings{Keep: true})
	require.NoError(t, err)
	s := h.Session(Plan{Name: "tiny"})
	s.vm, s.failed, s.quiet, s.record = vm, true, make(chan struct{}), record.New(m.Folder, nil)
	s.Close(nil)

	left, err := kept.Find(cache, "tiny")
	require.NoError(t, err)
	t.Cleanup(func() { _ = left.End(context.Background(), cache) })
	assert.Contains(t, left.Usage(), "attach "+left.Name)
	_, err = kept.Find(cache, "other")
	assert.ErrorContains(t, err, "no kept VM is called other; there are: tiny-")
	_, err = left.Run(t.Context(), "true")
	assert.ErrorContains(t, err, "has no control line")
	for range 2 {
		console, err := left.Console(t.Context())
		require.NoError(t, err)
		console.Close()
	}
	require.True(t, runs(left.PID))
	require.NoError(t, left.End(t.Context(), cache))
	// We are QEMU's parent, and reap it.
	<-vm.process.done
	assert.NoDirExists(t, left.Sockets)
	all, err := kept.List(cache)
	require.NoError(t, err)
	assert.Empty(t, all)
}

// A VM whose check failed is kept under BOOT_IMAGE_DEBUG, and another process
// gets at its console and its root shell, and ends it.
func TestKeptOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	h := fakeHarness(t, g)
	h.Keep = true
	s := fakeSession(t, g, h, nil)
	require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
	s.Do(t.Context(), "boot", func(context.Context) check.Result { return check.Break("something") })
	s.Close(nil)
	cache := h.Cache
	left, err := kept.Find(cache, "fake")
	require.NoError(t, err)
	t.Cleanup(func() { _ = left.End(context.Background(), cache) })
	assert.Contains(t, left.Usage(), "attach "+left.Name+" COMMAND")
	assert.Contains(t, left.Usage(), fmt.Sprintf("ssh -i %s -p %d", g.Key.Private, s.vm.SSHPort))
	for range 2 {
		result, err := left.Run(t.Context(), "id -un; exit 3")
		require.NoError(t, err)
		assert.Equal(t, serial.Result{Status: 3, Stdout: []byte("root\n"), Stderr: []byte{}}, result)
		conn, err := left.Console(t.Context())
		require.NoError(t, err)
		_, err = conn.Write([]byte("echo on-the-''console\r"))
		require.NoError(t, err)
		readUntil(t, conn, "on-the-console")
		conn.Close()
	}
	assert.FileExists(t, s.vm.Machine.Disks[0].File)
	require.NoError(t, left.End(t.Context(), cache))
	<-s.vm.process.done
	assert.NoDirExists(t, left.Sockets)
	_, err = kept.Find(cache, "")
	assert.ErrorContains(t, err, "no VM is kept")
	require.NoError(t, left.End(t.Context(), cache), "which has ended")

	text, err := json.Marshal(left)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Join(cache, "kept"), "stale.json"), text, 0o600))
	all, err := kept.List(cache)
	require.NoError(t, err)
	assert.Empty(t, all)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Join(cache, "kept"), "torn.json"), text[:10], 0o600))
	_, err = kept.List(cache)
	assert.ErrorContains(t, err, "torn.json: ")
}
