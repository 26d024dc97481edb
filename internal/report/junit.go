package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"bootaudit/contract/check"
)

// suite and testCase are what JUnit's format has of a package and a test.
type suite struct {
	name    string
	start   time.Time
	seconds float64
	cases   []testCase
}

type testCase struct {
	name             string
	seconds          float64
	failure, skipped string // why; empty when neither
	output           string
	findings         []check.Finding
	rows             []*Row
}

func newCase(t *Test) testCase {
	c := testCase{name: cleanLine(t.Name, 300), seconds: t.Elapsed, findings: t.Findings}
	why := ""
	for _, f := range t.Findings {
		why = cleanLine(fmt.Sprintf("%s: %s: %s", f.Outcome, f.Condition, f.Detail), 600)
	}
	words := t.lastWords()
	if why == "" {
		why, _, _ = strings.Cut(words, "\n")
		why = cleanLine(why, 600)
	}
	switch t.Status {
	case "fail":
		c.failure, c.output = why, words
	case "skip":
		c.skipped = why
	case "":
		c.failure, c.output = "did not end", words
	}
	if c.failure == "" && t.Status == "fail" {
		c.failure = "failed"
	}
	return c
}

type (
	xmlSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suites   []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name       string         `xml:"name,attr"`
		Tests      int            `xml:"tests,attr"`
		Failures   int            `xml:"failures,attr"`
		Errors     int            `xml:"errors,attr"` // Jenkins wants it, and all failures are failures
		Skipped    int            `xml:"skipped,attr"`
		Time       string         `xml:"time,attr"`
		Timestamp  string         `xml:"timestamp,attr,omitempty"`
		Properties *xmlProperties `xml:"properties"`
		Cases      []xmlCase      `xml:"testcase"`
	}
	xmlCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *xmlText `xml:"failure"`
		Skipped *xmlText `xml:"skipped"`
		Out     string   `xml:"system-out,omitempty"`
	}
	xmlProperties struct {
		List []xmlProperty `xml:"property"`
	}
	xmlProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	xmlText struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the tests as JUnit XML. encoding/xml replaces the characters
// that XML cannot hold.
func (a *Audit) JUnit(w io.Writer) error {
	var all xmlSuites
	told := &xmlProperties{[]xmlProperty{{"verdict", a.Verdict}}}
	for _, fact := range a.Facts {
		told.List = append(told.List, xmlProperty{strings.ToLower(fact.Name), fact.Value})
	}
	for i, s := range a.suites {
		out := xmlSuite{Name: s.name, Time: fmt.Sprintf("%.3f", max(s.seconds, 0))}
		if !s.start.IsZero() {
			out.Timestamp = s.start.UTC().Format(time.RFC3339)
		}
		if i == 0 {
			out.Properties = told
		}
		for _, c := range s.cases {
			x := xmlCase{Class: s.name, Name: c.name, Time: fmt.Sprintf("%.3f", max(c.seconds, 0))}
			out.Tests++
			for _, f := range c.findings {
				x.Out += fmt.Sprintf("%s is %s\ncondition: %s\nseen: %s\n", cleanLine(f.ID, 80), cleanLine(string(f.Outcome), 20),
					cleanLine(f.Condition, 300), cleanLine(f.Detail, 600))
			}
			for _, row := range c.rows {
				switch because := row.Root(); {
				case because == row:
				case row.untried():
					// One cause is one failure, and keeps these from being tried.
					c.failure, c.skipped = "", "not tried, because "+because.Title+" is "+string(because.Outcome)
				case c.failure != "":
					c.failure += "; by the same cause as " + because.Title
				}
			}
			switch {
			case c.failure != "":
				out.Failures++
				x.Failure = &xmlText{c.failure, c.output}
			case c.skipped != "":
				out.Skipped++
				x.Skipped = &xmlText{Message: c.skipped}
			}
			out.Cases = append(out.Cases, x)
		}
		all.Tests += out.Tests
		all.Failures += out.Failures
		all.Suites = append(all.Suites, out)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
