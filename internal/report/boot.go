package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/quote"
	"bootaudit/internal/record"
	"bootaudit/internal/replay"
)

// Boot is one VM as the report shows it.
type Boot struct {
	Name, Outcome, QEMU, Accelerator string
	Anchor                           string
	Firmware, Ending                 string
	Command                          string
	Stages                           []Reached
	Timings                          []Took
	Errors                           []string
	Trips                            []record.Trip
	Total                            float64 // seconds
	// Cause is why the VM failed: a finding of a scenario that it was booted for.
	Cause *Row

	on    string
	tests []string // the scenarios' that tell of it

	// From the VM's folder, when it can be read.
	Folder    string
	Screen    string // the last, from screen.txt
	Recording *replay.Recording
	Notes     []string
	// Diagnostics are the texts that were collected about a failure.
	Diagnostics []Screen
	Artifacts   []Artifact
}

// Reached is a stage of a boot: when it began and how long it lasted.
type Reached struct {
	Name             string
	Seconds, Lasting float64
}

// Failed tells a VM whose outcome is not a success.
func (b Boot) Failed() bool { return b.Outcome != "" && b.Outcome != "passed" && b.Outcome != "pass" }

const maxListed = 50 // stages, errors and tripwires of a VM

func newBoot(vm record.VM) Boot {
	b := Boot{
		Name: cleanLine(vm.Name, 80), Outcome: cleanLine(vm.Outcome, 40), QEMU: cleanLine(vm.QEMUVersion, 120),
		Accelerator: cleanLine(vm.Accelerator, 20), Firmware: cleanLine(vm.Firmware, 20),
		Ending: cleanLine(vm.Ending, 300), Folder: vm.Folder,
		Command: bound(plain.Text(quote.Line(vm.CommandLine...)), 8<<10),
	}
	for name, s := range vm.Timings.Seconds() {
		words := strings.ReplaceAll(strings.TrimSuffix(name, "_seconds"), "_", " ")
		b.Timings = append(b.Timings, Took{Name: words, Seconds: s})
	}
	slices.SortStableFunc(b.Timings, func(x, y Took) int { return cmp.Compare(x.Seconds, y.Seconds) })
	if vm.Timings.Total != nil {
		b.Total = *vm.Timings.Total
	}
	stages := slices.Clone(vm.Stages[:min(len(vm.Stages), maxListed)])
	slices.SortStableFunc(stages, func(x, y record.Stage) int { return cmp.Compare(x.Seconds, y.Seconds) })
	for _, s := range stages {
		if s.Seconds >= 0 && s.Seconds < 1e6 {
			b.Stages = append(b.Stages, Reached{Name: cleanLine(s.Stage, 40), Seconds: s.Seconds})
			b.Total = max(b.Total, s.Seconds)
		}
	}
	for i := range b.Stages {
		end := b.Total
		if i+1 < len(b.Stages) {
			end = b.Stages[i+1].Seconds
		}
		b.Stages[i].Lasting = end - b.Stages[i].Seconds
	}
	for _, text := range vm.Errors[:min(len(vm.Errors), maxListed)] {
		b.Errors = append(b.Errors, bound(strings.TrimSpace(plain.Text(text)), 4<<10))
	}
	for _, trip := range vm.Trips[:min(len(vm.Trips), maxListed)] {
		b.Trips = append(b.Trips, record.Trip{ID: cleanLine(trip.ID, 60), Line: cleanLine(trip.Line, 300), Fatal: trip.Fatal, Seconds: trip.Seconds})
	}
	return b
}

// Brief tells how far the VM came and when, in a line.
func (b Boot) Brief() string {
	words := cmp.Or(b.Outcome, "no outcome")
	if n := len(b.Stages); n > 0 {
		last := b.Stages[n-1]
		words += fmt.Sprintf(", reached %s after %s", last.Name, seconds(last.Seconds))
	}
	for _, t := range b.Timings {
		words += fmt.Sprintf(", %s %s", t.Name, seconds(t.Seconds))
	}
	return words
}

// findCause finds the finding that a VM failed by.
func (b *Boot) findCause(rows []*Row) {
	for _, row := range rows {
		if b.Failed() && row.On == b.on && slices.Contains(b.tests, row.test) && row.Outcome == check.Broken {
			b.Cause = row
			return
		}
	}
}

// Because is the finding to blame in the end, when it is not the VM's own.
func (b Boot) Because() *Row {
	if b.Cause == nil || b.Cause.Root() == b.Cause {
		return nil
	}
	return b.Cause.Root()
}

// Why is the VM's own cause in words.
func (b Boot) Why() string {
	if b.Cause == nil {
		return ""
	}
	return sentence(b.Cause)
}

// Went tells a tripwire that the boot got past: it came to a stage after it.
func (b Boot) Went(t record.Trip) bool {
	return !t.Fatal && slices.ContainsFunc(b.Stages, func(s Reached) bool { return s.Seconds > t.Seconds })
}

// LoggedIn tells a boot that came to a login.
func (b Boot) LoggedIn() bool {
	return slices.ContainsFunc(b.Stages, func(s Reached) bool { return s.Name == "login" || s.Name == "shell" })
}

// Line is the boot's timeline in a line.
func (b Boot) Line() string {
	words := cmp.Or(b.Outcome, "no outcome")
	var stages []string
	for _, s := range b.Stages {
		stages = append(stages, s.Name+" "+seconds(s.Seconds))
	}
	if b.Total > 0 {
		stages = append(stages, "end "+seconds(b.Total))
	}
	return words + ": " + strings.Join(stages, ", ")
}

// Words tells the VM's outcome in a sentence.
func (b Boot) Words() string {
	words := capital(b.Outcome)
	if b.Outcome == "" {
		words = "No outcome was recorded"
	}
	for _, how := range []string{b.Accelerator, b.Firmware} {
		if how != "" {
			words += ", " + how
		}
	}
	if b.Total > 0 {
		words += ", " + seconds(b.Total) + " long"
	}
	if b.Ending != "" {
		words += "; QEMU ended: " + b.Ending
	}
	return words + "."
}
