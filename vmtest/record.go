package vmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Files in a VM's folder, beside those that QEMU writes.
const (
	harnessFile  = "harness.log"
	metadataFile = "metadata.json"
	castFile     = "console.cast"
	screenFile   = "screen.txt"
	diagnostics  = "diagnostics"
)

// record is what a VM leaves behind for people and other tools. A write that
// fails never fails the run: it is a line of the harness's log, and of warn.
type record struct {
	folder string
	warn   func(string)

	mu    sync.Mutex
	log   *os.File
	count int // of diagnostics
	meta  metadata
}

// metadata is metadata.json. The names that tools read today keep their
// meaning; those below "accelerator" are ours.
type metadata struct {
	GeneratedAt string          `json:"generated_at"`
	Artifact    artifact        `json:"artifact"`
	Logs        logs            `json:"logs"`
	QEMU        qemuData        `json:"qemu"`
	SSH         sshData         `json:"ssh"`
	Diagnostics diagnosticsData `json:"diagnostics"`
	Timings     timings         `json:"timings"`

	Name        string        `json:"name"`
	Accelerator string        `json:"accelerator"`
	Firmware    string        `json:"firmware"`
	Stages      []stageData   `json:"stages"`
	Outcome     string        `json:"outcome,omitempty"`
	Ending      string        `json:"ending,omitempty"` // how QEMU ended
	Errors      []string      `json:"errors,omitempty"`
	Trips       []trippedData `json:"tripwires,omitempty"`
}

type artifact struct {
	ISO         string `json:"iso_path"`
	StorePath   string `json:"store_path,omitempty"`
	Deriver     string `json:"deriver,omitempty"`
	NARHash     string `json:"nar_hash,omitempty"`
	Fingerprint string `json:"root_key_fingerprint,omitempty"`
}

type logs struct {
	Harness string `json:"harness"`
	Serial  string `json:"serial"`
}

type qemuData struct {
	Command    []string `json:"command"`
	DiskImage  string   `json:"disk_image,omitempty"`
	ExtraDisks []string `json:"extra_disks,omitempty"`
	Version    string   `json:"version,omitempty"`
}

type sshData struct {
	Host       string `json:"host,omitempty"`
	Port       int    `json:"port,omitempty"`
	Executable string `json:"executable,omitempty"` // the client is built in
}

type diagnosticsData struct {
	Directory string       `json:"directory"`
	Artifacts []diagnostic `json:"artifacts"`
}

type diagnostic struct {
	Label string `json:"label"`
	Path  string `json:"path"`
}

// timings are in seconds from the VM's start, and are what they are called.
type timings struct {
	Start   string   `json:"start"`
	End     string   `json:"end,omitempty"`
	Build   *float64 `json:"build_seconds,omitempty"`
	Login   *float64 `json:"boot_to_login_seconds,omitempty"` // the login user's shell
	Root    *float64 `json:"boot_to_root_seconds,omitempty"`
	Storage *float64 `json:"boot_to_storage_status_seconds,omitempty"`
	Address *float64 `json:"boot_to_address_seconds,omitempty"`
	SSH     *float64 `json:"boot_to_ssh_seconds,omitempty"` // a command over SSH answered
	Total   *float64 `json:"total_seconds,omitempty"`
}

type stageData struct {
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

type trippedData struct {
	ID      string  `json:"id"`
	Line    string  `json:"line"`
	Fatal   bool    `json:"fatal"`
	Seconds float64 `json:"seconds"`
}

// newRecord starts a record in folder, which exists or can be made.
func newRecord(folder string, warn func(string)) *record {
	r := &record{folder: folder, warn: warn}
	r.check(os.MkdirAll(filepath.Join(folder, diagnostics), 0o755))
	var err error
	r.log, err = os.OpenFile(r.path(harnessFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	r.check(err)
	r.meta = metadata{
		Logs:        logs{Harness: r.path(harnessFile), Serial: r.path(transcriptFile)},
		Diagnostics: diagnosticsData{Directory: r.path(diagnostics), Artifacts: []diagnostic{}},
		Stages:      []stageData{},
	}
	return r
}

func (r *record) path(name string) string { return filepath.Join(r.folder, name) }

// check passes a failed write on to warn.
func (r *record) check(err error) {
	if err != nil && r.warn != nil {
		r.warn(fmt.Sprintf("the VM's record is not whole: %v", err))
	}
}

// say adds to the harness's log: a line with the time, further lines indented.
func (r *record) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	text = strings.ReplaceAll(printable(text), "\n", "\n    ")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log != nil {
		_, err := fmt.Fprintf(r.log, "[%s] %s\n", time.Now().UTC().Format(time.RFC3339Nano), text)
		r.check(err)
	}
}

// note keeps an error in the metadata, and says it.
func (r *record) note(err error) {
	r.say("%v", err)
	r.update(func(m *metadata) { m.Errors = append(m.Errors, err.Error()) })
}

// update changes the metadata and writes it.
func (r *record) update(change func(*metadata)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.meta)
	r.meta.GeneratedAt = time.Now().UTC().Format(time.RFC3339)
	text, err := sortedJSON(r.meta)
	if err == nil {
		err = writeWhole(r.path(metadataFile), text)
	}
	r.check(err)
}

// timed sets one of the metadata's timings to the seconds since the VM's start.
func (r *record) timed(start time.Time, field func(*timings) **float64) {
	seconds := time.Since(start).Round(time.Millisecond).Seconds()
	r.update(func(m *metadata) {
		if at := field(&m.Timings); *at == nil {
			*at = &seconds
		}
	})
}

// diagnose saves what was collected about a failure as
// diagnostics/<slug>-<NN>.<ext>, one counter per VM.
func (r *record) diagnose(label, ext string, content []byte) string {
	r.mu.Lock()
	r.count++
	path := filepath.Join(r.folder, diagnostics, fmt.Sprintf("%s-%02d.%s", slug(label), r.count, ext))
	r.mu.Unlock()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		r.check(err)
		return path
	}
	r.update(func(m *metadata) {
		m.Diagnostics.Artifacts = append(m.Diagnostics.Artifacts, diagnostic{label, path})
	})
	return path
}

