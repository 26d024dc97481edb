package transcript

import (
	"bytes"
	"regexp"
	"slices"
	"time"

	"bootaudit/internal/screen"
	"bootaudit/internal/words"
	"bootaudit/serial"
)

// analyzer gathers the facts from what the guest printed, line by line.
type analyzer struct {
	lines screen.Lines
	watch *serial.Watch
	now   moment
	out   Report

	feeds   map[int]int // how many lines ended in so many carriage returns
	carry   []byte      // a line that was broken by a line feed alone
	ps1     []byte      // a prompt that was set by a command
	command string      // the one whose output is being printed; "" at a prompt
	asked   questions
	lan     lan
	storage storage
	unit    unit
	kernel  bool // the kernel has said something after it was loaded
	loaded  bool
}

func newAnalyzer() *analyzer {
	a := &analyzer{feeds: map[int]int{}}
	a.out.Shutdown = NoEnd
	a.out.Stages = []string{}
	a.lines.Each = a.line
	a.lines.Sequence = a.sequence
	a.watch = serial.NewWatch(serial.WatchConfig{
		Now: func() time.Time { return a.now.instant() },
		OnMilestone: func(r serial.Reached) {
			if r.Milestone == "autologin" {
				a.stage("issue", r.Offset, r.Line)
			}
			a.stage(r.Milestone, r.Offset, r.Line)
		},
		OnTrip: func(t serial.Trip) {
			if len(a.out.Trips) < 100 {
				a.out.Trips = append(a.out.Trips, Tripped{t.ID, t.Means, t.Remedy, t.Fatal, t.Offset, cut(t.Line)})
			}
		},
	})
	return a
}

// guest reads what the guest printed.
func (a *analyzer) guest(p []byte) {
	a.watch.Write(p)
	a.lines.Write(p)
	a.out.Bytes += int64(len(p))
}

// skip counts what was sent.
func (a *analyzer) skip(n int) {
	a.watch.Skip(n)
	a.lines.Skip(n)
	a.out.Bytes += int64(n)
}

func (a *analyzer) finish() Report {
	a.lines.Flush()
	a.watch.Close()
	a.storage.end(a)
	a.out.Cause = a.cause()
	return a.out
}

// stage notes that a stage was reached.
func (a *analyzer) stage(name string, offset int64, line string) {
	if !slices.Contains(Stages, name) || slices.Contains(a.out.Stages, name) {
		return
	}
	// What a stage's lines look like after it is over says nothing: services
	// are stopped at shutdown with the lines that they are started with.
	at := len(a.out.Stages)
	for at > 0 && slices.Index(Stages, a.out.Stages[at-1]) > slices.Index(Stages, name) {
		at--
	}
	if at < len(a.out.Stages) && name != "shell" && name != "issue" {
		return
	}
	a.out.Stages = slices.Insert(a.out.Stages, at, name)
	if a.now.known {
		if a.out.Moments == nil {
			a.out.Moments = map[string]float64{}
		}
		a.out.Moments[name] = a.now.at.Seconds()
	}
	a.show("stage "+name, offset, line)
}

// show keeps a line as the evidence of a fact. The last one counts.
func (a *analyzer) show(fact string, offset int64, line string) {
	e := Evidence{Fact: fact, Offset: offset, Line: cut(line)}
	for i, old := range a.out.Evidence {
		if old.Fact == fact {
			a.out.Evidence = append(slices.Delete(a.out.Evidence, i, i+1), e)
			return
		}
	}
	a.out.Evidence = append(a.out.Evidence, e)
}

func cut(line string) string {
	const most = 400
	if len(line) > most {
		line = line[:most] + "..."
	}
	return line
}

// sequence follows a shell's line editor: bracketed paste is on while it waits.
func (a *analyzer) sequence(csi []byte) {
	switch string(csi) {
	case "?2004h":
		a.ready()
	case "?2004l":
		if a.command == "" {
			a.command = "?"
		}
	}
}

// ready notes that a shell waits for a command.
func (a *analyzer) ready() {
	a.command = ""
	a.lan.ready()
}

