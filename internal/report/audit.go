package report

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"mvdan.cc/sh/v3/syntax"

	"bootaudit/prereq"
)

// Audit is everything a report says, bounded, cleaned of control codes, and
// in the order in which it is written.
type Audit struct {
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
	Passed    int // tests that are no checks and passed
	GoSaid    string

	suites []suite
	ran    int
}

// Fact is a line of the report's head.
type Fact struct{ Name, Value string }

// Section is one table of the audit, or several.
type Section struct {
	Title   string
	Verdict string // one sentence in plain words
	Groups  []Group
}

// Group is the rows of one test.
type Group struct {
	Title string
	Rows  []*Row
}

// Looked lists the rows that were looked at; Needless those that the target
// does without.
func (g Group) Looked() []*Row {
	return slices.DeleteFunc(slices.Clone(g.Rows), (*Row).needless)
}

// Needless is the other half of [Group.Looked].
func (g Group) Needless() []*Row {
	return slices.DeleteFunc(slices.Clone(g.Rows), func(r *Row) bool { return !r.needless() })
}

// needless tells a row without anything to say: a check that is not needed and
// that names no risk.
func (r *Row) needless() bool {
	return r.Outcome == prereq.NotNeeded && r.Risk == "" && r.FollowUp == ""
}

// Row is one finding.
type Row struct {
	ID, Anchor, Title   string
	On                  string // the machine, where the streams are of several
	Section             string
	Condition           string
	Command             string // what ran, or how it was looked up
	Ran                 bool   // Command is what ran
	Outcome             prereq.Outcome
	Detail, Evidence    string
	Remedy, Risk, Again string
	FollowUp, When      string
	Seconds             float64
	Failed              bool // the test failed
	Because             *Row // the row to blame that this one was not tried, or nil

	test  string // above the check's own: a table's test
	needs []string
}

// Problem is a failure that no finding tells: a build, a panic, a test of the
// project itself.
type Problem struct{ Title, Output, Remedy, Again string }

// FollowUp is something to do.
type FollowUp struct {
	Kind   string   // broken, failed, absent, unknown, risk
	IDs    []string // of the findings that it is about
	What   string   // was seen, or follows
	Wanted string   // the condition that does not hold
	Hides  int      // so many checks were not tried because of it
	Do     string   // the remedy
	Again  string   // the command that tests it again
	Anchor string
}

// Took is a test and its length.
type Took struct {
	Name    string
	Seconds float64
	Why     string
}

// Count is how many findings have an outcome.
type Count struct {
	Outcome prereq.Outcome
	N       int
}

// outcomes, worst first.
var outcomes = []prereq.Outcome{prereq.Broken, prereq.Absent, prereq.Unknown, prereq.Holds, prereq.NotNeeded}

// NewAudit judges what the streams said. Each must have ended ([Run.End]).
func NewAudit(runs ...*Run) *Audit {
	a := &Audit{
		Host:    Section{Title: "Host tooling"},
		Image:   Section{Title: "Image integrity"},
		Gaps:    Section{Title: "Gaps and risks"},
		Runtime: Section{Title: "Runtime"},
	}
	counts := map[prereq.Outcome]int{}
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
			a.addPackage(run, on, p, counts, anchors)
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
	for _, outcome := range outcomes {
		a.Outcomes = append(a.Outcomes, Count{outcome, counts[outcome]})
	}
	a.Facts = facts(runs, a)
	a.Host.Verdict = hostVerdict(a)
	a.Image.Verdict = imageVerdict(a)
	a.Runtime.Verdict = runtimeVerdict(a)
	a.FollowUps = followUps(a)
	slices.SortStableFunc(a.Slowest, func(x, y Took) int { return cmp.Compare(y.Seconds, x.Seconds) })
	a.Slowest = a.Slowest[:min(len(a.Slowest), 5)]
	return a
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
		fmt.Fprintln(&b, strings.TrimRight(Clean(line), "\n"))
	}
	if run.textLost > 0 {
		fmt.Fprintf(&b, "[... %d lines more ...]\n", run.textLost)
	}
	a.GoSaid += bound(b.String(), 16<<10)
}

func (a *Audit) addPackage(run *Run, on string, p *Package, counts map[prereq.Outcome]int, anchors map[string]int) {
	s := suite{name: cleanLine(p.Name, 200), seconds: p.Elapsed, start: run.First}
	failed := false
	for _, t := range p.Tests {
		a.ran++
		took := Took{Name: cleanLine(t.Name, 120), Seconds: t.Elapsed}
		for _, f := range t.Findings {
			row := newRow(t, f, on, anchors)
			counts[row.Outcome]++
			a.place(t, row)
			took.Name, took.Seconds = row.Title, row.Seconds
		}
		for _, vm := range t.VMs {
			boot := newBoot(vm)
			if on != "" {
				boot.Name += " on " + on
			}
			a.VMs = append(a.VMs, boot)
		}
		if !t.Parent {
			a.Slowest = append(a.Slowest, took)
		}
		a.addTest(t, took)
		failed = failed || t.Status == "fail"
		if !t.Parent || t.failedItself() || len(t.Findings) > 0 {
			s.cases = append(s.cases, newCase(t))
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
			output = Clean(log.String())
		}
		a.Problems = append(a.Problems, Problem{Title: title, Output: output,
			Again: command("go", "vet", local(p.Name))})
		s.cases = append(s.cases, testCase{name: "[build]", failure: title, output: output})
	}
	if len(s.cases) > 0 {
		a.suites = append(a.suites, s)
	}
}

