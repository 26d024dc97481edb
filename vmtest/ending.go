package vmtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bootaudit/internal/kept"
	"bootaudit/internal/plain"
	"bootaudit/internal/record"
	"bootaudit/serial"
)

// Close ends the VM, unless it has failed and is to be kept, and its record. attr,
// when not nil, gets the VM's attribute in place of the harness's.
func (s *Session) Close(attr func(name, value string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.record == nil {
		return
	}
	s.closed = true
	if s.release != nil {
		defer s.release()
	}
	outcome := "passed"
	switch {
	case s.vm == nil:
		outcome = "error"
	case s.failed:
		outcome = "failed"
	case s.unsure:
		outcome = "unknown"
	}
	kept := false
	if s.vm != nil {
		close(s.quiet)
		kept = s.endVM()
	}
	s.complete(outcome)
	if s.vm != nil {
		s.tellAttribute(outcome, attr)
		if !kept {
			s.removeDisks()
		}
	}
	if s.temp && outcome == "passed" {
		os.RemoveAll(s.record.Path(""))
		return
	}
	s.tell("%s; files are in %s", outcome, s.record.Path(""))
}

// endVM saves the last screen and ends QEMU, or keeps it for a person.
func (s *Session) endVM() (kept bool) {
	screen := plain.Text(s.vm.Console.Screen()) + "\n"
	s.record.Check(os.WriteFile(s.record.Path(record.ScreenFile), []byte(screen), 0o644))
	if s.failed && s.harness.Keep && s.vm.alive.Err() == nil {
		s.keep()
		return true
	}
	s.vm.kill(s.harness.grace())
	s.record.Update(func(m *record.Metadata) { m.Ending = s.vm.process.exit() })
	return false
}

// complete writes the last of the record, and the ledger.
func (s *Session) complete(outcome string) {
	end := time.Now()
	s.record.Update(func(m *record.Metadata) {
		m.Outcome = outcome
		m.Timings.End = end.UTC().Format(time.RFC3339)
		total := end.Sub(s.started0()).Round(time.Millisecond).Seconds()
		m.Timings.Total = &total
	})
	if h := s.harness; !h.NoLedger {
		s.record.Ledger(h.ledger(s.record.Path("")), os.Args[1:], record.Limits{Spawn: h.SpawnTimeout.Seconds(), Login: h.LoginTimeout.Seconds()})
	}
	if s.cast != nil {
		s.record.Check(s.cast.Close())
	}
	s.record.Close()
}

func (s *Session) tellAttribute(outcome string, attr func(name, value string)) {
	if attr == nil {
		attr = s.harness.Attr
	}
	m := s.record.Now()
	text, err := json.Marshal(record.VM{
		Name: m.Name, Folder: s.record.Path(""), CommandLine: m.QEMU.Command, QEMUVersion: m.QEMU.Version,
		Accelerator: m.Accelerator, Timings: m.Timings, Stages: m.Stages, Outcome: outcome,
	})
	if err == nil && attr != nil {
		attr("vm", string(text))
	}
}

// removeDisks removes the disks that were made for the VM: they are large, and
// what they showed is in the record.
func (s *Session) removeDisks() {
	files := []string{s.vm.Machine.Vars}
	for _, d := range s.vm.Machine.Disks {
		files = append(files, d.File)
	}
	for _, file := range files {
		if filepath.Dir(file) == s.record.Path("") {
			s.record.Check(os.Remove(file))
		}
	}
}

// keep lets the VM run on, and says how to get at it. s.mu is held.
func (s *Session) keep() {
	vm := s.vm
	k := kept.VM{
		Name: fmt.Sprintf("%s-%d", s.plan.Name, vm.process.pid), PID: vm.process.pid,
		Folder: vm.Machine.Folder, Sockets: vm.Machine.Sockets,
	}
	if line, ok := vm.Root.(*serial.Control); ok {
		k.ControlKey = line.Key()
	}
	if key := s.plan.RootKey; vm.SSHPort != 0 && key.Private != "" {
		k.SSH = fmt.Sprintf("ssh -i %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@127.0.0.1", key.Private, vm.SSHPort, cmp.Or(s.plan.Contract.SSH.User, "root"))
	}
	if err := vm.giveConsole(context.Background()); err != nil {
		s.record.Say("the console's shell may not answer: %v", err)
	}
	vm.release()
	s.record.Check(k.Keep(s.harness.Cache))
	s.tell("kept, because a check failed (BOOT_IMAGE_DEBUG)")
	for line := range strings.Lines(k.Usage()) {
		s.tell("  %s", strings.TrimSpace(line))
	}
}
