package transcript

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"time"

	"bootaudit/contract"

	"bootaudit/internal/screen"
	"bootaudit/internal/verdict"
	"bootaudit/serial/watch"
)

// analyzer gathers the facts from what the guest printed, line by line.
type analyzer struct {
	lines   screen.Lines
	boot    verdict.Reader
	trips   trips
	reached int // the last milestone, by its place

	ended  int // lines, so far
	last   Numbered
	starts int      // of the machine
	ending []byte   // the last line
	stood  []moment // when each stage of the boot was reached
	now    moment
	times  []tick // of what is still to come, in a file that tells
	out    Report
	// number is the number of the file's line that an offset is in.
	number func(offset int64) int

	feeds   map[int]int // how many lines ended in so many carriage returns
	carry   []byte      // a line that was broken by a line feed alone
	ps1     []byte      // a prompt that was set by a command
	command string      // the one whose output is being printed; "" at a prompt
	asked   questions
	lan     lan
	storage storage
	unit    unit
	terms   *contract.Contract // nil until they are known
	loaded  bool               // the bootloader has said that the kernel is in memory
	kernel  bool               // the kernel has said something after that
}

func newAnalyzer(t Terms) *analyzer {
	a := &analyzer{terms: t.Contract, feeds: map[int]int{}, number: func(int64) int { return 0 }}
	a.out.Shutdown = NoEnd
	a.out.Stages = []string{}
	a.lines.Each = a.line
	a.lines.Sequence = a.sequence
	a.reached = -1
	a.trips.seen = map[string]bool{}
	a.boot.Saw = a.saw
	return a
}

// tick says when the bytes up to an offset were printed.
type tick struct {
	until int64
	at    time.Duration
}

// guest reads what the guest printed.
func (a *analyzer) guest(p []byte) {
	for len(p) > 0 {
		// Line by line, so that a line's stage is known when its facts are
		// looked for, and that of no later line.
		n := len(p)
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			n = i + 1
		}
		n = a.tick(n)
		a.lines.Write(p[:n])
		a.out.Bytes += int64(n)
		if p[n-1] == '\n' {
			a.ended++
		}
		p = p[n:]
	}
}

// tick sets the clock, and returns how many of the next n bytes it is right for.
func (a *analyzer) tick(n int) int {
	for len(a.times) > 0 && a.times[0].until <= a.out.Bytes {
		a.times = a.times[1:]
	}
	if len(a.times) == 0 {
		return n
	}
	a.now = moment{true, a.times[0].at}
	return int(min(int64(n), a.times[0].until-a.out.Bytes))
}

// at sets the clock for what comes next.
func (a *analyzer) at(t time.Duration) { a.now = moment{true, t} }

// skip counts what was sent.
func (a *analyzer) skip(n int) {
	a.lines.Skip(n)
	a.out.Bytes += int64(n)
}

func (a *analyzer) finish() Report {
	a.lines.Flush()
	a.storage.end(a)
	a.unpromised()
	v := a.boot.Verdict()
	a.settle(v)
	a.out.Cause = a.cause()
	a.out.Verdict, a.out.Stage, a.out.Class = v.Verdict, v.Stage, v.Class
	a.out.CauseLine, a.out.CauseText, a.out.Means, a.out.Remedy = v.Cause.Number, v.Cause.Text, v.Means, v.Remedy
	a.tell(v)
	return a.out
}

// unpromised takes back facts about what nobody has promised: of any other system
// the same words mean something else.
func (a *analyzer) unpromised() {
	var drop []string
	if a.terms == nil || a.terms.Network.Interface != contract.PreNixOS().Network.Interface {
		a.out.LANIPv4, a.out.LANAnnouncements = nil, 0
		drop = append(drop, "lan_ipv4", "lan_announcements")
	}
	if a.terms == nil || a.terms.Storage.StatusFile == "" {
		a.out.StorageState, a.out.StorageDetail = nil, nil
		drop = append(drop, "storage_state")
	}
	a.out.Evidence = slices.DeleteFunc(a.out.Evidence, func(e Evidence) bool { return slices.Contains(drop, e.Fact) })
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
	e := Evidence{Fact: fact, Offset: offset, Number: a.number(offset), Line: cut(line)}
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
			a.command = unknown
		}
	}
}

// unknown is a command that was not seen being typed.
const unknown = "?"

// ready notes that a shell waits for a command.
func (a *analyzer) ready() {
	a.command = ""
	a.lan.ready()
	a.trips.held = nil // what a command shows is no news
}

