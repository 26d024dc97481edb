package check

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bootaudit/internal/plain"
)

// FindingAttr is the test attribute that carries a [Finding] as JSON.
const FindingAttr = "finding"

// Finding is a check's outcome with its evidence, as it travels in the
// `finding` attribute of a go test -json stream.
type Finding struct {
	ID        string `json:"id"`
	Section   string `json:"section"`
	Condition string `json:"condition"`
	How       string `json:"how"`
	Command   string `json:"command,omitempty"`
	// Because is the ID of the check whose outcome left this one untried.
	Because  string  `json:"because,omitempty"`
	Outcome  Outcome `json:"outcome"`
	Detail   string  `json:"detail"`
	Evidence string  `json:"evidence,omitempty"`
	Remedy   string  `json:"remedy,omitempty"`
	Risk     string  `json:"risk,omitempty"`
	FollowUp string  `json:"follow_up,omitempty"`
	Seconds  float64 `json:"seconds"`
}

// MaxEvidence bounds a finding's evidence, in bytes. What is longer keeps its
// beginning and its end, for a log's first error and its last words.
const MaxEvidence = 8 << 10

func newFinding(c Check, r Result, took time.Duration) Finding {
	if r.Outcome == "" {
		r.Outcome = Unknown
		r.Detail = "the probe came to no conclusion"
	}
	f := Finding{
		ID: c.ID, Section: c.Section, Condition: c.Condition, How: c.How,
		Command: r.Command, Outcome: r.Outcome, Detail: r.Detail,
		Evidence: bound(strings.ToValidUTF8(r.Evidence, "\uFFFD"), MaxEvidence),
		Risk:     r.Risk, FollowUp: r.FollowUp, Seconds: float64(took.Round(time.Millisecond).Milliseconds()) / 1000,
	}
	if r.Outcome != Holds && r.Outcome != Risk && r.Outcome != NotNeeded {
		f.Remedy = c.Remedy
	}
	return f
}

func bound(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const cut = "\n[...]\n"
	head, tail := (most-len(cut))/2, len(s)-(most-len(cut))/2
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + cut + s[tail:]
}

// Words is the finding as a person reads it in a terminal.
func (f Finding) Words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", f.Outcome, f.Condition, f.Detail)
	for _, more := range []struct{ name, text string }{{"remedy", f.Remedy}, {"risk", f.Risk}, {"follow-up", f.FollowUp}} {
		if more.text != "" {
			fmt.Fprintf(&b, "\n%s: %s", more.name, more.text)
		}
	}
	if f.Evidence != "" && f.Outcome != Holds && f.Outcome != NotNeeded {
		fmt.Fprintf(&b, "\nevidence:\n%s", indent(excerpt(f.Evidence, shownLines)))
	}
	return plain.Text(b.String())
}

// shownLines is how much of a finding's evidence a terminal gets, in lines; the
// report has all of it.
const shownLines = 24

// excerpt is the beginning and the end of a text of more than most lines.
func excerpt(s string, most int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) <= most {
		return s
	}
	cut := fmt.Sprintf("[... %d lines, which the finding has ...]", len(lines)-most)
	return strings.Join(slices.Concat(lines[:most/2], []string{cut}, lines[len(lines)-most/2:]), "\n")
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
