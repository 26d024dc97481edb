package vmtest

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
