package report

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/record"
)

// Run is what one stream has said so far.
type Run struct {
	Name        string // of the stream: a file, or standard input
	First, Last time.Time
	Packages    []*Package
	Abouts      []check.About // different ones
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

	about  check.About
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
	Findings []check.Finding
	VMs      []record.VM
	Parent   bool // it has subtests

	paused bool
	output tail
}

// News is what a line told, for a person who watches.
type News struct {
	Test    *Test          // that started or ended, or that the rest is about
	Ended   bool           // Test ended
	Finding *check.Finding // of Test
	VM      *record.VM     // that ended
	Package *Package       // that ended
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
		if m := progressLine.FindStringSubmatch(plain.Text(e.Output)); m != nil {
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