// line looks at one line of the guest.
func (a *analyzer) line(l screen.Line) {
	text := bytes.TrimRight(l.Text, " \t")
	if len(text) == 0 {
		return
	}
	if l.End == screen.CRLF {
		a.feeds[l.Feeds]++
	}
	// A line in two halves, where something was sent in between and not echoed.
	whole := text
	if len(a.carry) > 0 {
		whole = append(a.carry, text...)
	}
	typed, isPrompt := a.prompt(text)
	if isPrompt {
		a.ready()
		if len(typed) > 0 && !serial.Stamped(typed) {
			a.command = string(typed)
			a.asked.note(a.command)
		}
		a.rootPrompt(text, l)
	}
	if set := ps1.FindSubmatch(text); set != nil {
		a.ps1 = bytes.Clone(set[1])
	}
	found := factWords.Find(text, nil)
	if len(found) > 0 || len(text) < 200 && a.asked.open() {
		a.facts(text, l)
	}
	if len(whole) > len(text) && len(whole) < 256 {
		a.lan.line(a, whole, l, true)
	}
	a.carry = a.carry[:0]
	if l.End == screen.LF && len(text) < 128 {
		a.carry = append(a.carry, text...)
	}
}

var ps1 = regexp.MustCompile(`PS1='([^']{1,64})'`)

// prompt is what was typed behind a prompt at the line's beginning.
func (a *analyzer) prompt(text []byte) (typed []byte, ok bool) {
	if set := bytes.TrimRight(a.ps1, " "); len(set) > 0 && bytes.HasPrefix(text, set) {
		return bytes.TrimSpace(text[len(set):]), true
	}
	if at := serial.Prompt.FindIndex(text); at != nil {
		return bytes.TrimSpace(text[at[1]:]), true
	}
	return nil, false
}

// factWords are the words without which a line shows no fact.
var factWords = words.New([]string{
	"(automatic login)", "LAN IPv4", "LAN_IPV4", "inet ", "Address:", "DHCPv4", ": lan", `"lan"`,
	"STATE=", "DETAIL=", "REASON=", "pre-nixos", "Pre-NixOS", "Active: ", "State=", "no_devices", "no devices",
	"reboot: ", "Power down", "PowerOff", "power off", "id -u", "uid=", "] ",
})

// facts looks at a line for everything but stages.
func (a *analyzer) facts(text []byte, l screen.Line) {
	if m := autologin.FindSubmatch(text); m != nil && a.command == "" {
		user := string(m[1])
		a.out.AutologinUser = &user
		a.show("autologin_user", l.Offset, string(text))
	}
	a.lan.line(a, text, l, false)
	a.storage.line(a, text, l)
	a.unit.line(a, text, l)
	a.uid(text, l)
	a.end(text, l)
	if a.loaded = a.loaded || slices.Contains(a.out.Stages, "kernel-load"); a.loaded && serial.Stamped(text) {
		a.kernel = true
	}
}

var (
	autologin = regexp.MustCompile(`^[\w.-]+ login: ([\w.-]+) \(automatic login\)`)
	powerDown = regexp.MustCompile(`(?:^|\[ *\d+\.\d+\] )reboot: (?:Power down|System halted)|^Power down\.$`)
	refused   = regexp.MustCompile(`(?i)^(?:Call to (?:PowerOff|Halt|Reboot)\w* failed: |Failed to (?:power off|halt|reboot|start poweroff\.target)\b.*: .*(?:auth|denied|permit|permission)|(?:\S*poweroff|shutdown|halt): (?:must be|need to be|Operation not permitted|Permission denied))`)
)

// end looks for how the guest was switched off.
func (a *analyzer) end(text []byte, l screen.Line) {
	switch {
	case powerDown.Match(text) && !a.asked.forLog(a.command):
		a.out.Shutdown = PowerDown
		a.stage("power-off", l.Offset, string(text))
		a.show("shutdown", l.Offset, string(text))
	case a.out.Shutdown == NoEnd && refused.Match(text):
		a.out.Shutdown = Refused
		a.show("shutdown", l.Offset, string(text))
	}
}