// line looks at one line of the guest.
func (a *analyzer) line(l screen.Line) {
	number := cmp.Or(a.number(l.Offset), a.ended+1)
	a.boot.Line(number, l.Offset, l.Text)
	if starts := a.boot.Starts(); starts != a.starts {
		a.again(starts, l)
	}
	a.timed()
	text := bytes.TrimRight(l.Text, " \t")
	if len(text) == 0 {
		return
	}
	a.ending = append(a.ending[:0], text[:min(len(text), maxEnding)]...)
	a.last.Number = number
	if l.End == screen.CRLF {
		a.feeds[l.Feeds]++
	}
	// A line in two halves, where something was sent in between and not echoed.
	whole := text
	if len(a.carry) > 0 {
		whole = append(a.carry, text...)
	}
	end, shells := watch.PromptEnd(text)
	typed, isPrompt := a.prompt(text, end, shells)
	if isPrompt {
		a.ready()
		if len(typed) > 0 && !watch.Stamped(typed) {
			a.command = string(typed)
			a.asked.note(a.command)
		}
		a.rootPrompt(text, l)
	}
	in := wordsOf(text)
	if a.terms == nil && in.has(wordProfile) {
		terms := contract.PreNixOS()
		a.terms = &terms
	}
	a.milestone(l, in, shells)
	a.logins(l, text, in)
	a.alarms(l, text)
	if in.has(wordPS1) {
		if set := ps1.FindSubmatch(text); set != nil {
			a.ps1 = bytes.Clone(set[1])
		}
	}
	a.facts(text, l, in)
	if len(whole) > len(text) && len(whole) < 256 {
		a.lan.halves(a, whole, l)
	}
	a.carry = a.carry[:0]
	if l.End == screen.LF && len(text) < 128 {
		a.carry = append(a.carry, text...)
	}
}

var ps1 = regexp.MustCompile(`PS1='([^']{1,64})'`)

// prompt is what was typed behind a prompt at the line's beginning.
func (a *analyzer) prompt(text []byte, end int, shells bool) (typed []byte, ok bool) {
	if set := bytes.TrimRight(a.ps1, " "); len(set) > 0 && bytes.HasPrefix(text, set) {
		return bytes.TrimSpace(text[len(set):]), true
	}
	if shells {
		return bytes.TrimSpace(text[end:]), true
	}
	return nil, false
}

// facts looks at a line for everything but stages.
func (a *analyzer) facts(text []byte, l screen.Line, in wordSet) {
	if in.has(wordAutologin) && a.command == "" && !slices.Contains(a.out.Stages, "shell") {
		if m := autologin.FindSubmatch(text); m != nil {
			user := string(m[1])
			a.out.AutologinUser = &user
			a.show("autologin_user", l.Offset, string(text))
		}
	}
	a.lan.line(a, text, l, in)
	a.storage.line(a, text, l, in)
	a.unit.line(a, text, l, in)
	a.uid(text, l, in)
	a.end(text, l, in)
	if in.has(wordLoading, wordLoaded) {
		a.loaded = a.loaded || loadedLine.Match(text)
	}
	if !a.kernel && a.loaded {
		a.kernel = watch.Stamped(text)
	}
}

var (
	autologin  = regexp.MustCompile(`login: ([\w.-]+) \(automatic login\)`)
	loadedLine = regexp.MustCompile(`Loading \S+\.\.\. ?ok\b|^Loading initial ramdisk|^EFI stub: `)
	powerDown  = regexp.MustCompile(`(?:^|\[ *\d+\.\d+\] )reboot: (?:Power down|System halted)|^Power down\.$`)
	refused    = regexp.MustCompile(`^(?:Call to (?:PowerOff|Halt|Reboot)\w* failed: |Failed to (?:power off|start poweroff\.target)\b.*: .*(?:auth|denied|permit|permission)|\S*poweroff: (?:must be|need to be|Operation not permitted|Permission denied))`)
)

// end looks for how the guest was switched off.
func (a *analyzer) end(text []byte, l screen.Line, in wordSet) {
	switch {
	case !in.has(wordReboot, wordPowerDown, wordPower):
	case powerDown.Match(text) && !a.asked.forLog(a.command):
		a.out.Shutdown = PowerDown
		a.stage("power-off", l.Offset, string(text))
		a.show("shutdown", l.Offset, string(text))
	case a.out.Shutdown == NoEnd && refused.Match(text):
		a.out.Shutdown = Refused
		a.show("shutdown", l.Offset, string(text))
	}
}
