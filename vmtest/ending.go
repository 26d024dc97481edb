package vmtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"bootaudit/internal/plain"
)

// vmAttribute is the `vm` attribute of the test that ends a VM.
type vmAttribute struct {
	Name        string      `json:"name"`
	Folder      string      `json:"folder"`
	CommandLine []string    `json:"command_line"`
	QEMUVersion string      `json:"qemu_version"`
	Accelerator string      `json:"accelerator"`
	Timings     timings     `json:"timings"`
	Stages      []stageData `json:"stages"`
	Outcome     string      `json:"outcome"`
}

// close ends the VM and its record. A VM that failed is kept under
// BOOT_IMAGE_DEBUG=1.
func (s *session) close(attr func(name, value string)) {
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
		os.RemoveAll(s.record.folder)
		return
	}
	s.tell("%s; files are in %s", outcome, s.record.folder)
}

// endVM saves the last screen and ends QEMU, or keeps it for a person.
func (s *session) endVM() (kept bool) {
	screen := plain.Text(s.vm.Console.Screen()) + "\n"
	s.record.check(os.WriteFile(s.record.path(screenFile), []byte(screen), 0o644))
	if s.failed && s.fleet.cfg.Debug && s.vm.alive.Err() == nil {
		s.keep()
		return true
	}
	s.vm.Kill()
	s.record.update(func(m *metadata) { m.Ending = s.vm.process.exit() })
	return false
}

// complete writes the last of the record, and the ledger.
func (s *session) complete(outcome string) {
	end := time.Now()
	s.record.update(func(m *metadata) {
		m.Outcome = outcome
		m.Timings.End = end.UTC().Format(time.RFC3339)
		total := end.Sub(s.started0()).Round(time.Millisecond).Seconds()
		m.Timings.Total = &total
	})
	if cfg := s.fleet.cfg; !cfg.DisableLedger {
		file := string(cfg.LedgerPath)
		if file == "" {
			file = filepath.Join(s.ledgerFolder(), "vm-run-ledger.jsonl")
		}
		s.record.ledger(file, os.Args[1:], ledgerTimeouts{cfg.SpawnTimeout.Duration().Seconds(), cfg.LoginTimeout.Duration().Seconds()})
	}
	if s.cast != nil {
		s.record.check(s.cast.Close())
	}
	s.record.close()
}

func (s *session) tellAttribute(outcome string, attr func(name, value string)) {
	if attr == nil {
		attr = s.fleet.attr
	}
	m := s.record.now()
	text, err := json.Marshal(vmAttribute{m.Name, s.record.folder, m.QEMU.Command, m.QEMU.Version, m.Accelerator, m.Timings, m.Stages, outcome})
	if err == nil && attr != nil {
		attr("vm", string(text))
	}
}

// ledgerFolder is where the ledger lies by default: beside the VMs' folders.
func (s *session) ledgerFolder() string {
	switch cfg := s.fleet.cfg; {
	case cfg.Artifacts != "":
		return string(cfg.Artifacts)
	case cfg.LogRoot != "":
		return string(cfg.LogRoot)
	default:
		return s.record.folder
	}
}

// removeDisks removes the disks that were made for the VM: they are large, and
// what they showed is in the record.
func (s *session) removeDisks() {
	files := []string{s.vm.Machine.Vars}
	for _, d := range s.vm.Machine.Disks {
		files = append(files, d.File)
	}
	for _, file := range files {
		if filepath.Dir(file) == s.record.folder {
			s.record.check(os.Remove(file))
		}
	}
}
