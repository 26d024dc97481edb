// Package kept finds VMs that were left running for a person, because a check
// failed under BOOT_IMAGE_DEBUG=1, and gets at them.
package kept

import (
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

	"bootaudit/internal/port"
	"bootaudit/internal/qmp"
	"bootaudit/serial"
)

// VM is one that was kept.
type VM struct {
	Name    string `json:"name"` // with QEMU's process number: unique
	PID     int    `json:"pid"`
	Folder  string `json:"folder"`
	Sockets string `json:"sockets"`
	// ControlKey resumes the control line; "" where the VM has none open.
	ControlKey string `json:"control_key,omitempty"`
	SSH        string `json:"ssh,omitempty"` // the command to type
}

func folder(cache string) string { return filepath.Join(cache, "kept") }

// Keep makes the VM known to those who ask in the cache folder.
func (k VM) Keep(cache string) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(folder(cache), 0o700), os.WriteFile(filepath.Join(folder(cache), k.Name+".json"), text, 0o600))
}

// Usage says how to get at the VM.
func (k VM) Usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "console:  go run bootaudit/cmd/bootaudit attach %s        (Ctrl-] leaves)\n", k.Name)
	if k.ControlKey != "" {
		fmt.Fprintf(&b, "command:  go run bootaudit/cmd/bootaudit attach %s COMMAND\n", k.Name)
	}
	if k.SSH != "" {
		fmt.Fprintf(&b, "ssh:      %s\n", k.SSH)
	}
	fmt.Fprintf(&b, "monitor:  QMP at %s\n", filepath.Join(k.Sockets, port.Monitor))
	fmt.Fprintf(&b, "files:    %s\n", k.Folder)
	fmt.Fprintf(&b, "end it:   go run bootaudit/cmd/bootaudit attach -end %s\n", k.Name)
	return b.String()
}

// List lists the kept VMs that still run, by name, and forgets the others.
func List(cache string) ([]VM, error) {
	entries, err := os.ReadDir(folder(cache))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []VM
	for _, e := range entries {
		file := filepath.Join(folder(cache), e.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var k VM
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
func (k VM) runs() bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", k.PID))
	return err == nil && strings.Contains(string(line), k.Sockets)
}

func (k VM) forget(cache string) {
	os.Remove(filepath.Join(folder(cache), k.Name+".json"))
	os.RemoveAll(k.Sockets)
}

// Find is the kept VM called name, which may be the beginning of its name;
// "" is the only one.
func Find(cache, name string) (VM, error) {
	all, err := List(cache)
	if err != nil {
		return VM{}, err
	}
	var names []string
	for _, k := range all {
		names = append(names, k.Name)
	}
	found := slices.DeleteFunc(all, func(k VM) bool { return !strings.HasPrefix(k.Name, name) })
	switch {
	case len(names) == 0:
		return VM{}, errors.New("no VM is kept; BOOT_IMAGE_DEBUG=1 keeps the VM of a check that fails")
	case len(found) == 0:
		return VM{}, fmt.Errorf("no kept VM is called %s; there are: %s", name, strings.Join(names, ", "))
	case len(found) > 1:
		return VM{}, fmt.Errorf("several VMs are kept, name one: %s", strings.Join(names, ", "))
	}
	return found[0], nil
}

// Console connects to the VM's serial console. One connection at a time is
// served; what the guest prints meanwhile goes to serial.log only.
func (k VM) Console(ctx context.Context) (net.Conn, error) {
	return k.dial(ctx, port.Console)
}

func (k VM) dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := port.Dial(ctx, filepath.Join(k.Sockets, socket))
	if err != nil {
		return nil, fmt.Errorf("VM %s: %w", k.Name, err)
	}
	return conn, nil
}

// Run runs a command as root over the VM's control line.
func (k VM) Run(ctx context.Context, command string) (serial.Result, error) {
	if k.ControlKey == "" {
		return serial.Result{}, fmt.Errorf("VM %s has no control line: its boot did not come so far; use the console", k.Name)
	}
	conn, err := k.dial(ctx, port.Control)
	if err != nil {
		return serial.Result{}, err
	}
	line, err := serial.Resume(ctx, conn, k.ControlKey)
	if err != nil {
		return serial.Result{}, fmt.Errorf("VM %s: %w", k.Name, err)
	}
	defer line.Close()
	return line.Run(ctx, command)
}

// grace is how long each way of ending QEMU gets before the next, harder one.
const grace = 3 * time.Second

// End ends the VM: QEMU is asked, then killed.
func (k VM) End(ctx context.Context, cache string) error {
	if !k.runs() {
		k.forget(cache)
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if monitor, err := qmp.Dial(limited, filepath.Join(k.Sockets, port.Monitor), nil); err == nil {
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
