package report

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/prereq"
)

// Run is what one stream has said so far.
type Run struct {
	Name        string // of the stream: a file, or standard input
	First, Last time.Time
	Packages    []*Package
	Abouts      []prereq.About // different ones
	// Text holds the lines that are no events (of the go command, of a build).
	Text []string
	// Damage says, in sentences, why this record is not whole.
	Damage []string

	events, textLost, unread int
	imitations               int
	cut                      bool
	byName                   map[string]*Package
	builds                   map[string]*tail
	failedBuilds             []string
}

// Package is one package's tests.
type Package struct {
	Name        string
	Status      string  // pass, fail, skip, or empty while it runs
	Elapsed     float64 // seconds
	Tests       []*Test
	FailedBuild string

	byName map[string]*Test
	output tail
	long   []byte // an attribute's line, over several output events
	line   string // the beginning of the line that has not ended yet
	forged bool   // the next event that is no output is an imitation
}

// Test is one test or subtest.
type Test struct {
	Package  *Package
	Name     string
	Status   string  // pass, fail, skip, or empty while it runs
	Elapsed  float64 // seconds
	Findings []prereq.Finding
	VMs      []VM
	Parent   bool // it has subtests

	paused bool
	output tail
}

// VM is what the `vm` attribute says of a virtual machine at its end.
type VM struct {
	Name        string         `json:"name"`
	Folder      string         `json:"folder"` // of its artifacts
	CommandLine []string       `json:"command_line"`
	QEMUVersion string         `json:"qemu_version"`
	Accelerator string         `json:"accelerator"`
	Timings     map[string]any `json:"timings"` // by name; the numbers are seconds
	Stages      []Stage        `json:"stages"`
	Outcome     string         `json:"outcome"`
	Firmware    string         `json:"firmware"`
	Ending      string         `json:"ending"` // how QEMU ended
	Errors      []string       `json:"errors"`
	Trips       []Trip         `json:"tripwires"`
}

// Trip is a line of the console that means trouble.
type Trip struct {
	ID      string  `json:"id"`
	Line    string  `json:"line"`
	Fatal   bool    `json:"fatal"`
	Seconds float64 `json:"seconds"`
}

