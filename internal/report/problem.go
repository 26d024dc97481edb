package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/quote"
)

// Problem is a failure that no finding tells: a build, a panic, a test of the
// project itself.
type Problem struct{ Title, Output, Remedy, Again string }

// words is the problem with the line of its output that tells most: a panic's,
// else the first.
func (p Problem) words() string {
	first := ""
	for line := range strings.Lines(p.Output) {
		line = cleanLine(line, 200)
		if strings.HasPrefix(line, "panic: ") {
			first = line
			break
		}
		if first == "" && line != "" && !strings.HasPrefix(line, "#") {
			first = line
		}
	}
	if first == "" {
		return p.Title
	}
	return p.Title + ": " + first
}

// addBuilds adds the failed builds that no package of the stream names.
func (a *Audit) addBuilds(run *Run) {
	for _, name := range run.failedBuilds {
		named := slices.ContainsFunc(run.Packages, func(p *Package) bool { return p.FailedBuild == name })
		if !named {
			a.Problems = append(a.Problems, Problem{Title: cleanLine(name, 120) + " does not build",
				Output: plain.Text(run.builds[name].String())})
		}
	}
}

func (a *Audit) addTest(t *Test, took Took) {
	told := slices.ContainsFunc(t.Findings, func(f check.Finding) bool { return f.Outcome != check.Holds })
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
	problem := Problem{Title: "package " + name + " failed outside its tests", Again: quote.Line("go", "test", "-v", local(p.Name)),
		Output: bound(plain.Text(strings.TrimSpace(p.output.String())), 8<<10)}
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
	return bound(strings.TrimSpace(framing.ReplaceAllString(plain.Text(t.output.String()), "")), 8<<10)
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

// again is the command that runs just this test again.
func again(t *Test) string {
	parts := strings.Split(cleanLine(t.Name, 300), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	pattern := strings.Join(parts, "/")
	about := t.Package.about
	if about.Command != "" {
		return prefixed(about.Environ, cleanLine(about.Command, 1000)+" "+quote.Line("-run", pattern))
	}
	return prefixed(about.Environ, quote.Line("go", "test", "-count=1", "-v", "-run", pattern, local(t.Package.Name)))
}

// prefixed is a command after what is set for it.
func prefixed(environ, command string) string {
	if environ == "" {
		return command
	}
	return cleanLine(environ, 1000) + " " + command
}

// local is a package's path from the module's root.
func local(name string) string {
	if rest, ours := strings.CutPrefix(cleanLine(name, 200), "bootaudit/"); ours {
		return "./" + rest
	}
	return cleanLine(name, 200)
}
