package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/quote"
)

// Audit is everything a report says, bounded, cleaned of control codes, and
// in the order in which it is written.
type Audit struct {
	Verdict   string // the headline: what came of it, in words
	Facts     []Fact
	Partial   []string // sentences: why this report is not whole
	Host      Section
	Image     Section
	Gaps      Section // of the image: what no failure expresses
	Risks     []*Row  // of any section: findings that something follows from
	Runtime   Section
	VMs       []Boot
	Problems  []Problem // failures that are no check's
	FollowUps []FollowUp
	Slowest   []Took
	Skipped   []Took // tests that are no checks and were skipped, with why
	Outcomes  []Count
	Folded    int // findings that another's cause explains; Outcomes leaves them out
	Passed    int // tests that are no checks and passed
	GoSaid    string

	suites []suite
	ran    int
}

// Fact is a line of the report's head.
type Fact struct{ Name, Value string }

// Took is a test and its length.
type Took struct {
	Name    string
	Seconds float64
	Why     string
}

// Count is how many findings have an outcome.
type Count struct {
	Outcome check.Outcome
	N       int
}

// outcomes, worst first.
var outcomes = []check.Outcome{check.Broken, check.Absent, check.Unknown, check.Risk, check.Holds, check.NotNeeded}

// NewAudit judges what the streams said. Each must have ended ([Run.End]).
func NewAudit(runs ...*Run) *Audit {
	a := &Audit{
		Host:    Section{Title: "Host tooling"},
		Image:   Section{Title: "Image integrity"},
		Gaps:    Section{Title: "Gaps and risks"},
		Runtime: Section{Title: "Runtime"},
	}
	anchors := map[string]int{}
	for _, run := range runs {
		on := ""
		if len(runs) > 1 {
			on = run.machine()
		}
		for _, why := range run.Damage {
			a.Partial = append(a.Partial, cleanLine(why, 500))
		}
		a.goSaid(run)
		for _, p := range run.Packages {
			a.addPackage(run, on, p, anchors)
		}
		a.addBuilds(run)
	}
	if a.ran == 0 && len(a.Problems)+len(a.Partial) == 0 {
		a.Problems = append(a.Problems, Problem{
			Title:  "no test ran",
			Remedy: "Name packages with tests, and a -run that matches one: go test -json ./prereq ./iso ./vmtest",
		})
	}
	blame(a.rows())
	causes(a)
	a.count()
	for i := range a.VMs {
		a.VMs[i].findCause(a.Runtime.rows())
	}
	a.Facts = facts(runs, a)
	a.Host.Verdict = hostVerdict(a)
	a.Image.Verdict = imageVerdict(a)
	a.Runtime.Verdict = runtimeVerdict(a)
	a.FollowUps = followUps(a)
	a.Verdict = headline(a)
	slices.SortStableFunc(a.Slowest, func(x, y Took) int { return cmp.Compare(y.Seconds, x.Seconds) })
	a.Slowest = a.Slowest[:min(len(a.Slowest), 5)]
	return a
}

// count counts each cause once.
func (a *Audit) count() {
	counts := map[check.Outcome]int{}
	for _, row := range a.rows() {
		if row.Because != nil {
			a.Folded++
			continue
		}
		counts[row.Outcome]++
	}
	for _, outcome := range outcomes {
		a.Outcomes = append(a.Outcomes, Count{outcome, counts[outcome]})
	}
}

// machine names where a stream comes from.
func (r *Run) machine() string {
	for _, about := range r.Abouts {
		if about.Host != "" {
			return cleanLine(about.Host, 40)
		}
	}
	return cleanLine(r.Name, 80)
}

func (a *Audit) goSaid(run *Run) {
	var b strings.Builder
	for _, line := range run.Text {
		fmt.Fprintln(&b, strings.TrimRight(plain.Text(line), "\n"))
	}
	if run.textLost > 0 {
		fmt.Fprintf(&b, "[... %d lines more ...]\n", run.textLost)
	}
	a.GoSaid += bound(b.String(), 16<<10)
}

func (a *Audit) addPackage(run *Run, on string, p *Package, anchors map[string]int) {
	s := suite{name: cleanLine(p.Name, 200), seconds: p.Elapsed, start: run.First}
	failed := false
	for _, t := range p.Tests {
		a.ran++
		took := Took{Name: cleanLine(t.Name, 120), Seconds: t.Elapsed}
		var rows []*Row
		for _, f := range t.Findings {
			row := newRow(t, f, on, anchors)
			a.place(t, row)
			rows = append(rows, row)
			took.Name, took.Seconds = row.Title, row.Seconds
		}
		for _, vm := range t.VMs {
			boot := newBoot(vm)
			top, _, _ := strings.Cut(t.Name, "/")
			boot.on, boot.tests = on, []string{top + "/" + vm.Name, t.Name}
			if on != "" {
				boot.Name += " on " + on
			}
			boot.Anchor = anchor(anchors, "boot-"+boot.Name)
			a.VMs = append(a.VMs, boot)
		}
		if !t.Parent {
			a.Slowest = append(a.Slowest, took)
		}
		a.addTest(t, took)
		failed = failed || t.Status == "fail"
		if !t.Parent || t.failedItself() || len(t.Findings) > 0 {
			c := newCase(t)
			c.rows = rows
			s.cases = append(s.cases, c)
		}
	}
	unended := slices.DeleteFunc(p.running(), func(t *Test) bool { return t.Status != "" })
	if p.Status == "fail" && p.FailedBuild == "" && (!failed || len(unended) > 0) {
		problem := packageProblem(p, unended)
		a.Problems = append(a.Problems, problem)
		s.cases = append(s.cases, testCase{name: "[package]", failure: problem.Title, output: problem.Output})
	}
	if p.FailedBuild != "" {
		title := "package " + cleanLine(p.Name, 120) + " does not build"
		output := ""
		if log := run.builds[p.FailedBuild]; log != nil {
			output = plain.Text(log.String())
		}
		a.Problems = append(a.Problems, Problem{Title: title, Output: output,
			Again: quote.Line("go", "vet", local(p.Name))})
		s.cases = append(s.cases, testCase{name: "[build]", failure: title, output: output})
	}
	if len(s.cases) > 0 {
		a.suites = append(a.suites, s)
	}
}

func facts(runs []*Run, a *Audit) []Fact {
	var all []Fact
	add := func(name, value string) {
		fact := Fact{name, cleanLine(value, 400)}
		if value != "" && !slices.Contains(all, fact) {
			all = append(all, fact)
		}
	}
	found := func(name, id string) {
		for _, row := range a.Image.rows() {
			if row.ID == id && row.Outcome.Met() {
				add(name, row.Detail)
			}
		}
	}
	for _, run := range runs {
		for _, about := range run.Abouts {
			add("Target", about.Target)
			add("Revision", about.Revision)
		}
	}
	found("Digest", "image-digest")
	found("Profile", "image-profile")
	for _, run := range runs {
		for _, about := range run.Abouts {
			add("Host", about.Host)
			add("System", about.System)
		}
	}
	for _, vm := range a.VMs {
		add("QEMU", vm.QEMU)
		add("Accelerator", vm.Accelerator)
	}
	for _, run := range runs {
		for _, about := range run.Abouts {
			add("bootaudit", about.Version)
			add("Go", about.Go)
		}
		if run.First.IsZero() {
			continue
		}
		add("Date", run.First.UTC().Format("2006-01-02 15:04:05")+" UTC, "+
			seconds(run.Last.Sub(run.First).Round(time.Second).Seconds())+" long")
	}
	return all
}
