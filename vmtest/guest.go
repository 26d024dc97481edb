package vmtest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/internal/plain"
	"bootaudit/serial"
)

// Guest is a VM that belongs to a test: what fails, fails the test, with what
// the guest had to say. Its methods are for the test's own goroutine.
type Guest struct {
	// VM is the machine, for what Guest has no method for.
	VM *VM

	t testing.TB
	s *Session
}

// Start boots m to a root shell, and ends it when t ends. m.ISO is the image;
// m.Account logs in where the console does not by itself.
//
// The VM's files (serial.log, console.cast, screen.txt and so on) are kept when
// the test fails; its log names their folder. Where the host has no QEMU, and
// under -short, t is skipped; with BOOT_IMAGE_REQUIRE=1 it fails instead.
// Boots under TCG wait for free CPUs, and one for which go test's -timeout
// leaves too little time is not started.
func Start(t testing.TB, m Machine) *Guest {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a VM; -short asks for none")
	}
	return startGuest(t, NewHarness(t), m, func(*Session) {})
}

// NewHarness is the harness that the environment asks for (BOOT_IMAGE_...), for
// the VMs of t, such as a *testing.T: they are told about in its output, and end
// before its deadline, where it has a Deadline.
func NewHarness(t interface {
	Helper()
	Fatal(...any)
	Output() io.Writer
	Attr(name, value string)
}) *Harness {
	t.Helper()
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	h := harnessFor(cfg)
	h.Out, h.Attr = t.Output(), t.Attr
	if limited, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		h.Deadline, _ = limited.Deadline()
	}
	if f := flag.Lookup("test.timeout"); f != nil {
		h.Timeout, _ = time.ParseDuration(f.Value.String())
	}
	return h
}

// startGuest is [Start] on h; change changes the session first.
func startGuest(t testing.TB, h *Harness, m Machine, change func(*Session)) *Guest {
	t.Helper()
	s := h.Session(Plan{
		Name: m.withDefaults().Name, Cost: time.Minute,
		Machine: func(context.Context) (Machine, error) { return m, nil },
	})
	change(s)
	t.Cleanup(func() {
		if t.Failed() {
			s.Settle(true)
		}
		s.Close(t.Attr)
	})
	r := s.Booted(t.Context())
	switch words := plain.Text("boot " + s.plan.Name + ": " + r.Detail + "\n" + r.Evidence); {
	case r.Outcome == check.Holds:
	case r.Outcome == check.Broken, h.Require:
		t.Fatal(words)
	default:
		t.Skip(words)
	}
	return &Guest{VM: s.vm, t: t, s: s}
}

// within bounds a call by go test's deadline and keeps other calls away.
func (g *Guest) within(topic string, call func(context.Context) error) {
	g.t.Helper()
	r := g.s.Do(g.t.Context(), topic, func(ctx context.Context) check.Result {
		if err := call(ctx); err != nil {
			return check.Break(err.Error())
		}
		return check.Hold("")
	})
	if r.Outcome != check.Holds {
		g.t.Fatal(plain.Text(r.Detail)) // what a guest writes must not look like go test's own lines
	}
}

// Run runs a shell command as root and returns what it wrote to its standard
// output. An exit status other than 0 fails the test.
func (g *Guest) Run(command string) string {
	g.t.Helper()
	var out string
	g.within("run", func(ctx context.Context) (err error) {
		out, err = g.VM.Output(ctx, command)
		return err
	})
	return out
}

// Try runs a shell command as root; its exit status is in the result.
func (g *Guest) Try(command string) serial.Result {
	g.t.Helper()
	var result serial.Result
	g.within("run", func(ctx context.Context) (err error) {
		result, err = g.VM.Run(ctx, command)
		return err
	})
	return result
}

// ReadFile returns the content of a file in the guest.
func (g *Guest) ReadFile(path string) []byte {
	g.t.Helper()
	var content []byte
	g.within("read", func(ctx context.Context) (err error) {
		ctx, cancel := g.VM.bound(ctx)
		defer cancel()
		content, err = g.VM.Root.Get(ctx, path)
		return g.VM.explain(err)
	})
	return content
}

// WriteFile writes a file in the guest, whole or not at all.
func (g *Guest) WriteFile(path string, content []byte, mode fs.FileMode) {
	g.t.Helper()
	g.within("write", func(ctx context.Context) error {
		ctx, cancel := g.VM.bound(ctx)
		defer cancel()
		return g.VM.explain(g.VM.Root.Put(ctx, path, content, mode))
	})
}

// CopyTo copies a file of the host's into the guest.
func (g *Guest) CopyTo(host, guest string) {
	g.t.Helper()
	content, err := os.ReadFile(host)
	if err != nil {
		g.t.Fatal(err)
	}
	info, err := os.Stat(host)
	if err != nil {
		g.t.Fatal(err)
	}
	g.WriteFile(guest, content, info.Mode().Perm())
}

// CopyFrom copies a file of the guest's to the host. A relative host path is
// below the VM's folder.
func (g *Guest) CopyFrom(guest, host string) {
	g.t.Helper()
	if !filepath.IsAbs(host) {
		host = filepath.Join(g.VM.Machine.Folder, host)
	}
	if err := os.WriteFile(host, g.ReadFile(guest), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// WaitUnit waits until a systemd unit has run and is in state, "active" or
// "inactive". When it never will be, the test fails at once, and says why: the
// unit failed, no job is left that would start it, it waits for itself.
func (g *Guest) WaitUnit(unit, state string) {
	g.t.Helper()
	g.within("unit", func(ctx context.Context) error {
		w, err := g.VM.WaitUnit(ctx, unit, state)
		if err == nil && w.Verdict != "ok" {
			err = fmt.Errorf("%s does not come to %s: %s\n%s", unit, state, w.Why(unit), w.Report)
		}
		return err
	})
}

// Screen is what a terminal on the serial console shows now.
func (g *Guest) Screen() string { return g.VM.Console.Screen() }
