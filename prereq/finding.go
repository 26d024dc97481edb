package prereq

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Outcome is what a check concluded. The zero value becomes Unknown in a
// [Finding], so that a probe that forgets to conclude never passes.
type Outcome string

const (
	// Holds: the condition was observed.
	Holds Outcome = "holds"
	// Broken: the thing is there and does not do what it must.
	Broken Outcome = "broken"
	// Absent: the target needs it and it is not here.
	Absent Outcome = "absent"
	// Unknown: the probe could not tell; a permission error is not an absence.
	Unknown Outcome = "unknown"
	// NotNeeded: what was asked for does without it.
	NotNeeded Outcome = "not needed"
)

// Result is what a probe saw.
type Result struct {
	Outcome Outcome
	// Detail is one sentence for a person: what was found.
	Detail string
	// Evidence is the raw text behind Detail: the tool's output, a file's
	// lines. It is cut to [MaxEvidence] when it becomes a finding.
	Evidence string
	// Command is what really ran, when it differs from the check's How.
	Command string
	// Risk says what follows from this result, FollowUp what to do about it.
	// They are for gaps that no failure expresses, such as TCG instead of KVM.
	Risk, FollowUp string
}

// Hold, Break, Miss, Doubt and Skip are the five outcomes with their sentence.
func Hold(detail string) Result { return Result{Outcome: Holds, Detail: detail} }

// Break is the result of a condition seen not to hold.
func Break(detail string) Result { return Result{Outcome: Broken, Detail: detail} }

// Miss is the result of a needed thing that is not here.
func Miss(detail string) Result { return Result{Outcome: Absent, Detail: detail} }

// Doubt is the result of a probe that could not tell.
func Doubt(detail string) Result { return Result{Outcome: Unknown, Detail: detail} }

// Skip is the result of a check that the target does without.
func Skip(detail string) Result { return Result{Outcome: NotNeeded, Detail: detail} }

// Finding is a check's outcome with its evidence, as it travels in the
// `finding` attribute of a go test -json stream.
type Finding struct {
	ID        string `json:"id"`
	Section   string `json:"section"`
	Condition string `json:"condition"`
	How       string `json:"how"`
	When      string `json:"when,omitempty"`
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
		ID: c.ID, Section: c.Section, Condition: c.Condition, How: c.How, When: c.When,
		Command: r.Command, Outcome: r.Outcome, Detail: r.Detail,
		Evidence: bound(strings.ToValidUTF8(r.Evidence, "\uFFFD"), MaxEvidence),
		Risk:     r.Risk, FollowUp: r.FollowUp, Seconds: float64(took.Round(time.Millisecond).Milliseconds()) / 1000,
	}
	if r.Outcome != Holds {
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