// addBuilds adds the failed builds that no package of the stream names.
func (a *Audit) addBuilds(run *Run) {
	for _, name := range run.failedBuilds {
		named := slices.ContainsFunc(run.Packages, func(p *Package) bool { return p.FailedBuild == name })
		if !named {
			a.Problems = append(a.Problems, Problem{Title: cleanLine(name, 120) + " does not build",
				Output: Clean(run.builds[name].String())})
		}
	}
}

func (a *Audit) addTest(t *Test, took Took) {
	told := slices.ContainsFunc(t.Findings, func(f prereq.Finding) bool { return f.Outcome != prereq.Holds })
	switch {
	case t.Status == "fail" && !told && t.failedItself():
		title := "test " + cleanLine(t.Name, 120) + " failed"
		if len(t.Findings) > 0 {
			title += " although its condition holds"
		}
		a.Problems = append(a.Problems, Problem{Title: title, Output: t.lastWords(), Again: again(t)})
	case t.Status == "skip" && len(t.Findings) == 0 && !t.Parent:
		took.Why = cleanLine(t.words(), 300)
		a.Skipped = append(a.Skipped, took)
	case t.Status == "pass" && len(t.Findings) == 0 && !t.Parent:
		a.Passed++
	}
}

// failedItself tells a test that failed from one whose subtest did.
func (t *Test) failedItself() bool {
	if t.Status != "fail" {
		return false
	}
	if !t.Parent {
		return true
	}
	for _, other := range t.Package.Tests {
		if other.Status == "fail" && strings.HasPrefix(other.Name, t.Name+"/") {
			return false
		}
	}
	return true
}

// running lists tests that have not ended, without those that wait for one.
func (p *Package) running() []*Test {
	var list []*Test
	for _, t := range p.Tests {
		if t.Status == "" && !t.waits() {
			list = append(list, t)
		}
	}
	return list
}

func packageProblem(p *Package, unended []*Test) Problem {
	name := cleanLine(p.Name, 120)
	problem := Problem{Title: "package " + name + " failed outside its tests", Again: command("go", "test", "-v", local(p.Name)),
		Output: bound(Clean(strings.TrimSpace(p.output.String())), 8<<10)}
	if len(unended) == 0 {
		return problem
	}
	var names []string
	for _, t := range unended {
		names = append(names, cleanLine(t.Name, 120))
		if words := t.words(); strings.Contains(words, "panic: ") {
			problem.Output = words
		}
	}
	problem.Title = fmt.Sprintf("package %s ended while %s ran", name, strings.Join(names[:min(len(names), 5)], ", "))
	problem.Again = again(unended[0])
	if strings.Contains(problem.Output, "panic: test timed out") {
		problem.Title = fmt.Sprintf("package %s ran out of time in %s", name, strings.Join(names[:min(len(names), 5)], ", "))
		problem.Remedy = "Give go test more time: -timeout 60m."
	}
	return problem
}

// framing is what go test itself prints around a test's output.
var framing = regexp.MustCompile(`(?m)^(=== (RUN|PAUSE|CONT|NAME|ATTR|ARTIFACTS) .*|\s*--- (PASS|FAIL|SKIP): .*)\n?`)

// words is what a test printed, without go test's framing.
func (t *Test) words() string {
	return bound(strings.TrimSpace(framing.ReplaceAllString(Clean(t.output.String()), "")), 8<<10)
}

