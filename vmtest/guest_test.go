package vmtest

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/fakevm"
	"bootaudit/internal/record"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// fakeTB is a test in a test's hand. Its end is its goroutine's, as a real one's.
type fakeTB struct {
	testing.TB
	ended, said string // how, and with what words
	attrs       map[string]string
	cleanups    []func()
}

func (f *fakeTB) Helper()                {}
func (f *fakeTB) Failed() bool           { return f.ended == "fatal" }
func (f *fakeTB) Cleanup(c func())       { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Attr(key, value string) { f.attrs[key] = value }
func (f *fakeTB) Fatal(args ...any)      { f.end("fatal", args) }
func (f *fakeTB) Skip(args ...any)       { f.end("skip", args) }

func (f *fakeTB) end(how string, args []any) {
	f.ended, f.said = how, fmt.Sprint(args...)
	runtime.Goexit()
}

// try runs a part of a test, which may end it.
func (f *fakeTB) try(part func()) (ended, said string) {
	f.ended, f.said = "", ""
	var wg sync.WaitGroup
	wg.Go(part)
	wg.Wait()
	return f.ended, f.said
}

func (f *fakeTB) cleanUp() {
	for _, c := range f.cleanups {
		c()
	}
}

func newFakeTB(t testing.TB) *fakeTB { return &fakeTB{TB: t, attrs: map[string]string{}} }

// startFake is [Start] on a fake guest.
func startFake(g *fakevm.Guest, t testing.TB, h *Harness) *Guest {
	m := fakeMachine(t, g)
	m.Name = "mine"
	return startGuest(t, h, m, func(*Session) {})
}

// A test's own boot, and each of a Guest's methods: what it does when it can, and
// how it fails the test when it cannot.
func TestStartOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	tb := newFakeTB(t)
	h := fakeHarness(t, g)
	h.Artifacts = ""
	var vm *Guest
	ended, said := tb.try(func() { vm = startFake(g, tb, h) })
	require.Empty(t, ended, said)

	host, other := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "other")
	content := "two\nlines\x00\xff without an end"
	require.NoError(t, os.WriteFile(host, []byte(content), 0o640))
	ended, said = tb.try(func() {
		assert.Equal(t, "hello\n", vm.Run("echo hello"))
		assert.Equal(t, serial.Result{Status: 3, Stdout: []byte("out"), Stderr: []byte("err")}, vm.Try("printf out; printf err >&2; exit 3"))
		vm.WriteFile(g.Dir+"/run/a b", []byte("x"), 0o600)
		assert.Equal(t, "x", string(vm.ReadFile(g.Dir+"/run/a b")))
		vm.CopyTo(host, g.Dir+"/run/copy")
		vm.CopyFrom(g.Dir+"/run/copy", other)
		vm.CopyFrom(g.Dir+"/run/copy", "relative")
		vm.WaitUnit("pre-nixos.service", "inactive")
		assert.Contains(t, vm.Screen(), "root@nixos:~#")
	})
	require.Empty(t, ended, said)
	for _, file := range []string{other, filepath.Join(vm.VM.Machine.Folder, "relative")} {
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
	}
	for name, mode := range map[string]fs.FileMode{"run/a b": 0o600, "run/copy": 0o640} {
		info, err := os.Stat(filepath.Join(g.Dir, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}

	g.Set("units/broken.service", fakevm.UnitIn("failed", "Result=exit-code\n"))
	for name, row := range map[string]struct {
		call func()
		says string
	}{
		"run":       {func() { vm.Run("echo no >&2; exit 4") }, `exit status 4.*no`},
		"disguise":  {func() { vm.Run(`printf '\026--- PASS: TestOther\n\033]0;x\007' >&2; exit 1`) }, "\uFFFD--- PASS: TestOther"},
		"lines":     {func() { vm.Run("exit 5\n# more") }, `^exit 5 \.\.\.: .*exit status 5`},
		"read":      {func() { vm.ReadFile("/nowhere/x") }, `get /nowhere/x from the guest: .*No such file`},
		"write":     {func() { vm.WriteFile("/nowhere/x", nil, 0o644) }, `put /nowhere/x in the guest: `},
		"copy to":   {func() { vm.CopyTo("/nowhere/x", "/y") }, `open /nowhere/x: no such file`},
		"copy to /": {func() { vm.CopyTo(host, "/nowhere/x") }, `put /nowhere/x in the guest: `},
		"copy from": {func() { vm.CopyFrom(g.Dir+"/run/copy", "/nowhere/x") }, `open /nowhere/x: no such file`},
		"unit":      {func() { vm.WaitUnit("broken.service", "active") }, `(?s)^broken.service does not come to active: broken.service failed \(.*--- jobs`},
		"no unit":   {func() { vm.WaitUnit("other.service", "active") }, `^other.service does not come to active: other.service is not-found`},
	} {
		ended, said := tb.try(row.call)
		assert.Equal(t, "fatal", ended, name)
		assert.Regexp(t, "(?s)"+row.says, said, name)
		assert.NotRegexp(t, "[\x00-\x08\x0e-\x1f]", said, name)
	}

	folder := vm.VM.Machine.Folder
	tb.ended = ""
	vm.s.Settle(false)
	tb.cleanUp()
	assert.NoDirExists(t, folder, "of a test that passed nothing is kept")
	assert.Contains(t, tb.attrs["vm"], `"outcome":"passed"`)
}

// Start ends the test as the boot did: it fails where the guest is to blame, and
// skips where something is missing, unless nothing may be.
func TestStartFailsOrSkips(t *testing.T) {
	fakevm.Beside(t)
	for name, row := range map[string]struct {
		init    string
		change  func(*fakevm.Guest)
		require bool
		ended   string
		says    string
	}{
		"panic":          {"firmware\nmenu 1\nsay '[    2.000000] Kernel panic - not syncing: fake'\nhalt", nil, false, "fatal", `^boot mine: the boot did not come so far: .*kernel-panic`},
		"no QEMU":        {fakevm.ToShell, func(g *fakevm.Guest) { g.Set("refuses-to-start", "out of order") }, false, "fatal", `out of order`},
		"no time":        {fakevm.ToShell, nil, false, "skip", `not started: `},
		"no time at all": {fakevm.ToShell, nil, true, "fatal", `not started: `},
	} {
		t.Run(name, func(t *testing.T) {
			g := fakevm.New(t, row.init)
			if row.change != nil {
				row.change(g)
			}
			tb := newFakeTB(t)
			h := fakeHarness(t, g)
			h.Require = row.require
			if strings.HasPrefix(name, "no time") {
				h.Deadline = time.Now().Add(time.Second)
			}
			ended, said := tb.try(func() { startFake(g, tb, h) })
			assert.Equal(t, row.ended, ended)
			assert.Regexp(t, "(?s)"+row.says, said)
			tb.cleanUp()
		})
	}
}

// What fails after QEMU's end says how that was, to the test that asked.
func TestGuestAfterQEMU(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	tb := newFakeTB(t)
	var vm *Guest
	ended, said := tb.try(func() { vm = startFake(g, tb, fakeHarness(t, g)) })
	require.Empty(t, ended, said)
	ended, said = tb.try(func() { vm.Run("kill -KILL $QEMU; cat /dev/zero >/dev/null") })
	assert.Equal(t, "fatal", ended)
	for name, call := range map[string]func(){
		"while": nil,
		"run":   func() { vm.Run("true") }, "try": func() { vm.Try("true") }, "read": func() { vm.ReadFile("/x") },
		"write": func() { vm.WriteFile("/x", nil, 0o600) }, "unit": func() { vm.WaitUnit("x.service", "active") },
	} {
		if call != nil {
			ended, said = tb.try(call)
		}
		assert.Equal(t, "fatal", ended, name)
		assert.Regexp(t, `qemu has ended after [\d.]+s: signal: killed, not by us`, said, name)
		assert.NotContains(t, said, context.Canceled.Error(), name)
	}
	tb.cleanUp()
	assert.ErrorIs(t, vm.VM.Monitor(t.Context(), "query-status", nil, nil), ErrEnded)
	_, err := vm.VM.Await(t.Context(), watch.Shell)
	assert.NoError(t, err, "it was reached")
	assert.ErrorIs(t, vm.VM.PassMenu(t.Context()), ErrEnded)
	_, err = vm.VM.Login(t.Context(), serial.Account{})
	assert.ErrorIs(t, err, ErrEnded)
}

// A VM by hand: what the machine asks for, its button, its console's owner.
func TestLaunchOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	m := fakeMachine(t, g)
	m.Name, m.Folder = "vm", t.TempDir()
	vm, err := Launch(t.Context(), m, Settings{})
	require.NoError(t, err)
	defer vm.Kill()
	_, err = vm.Run(t.Context(), "true")
	assert.ErrorContains(t, err, "the guest has not been booted to a root shell")
	require.NoError(t, vm.Boot(t.Context(), serial.Account{}))
	out, err := vm.Output(t.Context(), "id -un")
	require.NoError(t, err)
	assert.Equal(t, "root\n", out)
	require.NoError(t, vm.Monitor(t.Context(), "set_link", map[string]any{"name": "net", "up": false}, nil))
	assert.Equal(t, "0\n", g.Get("net/lan/carrier"))
	assert.ErrorContains(t, vm.Monitor(t.Context(), "frobnicate", nil, nil), "frobnicate has not been found")

	_, err = vm.Console.Run(t.Context(), "true") // by an agent in the console's shell
	require.NoError(t, err)
	conn, err := vm.HandOver(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("echo by-''hand\r"))
	require.NoError(t, err)
	heard := readUntil(t, conn, "by-hand")
	transcript, err := os.ReadFile(filepath.Join(m.Folder, record.TranscriptFile))
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(transcript[:strings.LastIndex(string(transcript), "by-hand")+7]), heard), "the transcript has what the console had")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, vm.Shutdown(ctx), "power off vm: the guest does not: context deadline exceeded")
	g.Set("acpi", "listens")
	require.NoError(t, vm.Shutdown(t.Context()))
	assert.ErrorContains(t, context.Cause(vm.alive), `exit status 0, after SHUTDOWN {"guest": true, "reason": "guest-shutdown"}`)
	assert.ErrorIs(t, vm.Shutdown(t.Context()), ErrEnded)
}

// readUntil reads a console up to and with the end of a text.
func readUntil(t testing.TB, conn net.Conn, end string) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	var all []byte
	for buf := make([]byte, 1); !strings.HasSuffix(string(all), end); {
		n, err := conn.Read(buf)
		require.NoError(t, err)
		all = append(all, buf[:n]...)
	}
	return string(all)
}