func (r *record) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log != nil {
		r.check(r.log.Close())
		r.log = nil
	}
}

var unsafeInName = regexp.MustCompile(`[^a-z0-9]+`)

// slug is a label as part of a file's name.
func slug(label string) string {
	s := strings.Trim(unsafeInName.ReplaceAllString(strings.ToLower(label), "-"), "-")
	if len(s) > 60 {
		s = strings.TrimRight(s[:60], "-")
	}
	if s == "" {
		return "diagnostic"
	}
	return s
}

// printable replaces control characters that a guest may have sent.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// sortedJSON is v with its keys sorted, as the files' readers expect.
func sortedJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var sorted any
	if err := json.Unmarshal(text, &sorted); err != nil {
		return nil, err
	}
	text, err = json.MarshalIndent(sorted, "", "  ")
	return append(text, '\n'), err
}

// writeWhole replaces a file, which its readers see whole or not at all.
func writeWhole(name string, content []byte) error {
	temp := name + ".new"
	if err := os.WriteFile(temp, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, name)
}

// ledgerLine is a line of the ledger; the names are those of today's ledger,
// and those below "name" are ours.
type ledgerLine struct {
	Timestamp   string           `json:"timestamp"`
	Metadata    string           `json:"metadata"`
	HarnessLog  string           `json:"harness_log"`
	SerialLog   string           `json:"serial_log"`
	SSH         sshData          `json:"ssh"`
	QEMU        ledgerQEMU       `json:"qemu"`
	PytestArgs  []string         `json:"pytest_args"` // of the test binary
	Timeouts    ledgerTimeouts   `json:"timeouts"`
	Outcome     string           `json:"outcome"` // passed, failed, error, unknown
	Timings     timings          `json:"timings"`
	Ceiling     bool             `json:"session_ceiling_exceeded"`
	Diagnostics *diagnosticsData `json:"diagnostics,omitempty"`

	Name        string `json:"name"`
	Accelerator string `json:"accelerator"`
}

type ledgerQEMU struct {
	Command []string `json:"command"`
	Version string   `json:"version,omitempty"`
}

type ledgerTimeouts struct {
	Spawn float64 `json:"spawn_seconds"`
	Login float64 `json:"login_seconds"`
}

// sessionCeiling is the longest a VM's run may take, in seconds, before the
// ledger marks it.
const sessionCeiling = 3600

// ledger adds a line about the VM to the ledger file.
func (r *record) ledger(file string, args []string, limits ledgerTimeouts) {
	r.mu.Lock()
	m := r.meta
	r.mu.Unlock()
	line := ledgerLine{
		Timestamp: time.Now().UTC().Format(time.RFC3339), Metadata: r.path(metadataFile),
		HarnessLog: m.Logs.Harness, SerialLog: m.Logs.Serial, SSH: m.SSH,
		QEMU: ledgerQEMU{m.QEMU.Command, m.QEMU.Version}, PytestArgs: args, Timeouts: limits,
		Outcome: m.Outcome, Timings: m.Timings, Name: m.Name, Accelerator: m.Accelerator,
		Ceiling: m.Timings.Total != nil && *m.Timings.Total >= sessionCeiling,
	}
	if len(m.Diagnostics.Artifacts) > 0 {
		line.Diagnostics = &m.Diagnostics
	}
	r.check(appendLine(file, line))
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

// runFolder makes the folder of a VM's files: <artifacts>/<name>, or
// <log root>/<UTC>-vm-run/logs as today's tools expect it, or a temporary one.
func runFolder(artifacts, logRoot, name string, now time.Time) (folder string, temporary bool, err error) {
	switch {
	case artifacts != "":
		folder, err = freshFolder(filepath.Join(artifacts, name), "")
	case logRoot != "":
		folder, err = freshFolder(filepath.Join(logRoot, now.UTC().Format("2006-01-02T150405Z")), "-vm-run")
		if err == nil {
			folder = filepath.Join(folder, "logs")
			err = os.Mkdir(folder, 0o755)
		}
	default:
		folder, err = os.MkdirTemp("", "bootaudit-"+name+"-")
		temporary = true
	}
	if err != nil {
		err = fmt.Errorf("no folder for the files of VM %s: %w", name, err)
	}
	return folder, temporary, err
}

// freshFolder makes base+suffix, or base-2+suffix and so on where it exists.
func freshFolder(base, suffix string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		folder := base + suffix
		if n > 1 {
			folder = fmt.Sprintf("%s-%d%s", base, n, suffix)
		}
		if err := os.Mkdir(folder, 0o755); !errors.Is(err, fs.ErrExist) {
			return folder, err
		}
	}
}
