package record

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// ledgerLine is a line of the ledger; the names are those of today's ledger,
// and those below "name" are ours.
type ledgerLine struct {
	Timestamp   string       `json:"timestamp"`
	Metadata    string       `json:"metadata"`
	HarnessLog  string       `json:"harness_log"`
	SerialLog   string       `json:"serial_log"`
	SSH         SSH          `json:"ssh"`
	QEMU        ledgerQEMU   `json:"qemu"`
	PytestArgs  []string     `json:"pytest_args"` // of the test binary
	Timeouts    Limits       `json:"timeouts"`
	Outcome     string       `json:"outcome"` // passed, failed, error, unknown
	Timings     Timings      `json:"timings"`
	Ceiling     bool         `json:"session_ceiling_exceeded"`
	Diagnostics *Diagnostics `json:"diagnostics,omitempty"`

	Name        string `json:"name"`
	Accelerator string `json:"accelerator"`
}

type ledgerQEMU struct {
	Command []string `json:"command"`
	Version string   `json:"version,omitempty"`
}

// Limits are the VM's time limits, in seconds.
type Limits struct {
	Spawn float64 `json:"spawn_seconds"`
	Login float64 `json:"login_seconds"`
}

// sessionCeiling is the longest a VM's run may take, in seconds, before the
// Ledger marks it.
const sessionCeiling = 3600

// Ledger adds a line about the VM to the ledger file.
func (r *Record) Ledger(file string, args []string, limits Limits) {
	m := r.Now()
	line := ledgerLine{
		Timestamp: time.Now().UTC().Format(time.RFC3339), Metadata: r.Path(MetadataFile),
		HarnessLog: m.Logs.Harness, SerialLog: m.Logs.Serial, SSH: m.SSH,
		QEMU: ledgerQEMU{m.QEMU.Command, m.QEMU.Version}, PytestArgs: args, Timeouts: limits,
		Outcome: m.Outcome, Timings: m.Timings, Name: m.Name, Accelerator: m.Accelerator,
		Ceiling: m.Timings.Total != nil && *m.Timings.Total >= sessionCeiling,
	}
	if len(m.Diagnostics.Artifacts) > 0 {
		line.Diagnostics = &m.Diagnostics
	}
	r.Check(appendLine(file, line))
}

func appendLine(file string, line any) error {
	text, err := sortedJSON(line)
	if err != nil {
		return err
	}
	var compact any
	if err := json.Unmarshal(text, &compact); err != nil {
		return err
	}
	if text, err = json.Marshal(compact); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// One write: lines of several VMs do not mix.
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}
