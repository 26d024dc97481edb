package check

import (
	"context"
	"time"
)

// Sections of the audit that a check's finding goes to.
const (
	SectionHost    = "host"
	SectionImage   = "image"
	SectionGap     = "image-gap"
	SectionRuntime = "runtime"
)

// DefaultTimeout ends a probe whose check sets no Timeout.
const DefaultTimeout = 10 * time.Second

// Check is one condition and how to test it. IDs are kebab-case, unique in their
// table and never reused.
type Check struct {
	ID        string
	Section   string // one of the Section constants
	Condition string // what must hold, as a statement
	How       string // the command or look-up that tests it
	Remedy    string // what to do when it does not hold
	// Applies says why what is audited does without the check, and "" where it
	// does not. It is asked before Needs, within Timeout; nil is always "".
	Applies func(context.Context) (whyNot string)
	// Needs are IDs of earlier rows, without which the probe cannot look.
	Needs []string
	// After are IDs of earlier rows that are resolved first, whatever is found of
	// them.
	After []string
	// Timeout ends Probe's context; 0 is [DefaultTimeout]. It counts from when
	// the probe starts.
	Timeout time.Duration
	// Runs says that Probe runs programs: of those, no more probe at a time
	// than there are CPUs, for their limits allow for no crowd.
	Runs bool
	// Probe looks. It must return soon after its context ends.
	Probe func(context.Context) Result
	// Waive has the last word on what was found; nil leaves it. A finding that it
	// makes a risk lets the checks be tried that need this one.
	Waive func(Finding) Finding
}

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
	Risk, FollowUp string
	// Past says that what the check is about came to pass though its condition
	// does not hold: what needs it can be tried. A login that was promised to be
	// automatic, and asked for a password, is past.
	Past bool
}

// Hold is the result of a condition that was observed.
func Hold(detail string) Result { return Result{Outcome: Holds, Detail: detail} }

// Break is the result of a condition seen not to hold.
func Break(detail string) Result { return Result{Outcome: Broken, Detail: detail} }

// Miss is the result of a needed thing that is not here.
func Miss(detail string) Result { return Result{Outcome: Absent, Detail: detail} }

// Doubt is the result of a probe that could not tell.
func Doubt(detail string) Result { return Result{Outcome: Unknown, Detail: detail} }

// Warn is the result of a probe that saw what keeps no image from booting: what
// follows from it, and what to do.
func Warn(detail, risk, followUp string) Result {
	return Result{Outcome: Risk, Detail: detail, Risk: risk, FollowUp: followUp}
}
