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
		Skipped  int        `xml:"skipped,attr"`
		Suites   []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name      string    `xml:"name,attr"`
		Tests     int       `xml:"tests,attr"`
		Failures  int       `xml:"failures,attr"`
		Skipped   int       `xml:"skipped,attr"`
		Time      string    `xml:"time,attr"`
		Timestamp string    `xml:"timestamp,attr,omitempty"`
		Cases     []xmlCase `xml:"testcase"`
	}
	xmlCase struct {
		Class      string         `xml:"classname,attr"`
		Name       string         `xml:"name,attr"`
		Time       string         `xml:"time,attr"`
		Properties *xmlProperties `xml:"properties"`
		Failure    *xmlText       `xml:"failure"`
		Skipped    *xmlText       `xml:"skipped"`
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
	for _, s := range a.suites {
		out := xmlSuite{Name: s.name, Time: fmt.Sprintf("%.3f", s.seconds)}
		if !s.start.IsZero() {
			out.Timestamp = s.start.UTC().Format(time.RFC3339)
		}
		for _, c := range s.cases {
			x := xmlCase{Class: s.name, Name: c.name, Time: fmt.Sprintf("%.3f", c.seconds)}
			out.Tests++
			for _, f := range c.findings {
				x.Properties = &xmlProperties{[]xmlProperty{
					{"check", cleanLine(f.ID, 80)}, {"outcome", cleanLine(string(f.Outcome), 20)},
					{"condition", cleanLine(f.Condition, 300)}, {"detail", cleanLine(f.Detail, 600)},
				}}
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
		all.Skipped += out.Skipped
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
