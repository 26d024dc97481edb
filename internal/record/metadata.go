package record

import (
	"iter"
	"reflect"
	"strings"
)

// Metadata is metadata.json. The names that tools read today keep their
// meaning; those from "name" on are ours.
type Metadata struct {
	GeneratedAt string      `json:"generated_at"`
	Artifact    Artifact    `json:"artifact"`
	Logs        Logs        `json:"logs"`
	QEMU        QEMU        `json:"qemu"`
	SSH         SSH         `json:"ssh"`
	Diagnostics Diagnostics `json:"diagnostics"`
	Timings     Timings     `json:"timings"`

	Name        string   `json:"name"`
	Accelerator string   `json:"accelerator"`
	Firmware    string   `json:"firmware"`
	Stages      []Stage  `json:"stages"`
	Outcome     string   `json:"outcome,omitempty"`
	Ending      string   `json:"ending,omitempty"` // how QEMU ended
	Errors      []string `json:"errors,omitempty"`
	Trips       []Trip   `json:"tripwires,omitempty"`
}

// VM is the `vm` attribute of the test that ends a VM, and what metadata.json
// says of a VM beside that.
type VM struct {
	Name        string   `json:"name"`
	Folder      string   `json:"folder"`
	CommandLine []string `json:"command_line"`
	QEMUVersion string   `json:"qemu_version"`
	Accelerator string   `json:"accelerator"`
	Timings     Timings  `json:"timings"`
	Stages      []Stage  `json:"stages"`
	Outcome     string   `json:"outcome"`

	// In metadata.json alone: they have no bound.
	Firmware string   `json:"firmware,omitempty"`
	Ending   string   `json:"ending,omitempty"`
	Errors   []string `json:"errors,omitempty"`
	Trips    []Trip   `json:"tripwires,omitempty"`
}

// Artifact is the image, and what is known of where it came from.
type Artifact struct {
	ISO         string `json:"iso_path"`
	StorePath   string `json:"store_path,omitempty"`
	Deriver     string `json:"deriver,omitempty"`
	NARHash     string `json:"nar_hash,omitempty"`
	Fingerprint string `json:"root_key_fingerprint,omitempty"`
}

// Logs are the paths of the VM's logs.
type Logs struct {
	Harness string `json:"harness"`
	Serial  string `json:"serial"`
}

// QEMU is what was started.
type QEMU struct {
	Command    []string `json:"command"`
	DiskImage  string   `json:"disk_image,omitempty"`
	ExtraDisks []string `json:"extra_disks,omitempty"`
	Version    string   `json:"version,omitempty"`
}

// SSH is where the guest's port 22 is.
type SSH struct {
	Host       string `json:"host,omitempty"`
	Port       int    `json:"port,omitempty"`
	Executable string `json:"executable,omitempty"` // the client is built in
}

// Diagnostics are what was collected about failures.
type Diagnostics struct {
	Directory string       `json:"directory"`
	Artifacts []Diagnostic `json:"artifacts"`
}

// Diagnostic is a file of them.
type Diagnostic struct {
	Label string `json:"label"`
	Path  string `json:"path"`
}

// Timings are in seconds from the VM's start, and are what they are called.
type Timings struct {
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

// Stage is a point that a boot reached, in seconds after the VM's start.
type Stage struct {
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// Trip is a line of the console that means trouble.
type Trip struct {
	ID      string  `json:"id"`
	Line    string  `json:"line"`
	Fatal   bool    `json:"fatal"`
	Seconds float64 `json:"seconds"`
}

// Seconds are the timings that are known, by the names that they have in JSON.
func (t Timings) Seconds() iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		v, names := reflect.ValueOf(t), reflect.TypeFor[Timings]()
		for i := range v.NumField() {
			seconds, ok := v.Field(i).Interface().(*float64)
			name, _, _ := strings.Cut(names.Field(i).Tag.Get("json"), ",")
			if ok && seconds != nil && !yield(name, *seconds) {
				return
			}
		}
	}
}
