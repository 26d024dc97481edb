package vmtest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bootaudit/internal/qmp"
	"bootaudit/serial"
)

// Kept is a VM that was left running for a person, because a check failed
// under BOOT_IMAGE_DEBUG=1.
type Kept struct {
	Name    string `json:"name"` // with QEMU's process number: unique
	PID     int    `json:"pid"`
	Folder  string `json:"folder"`
	Sockets string `json:"sockets"`
	// ControlKey resumes the control line; "" where the VM has none open.
	ControlKey string `json:"control_key,omitempty"`
	SSH        string `json:"ssh,omitempty"` // the command to type
}

func keptFolder(cache string) string { return filepath.Join(cache, "kept") }

// keep lets the VM run on, and says how to get at it. s.mu is held.
func (s *session) keep() {
	vm := s.vm
	k := Kept{
		Name: fmt.Sprintf("%s-%d", s.name, vm.process.pid), PID: vm.process.pid,
		Folder: vm.Machine.Folder, Sockets: vm.Machine.Sockets,
	}
	if line, ok := vm.Root.(*serial.Control); ok {
		k.ControlKey = line.Key()
	}
	if key := s.fleet.subject.RootKey; vm.SSHPort != 0 && key.Private != "" {
		k.SSH = fmt.Sprintf("ssh -i %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@127.0.0.1", key.Private, vm.SSHPort, cmp.Or(s.fleet.subject.Contract.SSH.User, "root"))
	}
	if err := vm.giveConsole(context.Background()); err != nil {
		s.record.say("the console's shell may not answer: %v", err)
	}
	vm.release()
	cache := string(s.fleet.cfg.CacheDir)
	text, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = errors.Join(os.MkdirAll(keptFolder(cache), 0o700), os.WriteFile(filepath.Join(keptFolder(cache), k.Name+".json"), text, 0o600))
	}
	s.record.check(err)
	s.tell("kept, because a check failed (BOOT_IMAGE_DEBUG)")
	for line := range strings.Lines(k.Usage()) {
		s.tell("  %s", strings.TrimSpace(line))
	}
}

// Usage says how to get at the VM.
func (k Kept) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "console:  go run ./cmd/bootaudit attach %s        (Ctrl-] leaves)\n", k.Name)
	if k.ControlKey != "" {
		fmt.Fprintf(&b, "command:  go run ./cmd/bootaudit attach %s COMMAND\n", k.Name)
	}
	if k.SSH != "" {
		fmt.Fprintf(&b, "ssh:      %s\n", k.SSH)
	}
	fmt.Fprintf(&b, "monitor:  QMP at %s\n", filepath.Join(k.Sockets, monitorSocket))
	fmt.Fprintf(&b, "files:    %s\n", k.Folder)
	fmt.Fprintf(&b, "end it:   go run ./cmd/bootaudit attach -end %s\n", k.Name)
	return b.String()
}

// ListKept lists the kept VMs that still run, by name, and forgets the others.
func ListKept(cache string) ([]Kept, error) {
	entries, err := os.ReadDir(keptFolder(cache))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []Kept
	for _, e := range entries {
		file := filepath.Join(keptFolder(cache), e.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var k Kept
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, fmt.Errorf("%s: %w; remove it", file, err)
		}
		if !k.runs() {
			k.forget(cache)
			continue
		}
		all = append(all, k)
	}
	return all, nil
}

// runs tells whether the process is still the QEMU that was kept.
func (k Kept) runs() bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", k.PID))
	return err == nil && strings.Contains(string(line), k.Sockets)
}

func (k Kept) forget(cache string) {
	os.Remove(filepath.Join(keptFolder(cache), k.Name+".json"))
	os.RemoveAll(k.Sockets)
}

// FindKept is the kept VM called name, which may be the beginning of its name;
// "" is the only one.
func FindKept(cache, name string) (Kept, error) {
	all, err := ListKept(cache)
	if err != nil {
		return Kept{}, err
	}
	var names []string
	for _, k := range all {
		names = append(names, k.Name)
	}
	found := slices.DeleteFunc(all, func(k Kept) bool { return !strings.HasPrefix(k.Name, name) })
	switch {
	case len(names) == 0:
		return Kept{}, errors.New("no VM is kept; BOOT_IMAGE_DEBUG=1 keeps the VM of a check that fails")
	case len(found) == 0:
		return Kept{}, fmt.Errorf("no kept VM is called %s; there are: %s", name, strings.Join(names, ", "))
	case len(found) > 1:
		return Kept{}, fmt.Errorf("several VMs are kept, name one: %s", strings.Join(names, ", "))
	}
	return found[0], nil
}

// Console connects to the VM's serial console. One connection at a time is
// served; what the guest prints meanwhile goes to serial.log only.
func (k Kept) Console(ctx context.Context) (net.Conn, error) {
	return k.dial(ctx, consoleSocket)
}

func (k Kept) dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dialPort(ctx, filepath.Join(k.Sockets, socket))
	if err != nil {
		return nil, fmt.Errorf("VM %s: %w", k.Name, err)
	}
	return conn, nil
}

// Run runs a command as root over the VM's control line.
func (k Kept) Run(ctx context.Context, command string) (serial.Result, error) {
	if k.ControlKey == "" {
		return serial.Result{}, fmt.Errorf("VM %s has no control line: its boot did not come so far; use the console", k.Name)
	}
	port, err := k.dial(ctx, controlSocket)
	if err != nil {
		return serial.Result{}, err
	}
	line, err := serial.Resume(ctx, port, k.ControlKey)
	if err != nil {
		return serial.Result{}, fmt.Errorf("VM %s: %w", k.Name, err)
	}
	defer line.Close()
	return line.Run(ctx, command)
}

// End ends the VM: QEMU is asked, then killed.
func (k Kept) End(ctx context.Context, cache string) error {
	if !k.runs() {
		k.forget(cache)
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if monitor, err := qmp.Dial(limited, filepath.Join(k.Sockets, monitorSocket), nil); err == nil {
		_ = monitor.Execute(limited, "quit", nil, nil)
		monitor.Close()
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for range 30 {
			if !k.runs() {
				k.forget(cache)
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = syscall.Kill(k.PID, signal)
	}
	return fmt.Errorf("QEMU, process %d, does not end", k.PID)
}