// Stage is a point that a boot reached, in seconds after the VM's start.
type Stage struct {
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// News is what a line told, for a person who watches.
type News struct {
	Test    *Test           // that started or ended, or that the rest is about
	Ended   bool            // Test ended
	Finding *prereq.Finding // of Test
	VM      *VM             // that ended
	Package *Package        // that ended
	// Progress is a VM's line, "vm NAME: 34s STAGE".
	Progress *Progress
	Note     string // what Test wrote by t.Output, for people who watch
	Text     string // a line that is no event, or of a failed build
}

// Progress is how far a VM's boot is.
type Progress struct{ VM, For, Stage string }

// NewRun is an empty record of a stream.
func NewRun(name string) *Run {
	return &Run{Name: name, byName: map[string]*Package{}, builds: map[string]*tail{}}
}

const maxKept = 200 // lines that are no events

// Add records a line.
func (r *Run) Add(line Line) News {
	switch {
	case line.Err != nil:
		r.Damage = append(r.Damage, fmt.Sprintf("Reading %s ended early: %v.", r.Name, line.Err))
		return News{}
	case line.Event == nil:
		r.cut = r.cut || line.Cut
		if strings.HasPrefix(line.Text, "{") {
			r.unread++
		}
		if len(r.Text) < maxKept {
			r.Text = append(r.Text, line.Text)
		} else {
			r.textLost++
		}
		return News{Text: line.Text}
	}
	e := line.Event
	r.events++
	if !e.Time.IsZero() {
		if r.First.IsZero() || e.Time.Before(r.First) {
			r.First = e.Time
		}
		if e.Time.After(r.Last) {
			r.Last = e.Time
		}
	}
	switch e.Action {
	case "build-output", "build-fail":
		return r.build(e)
	}
	p := r.byName[e.Package]
	if p == nil || (p.Status != "" && e.Action == "start") {
		p = &Package{Name: e.Package, byName: map[string]*Test{}}
		r.byName[e.Package] = p
		r.Packages = append(r.Packages, p)
	}
	if e.Test == "" {
		return r.ofPackage(p, e)
	}
	return r.ofTest(p, e)
}

func (r *Run) build(e *Event) News {
	log := r.builds[e.ImportPath]
	if log == nil {
		log = &tail{}
		r.builds[e.ImportPath] = log
	}
	log.add(e.Output)
	if e.Action == "build-fail" {
		r.failedBuilds = append(r.failedBuilds, e.ImportPath)
	}
	return News{Text: strings.TrimRight(e.Output, "\n")}
}

func (r *Run) ofPackage(p *Package, e *Event) News {
	switch e.Action {
	case "output":
		p.output.add(e.Output)
	case "pass", "fail", "skip":
		p.Status, p.Elapsed, p.FailedBuild = e.Action, e.Elapsed, e.FailedBuild
		return News{Package: p}
	}
	return News{}
}

func (r *Run) ofTest(p *Package, e *Event) News {
	if p.imitated(e) {
		r.imitations++
		return News{}
	}
	if e.Action == "output" {
		if whole, isAttr := p.attribute(e.Output); isAttr {
			if whole == nil {
				return News{}
			}
			e = whole
		}
	}
	if e.Action == "output" && p.byName[e.Test] == nil {
		p.output.add(e.Output)
		return News{}
	}
	t := p.test(e.Test, e.Action == "run")
	switch e.Action {
	case "run":
		return News{Test: t}
	case "pause":
		t.paused = true
	case "cont":
		t.paused = false
	case "output":
		t.output.add(e.Output)
		if m := progressLine.FindStringSubmatch(Clean(e.Output)); m != nil {
			return News{Test: t, Progress: &Progress{m[1], m[2], m[3]}}
		}
		if m := noteLine.FindStringSubmatch(e.Output); m != nil && !logged.MatchString(m[1]) {
			return News{Test: t, Note: m[1]}
		}
	case "attr":
		return r.attribute(t, e)
	case "pass", "fail", "skip":
		t.Status, t.Elapsed = e.Action, e.Elapsed
		if e.Action == "pass" {
			t.output = tail{} // nobody asks for it
		}
		return News{Test: t, Ended: true}
	}
	return News{}
}

var progressLine = regexp.MustCompile(`^\s*vm ([^\s:]+): ([0-9.hms]+) (.{1,200})\n?$`)

// go test indents by four blanks what a test writes by t.Output, and also what
// it logs; but that begins with a file and a line.
var (
	noteLine = regexp.MustCompile(`^ {4}(\S.*)\n$`)
	logged   = regexp.MustCompile(`^\S+\.go:\d+: `)
)

// test finds a test by name; one that runs again (-count) is a test of its own.
func (p *Package) test(name string, again bool) *Test {
	t := p.byName[name]
	if t == nil || (again && t.Status != "") {
		t = &Test{Package: p, Name: name}
		p.byName[name] = t
		p.Tests = append(p.Tests, t)
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			if parent := p.byName[name[:i]]; parent != nil {
				parent.Parent = true
			}
		}
	}
	return t
}

// imitated tells an event that a guest's text caused. go test takes a ^V
// anywhere in a line for the beginning of a line of its own, so that a console
// that prints "^V--- PASS: TestX" or "^V=== ATTR ..." is believed. What a test
// writes or logs is indented by four blanks; go test's own lines never begin
// inside such a line.
func (p *Package) imitated(e *Event) bool {
	if e.Action != "output" {
		forged := p.forged || strings.HasPrefix(p.line, "    ")
		p.forged = false
		return forged
	}
	inside := strings.HasPrefix(p.line, "    ")
	if inside && strings.HasPrefix(e.Output, "--- ") {
		p.forged = true // its event comes after it
	}
	switch {
	case strings.HasSuffix(e.Output, "\n"):
		p.line = ""
	case p.line == "":
		p.line = e.Output[:min(len(e.Output), 8)]
	}
	return inside && strings.HasPrefix(e.Output, "\x16")
}

