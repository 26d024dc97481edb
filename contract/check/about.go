package check

// AboutAttr is the test attribute that carries an [About] as JSON.
const AboutAttr = "about"

// About says where a run of checks took place and what it was about. What
// could not be found out is empty.
type About struct {
	Host     string `json:"host,omitempty"`     // the host's name
	System   string `json:"system,omitempty"`   // distribution, kernel, architecture, CPUs
	Go       string `json:"go,omitempty"`       // version
	Version  string `json:"version,omitempty"`  // bootaudit's
	Target   string `json:"target,omitempty"`   // what is audited
	Revision string `json:"revision,omitempty"` // git's, of the target
	// Environ are the assignments, quoted for a shell, that name the target to go
	// test. Command, when set, is the command that was used in place of go test.
	Environ string `json:"environ,omitempty"`
	Command string `json:"command,omitempty"`
}
