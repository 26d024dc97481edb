package transcript

import "time"

// Shutdown is how the guest was switched off.
type Shutdown string

const (
	PowerDown Shutdown = "power-down" // the kernel said so
	Refused   Shutdown = "refused"    // it was asked by somebody who may not
	NoEnd     Shutdown = "none"
)

// Report is what happened, as far as the console shows. A nil pointer is what
// the guest did not show.
type Report struct {
	Stages           []string `json:"stages"` // in order; see [Stages]
	AutologinUser    *string  `json:"autologin_user"`
	Root             bool     `json:"root"` // whether a uid 0 shell was held
	StorageState     *string  `json:"storage_state"`
	StorageDetail    *string  `json:"storage_detail"`
	LANIPv4          *string  `json:"lan_ipv4"`
	LANAnnouncements int      `json:"lan_announcements"` // the service's, on the console
	Shutdown         Shutdown `json:"shutdown"`
	Cause            string   `json:"cause"` // see [Causes]; else a tripwire's ID; "none"

	// What became of the boot that ends the file; see package verdict.
	Verdict   string `json:"verdict"`    // boots, fails or unclear
	Stage     string `json:"stage"`      // the furthest that it truly reached; "" where no line tells
	Class     string `json:"class"`      // of what was wrong; "none" where it does not fail
	CauseLine int    `json:"cause_line"` // in the file, from 1; 0 for none
	CauseText string `json:"cause_text,omitempty"`
	Means     string `json:"cause_means,omitempty"`
	Remedy    string `json:"cause_remedy,omitempty"`

	// Reached are the stages of that boot, Noticed is what was seen on the way,
	// its cause apart.
	Reached []Reached `json:"reached,omitempty"`
	Noticed []Tripped `json:"noticed,omitempty"`
	// Around are the lines before and after the cause's, with it.
	Around []Numbered `json:"around,omitempty"`
	// Last is the console's last line, Question what an unclear one leaves open.
	Last     *Numbered `json:"last,omitempty"`
	Question string    `json:"question,omitempty"`

	Format   string             `json:"format"` // "raw", "no carriage returns" or "asciicast"
	Bytes    int64              `json:"bytes"`  // of the console
	Moments  map[string]float64 `json:"moments,omitempty"`
	Evidence []Evidence         `json:"evidence,omitempty"`
	Trips    []Tripped          `json:"trips,omitempty"`
	// Problem is why the file could not be read to its end.
	Problem string `json:"problem,omitempty"`
}

// Reached is a stage, with the line that showed it.
type Reached struct {
	Stage   string   `json:"stage"`
	Seconds *float64 `json:"seconds,omitempty"` // since the start, where the file tells
	Numbered
}

// Numbered is a line of the file, from 1.
type Numbered struct {
	Number int    `json:"number"`
	Line   string `json:"line"`
}

// Evidence is a line that shows a fact.
type Evidence struct {
	Fact   string `json:"fact"`
	Offset int64  `json:"offset"`           // of the line, in the console's bytes
	Number int    `json:"number,omitempty"` // of the line, from 1
	Line   string `json:"line"`
}

// Tripped is a tripwire that was touched.
type Tripped struct {
	ID     string `json:"id"`
	Means  string `json:"means"`
	Remedy string `json:"remedy"`
	Fatal  bool   `json:"fatal"`
	Offset int64  `json:"offset"`
	Number int    `json:"number,omitempty"`
	Line   string `json:"line"`
}

// Stages are the names in Report.Stages, in the order of a boot.
var Stages = []string{"bootloader", "kernel-load", "stage-1", "stage-2", "systemd",
	"issue", "autologin", "shell", "root-shell", "power-off"}

// moment is when something was printed, if the file tells.
type moment struct {
	known bool
	at    time.Duration
}