// attribute puts an attribute together whose line is over 4 KiB: go test does
// not recognise those (test2json's buffer) and passes them as output, in parts,
// under whichever test printed last.
func (p *Package) attribute(output string) (*Event, bool) {
	const mark = "\x16=== ATTR  "
	if len(p.long) == 0 && !strings.HasPrefix(output, mark) {
		return nil, false
	}
	p.long = append(p.long, output...)
	if !strings.HasSuffix(output, "\n") && len(p.long) < 1<<20 {
		return nil, true
	}
	line := strings.TrimSuffix(strings.TrimPrefix(string(p.long), mark), "\n")
	p.long = nil
	test, rest, _ := strings.Cut(line, " ")
	key, value, _ := strings.Cut(rest, " ")
	return &Event{Action: "attr", Package: p.Name, Test: test, Key: key, Value: value}, true
}

func (r *Run) attribute(t *Test, e *Event) News {
	var err error
	switch e.Key {
	case prereq.FindingAttr:
		var f prereq.Finding
		if err = json.Unmarshal([]byte(e.Value), &f); err == nil {
			t.Findings = append(t.Findings, f)
			return News{Test: t, Finding: &f}
		}
	case prereq.AboutAttr:
		var about prereq.About
		if err = json.Unmarshal([]byte(e.Value), &about); err == nil && !slices.Contains(r.Abouts, about) && len(r.Abouts) < 20 {
			r.Abouts = append(r.Abouts, about)
		}
	case "vm":
		var vm VM
		if err = json.Unmarshal([]byte(e.Value), &vm); err == nil {
			t.VMs = append(t.VMs, vm)
			return News{Test: t, VM: &vm}
		}
	}
	if err != nil {
		r.Damage = append(r.Damage, fmt.Sprintf("The %s attribute of %s cannot be read: %v.",
			e.Key, cleanLine(t.Name, 120), err))
	}
	return News{}
}

// End records that the stream is over, and judges whether it was whole.
func (r *Run) End() {
	say := func(format string, args ...any) { r.Damage = append(r.Damage, fmt.Sprintf(format, args...)) }
	switch {
	case r.events == 0 && len(r.Text) == 0:
		say("The stream (%s) is empty: go test said nothing. Give the output of go test -json.", r.Name)
		return
	case r.events == 0:
		say("The stream (%s) is not the output of go test -json; it begins with %q.", r.Name, cleanLine(r.Text[0], 80))
		return
	case r.cut:
		say("The stream (%s) ends inside a line.", r.Name)
	case r.imitations > 0:
		say("%s of the stream (%s) imitated go test's own lines by control characters in what a test printed, and were not believed.",
			plural(r.imitations, "line"), r.Name)
	case r.unread > 0:
		say("%s of the stream (%s) could not be decoded.", plural(r.unread, "line"), r.Name)
	}
	var open []string
	for _, p := range r.Packages {
		if p.Status == "" && p.Name != "" {
			open = append(open, cleanLine(p.Name, 80))
			for _, t := range p.Tests {
				if t.Status == "" && !t.Parent {
					open = append(open, cleanLine(t.Name, 80))
				}
			}
		}
	}
	if len(open) > 0 {
		const most = 6
		more := ""
		if len(open) > most {
			more = fmt.Sprintf(" and %d more", len(open)-most)
			open = open[:most]
		}
		say("The stream (%s) ends before these had ended: %s%s.", r.Name, strings.Join(open, ", "), more)
	}
}

// Interrupted records that a person or a signal ended the reading.
func (r *Run) Interrupted(why string) {
	r.Damage = append(r.Damage, fmt.Sprintf("Reading was ended by %s.", why))
}

// running lists the tests under way, without those that wait for a subtest or
// for their turn.
func (r *Run) running() []*Test {
	var under []*Test
	for _, p := range r.Packages {
		if p.Status != "" {
			continue
		}
		for _, t := range p.Tests {
			if t.Status == "" && !t.paused && !t.waits() {
				under = append(under, t)
			}
		}
	}
	return under
}

// waits tells whether a subtest of t is under way.
func (t *Test) waits() bool {
	if !t.Parent {
		return false
	}
	for _, other := range t.Package.Tests {
		if other.Status == "" && strings.HasPrefix(other.Name, t.Name+"/") {
			return true
		}
	}
	return false
}