// lastWords is what a test printed, or else what a test around it did: a panic
// comes under the outermost test's name.
func (t *Test) lastWords() string {
	for name := t.Name; ; {
		if words := t.words(); words != "" {
			return words
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 || t.Package.byName[name[:i]] == nil {
			return ""
		}
		name = name[:i]
		t = t.Package.byName[name]
	}
}

func newRow(t *Test, f prereq.Finding, on string, anchors map[string]int) *Row {
	row := &Row{
		ID: cleanLine(f.ID, 80), Section: f.Section,
		Condition: cleanLine(f.Condition, 300), Command: cleanLine(cmp.Or(f.Command, f.How), 1000),
		Ran: f.Command != "", Outcome: f.Outcome, Detail: cleanLine(f.Detail, 600),
		Evidence: bound(strings.Trim(Clean(f.Evidence), "\n"), 2*prereq.MaxEvidence),
		Remedy:   cleanLine(f.Remedy, 600), Risk: cleanLine(f.Risk, 600), FollowUp: cleanLine(f.FollowUp, 600),
		When: cleanLine(f.When, 300), Seconds: f.Seconds, Again: again(t), Failed: t.Status == "fail",
	}
	if !slices.Contains(outcomes, row.Outcome) {
		row.Outcome = prereq.Unknown
	}
	parent := ""
	if i := strings.LastIndexByte(t.Name, '/'); i > 0 {
		parent = t.Name[:i]
	}
	row.test, row.needs = parent, f.Needs
	row.Title = row.ID
	if i := strings.IndexByte(parent, '/'); i > 0 {
		row.Title = cleanLine(parent[i+1:], 80) + "/" + row.ID
	}
	if row.On = on; on != "" {
		row.Title += " on " + on
	}
	row.Anchor = anchor(anchors, f.Section+"-"+row.Title)
	return row
}

// blame finds, for each row that was not tried because of another, that other.
// A need stands before what needs it, so that the first of a chain is found.
func blame(rows []*Row) {
	byName := map[string]*Row{}
	for _, row := range rows {
		byName[row.On+"/"+row.test+"/"+row.ID] = row
	}
	for _, row := range rows {
		if row.Outcome != prereq.Unknown {
			continue
		}
		for _, id := range row.needs {
			if need := byName[row.On+"/"+row.test+"/"+cleanLine(id, 80)]; need != nil && need != row && bad(need.Outcome) {
				row.Because = cmp.Or(need.Because, need)
				break
			}
		}
	}
}

func bad(o prereq.Outcome) bool {
	return o == prereq.Broken || o == prereq.Absent || o == prereq.Unknown
}

var notAnchor = regexp.MustCompile(`[^a-z0-9]+`)

func anchor(taken map[string]int, name string) string {
	name = strings.Trim(notAnchor.ReplaceAllString(strings.ToLower(name), "-"), "-")
	taken[name]++
	if n := taken[name]; n > 1 {
		name = fmt.Sprintf("%s-%d", name, n)
	}
	return name
}

// place puts a row in its section.
func (a *Audit) place(t *Test, row *Row) {
	section := &a.Runtime
	switch row.Section {
	case prereq.SectionHost:
		section = &a.Host
	case prereq.SectionImage:
		section = &a.Image
	case prereq.SectionGap:
		section = &a.Gaps
	}
	if row.Risk != "" || row.FollowUp != "" {
		a.Risks = append(a.Risks, row)
	}
	title := ""
	if parts := strings.Split(t.Name, "/"); len(parts) > 2 {
		title = cleanLine(path.Join(parts[1:len(parts)-1]...), 80)
	}
	for i := range section.Groups {
		if section.Groups[i].Title == title {
			section.Groups[i].Rows = append(section.Groups[i].Rows, row)
			return
		}
	}
	section.Groups = append(section.Groups, Group{title, []*Row{row}})
}

// again is the command that runs just this test again.
func again(t *Test) string {
	parts := strings.Split(cleanLine(t.Name, 300), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return command("go", "test", "-count=1", "-v", "-run", strings.Join(parts, "/"), local(t.Package.Name))
}

// local is a package's path from the module's root.
func local(name string) string {
	if rest, ours := strings.CutPrefix(cleanLine(name, 200), "bootaudit/"); ours {
		return "./" + rest
	}
	return cleanLine(name, 200)
}

// plain words need no quotes in a shell, but for the first.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./=:,@%+-]+$`)

// command is words as one types them in a shell, or nothing when a word cannot
// be typed.
func command(words ...string) string {
	words = slices.Clone(words)
	for i, word := range words {
		if plain.MatchString(word) {
			continue
		}
		quoted, err := syntax.Quote(word, syntax.LangBash)
		if err != nil {
			return ""
		}
		words[i] = quoted
	}
	return strings.Join(words, " ")
}

func facts(runs []*Run, a *Audit) []Fact {
	var all []Fact
	add := func(name, value string) {
		fact := Fact{name, cleanLine(value, 400)}
		if value != "" && !slices.Contains(all, fact) {
			all = append(all, fact)
		}
	}
	for _, run := range runs {
		if run.First.IsZero() {
			continue
		}
		add("Date", run.First.UTC().Format("2006-01-02 15:04:05")+" UTC, "+
			seconds(run.Last.Sub(run.First).Round(time.Second).Seconds())+" long")
	}
	for _, run := range runs {
		for _, about := range run.Abouts {
			add("Host", about.Host)
			add("System", about.System)
			add("Target", about.Target)
			add("Revision", about.Revision)
			add("Go", about.Go)
		}
	}
	for _, vm := range a.VMs {
		add("QEMU", vm.QEMU)
		add("Accelerator", vm.Accelerator)
	}
	return all
}
