package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// Exit statuses of a command that makes an audit, beside 2 for one that cannot be
// made. Git's bisect takes 125 for a state that cannot be tested.
const (
	StatusGood    = 0
	StatusBroken  = 1
	StatusUnknown = 125
)

// Status is StatusBroken where something is broken, a test failed or the report is
// not whole, and else StatusUnknown where what is needed is absent or unknown.
func (a *Audit) Status() int {
	switch rows := a.rows(); {
	case len(a.Partial) > 0 || len(a.Problems) > 0 || len(with(rows, check.Broken)) > 0:
		return StatusBroken
	case slices.ContainsFunc(rows, (*Row).fails):
		return StatusUnknown
	}
	return StatusGood
}

// Conclude prints the last lines of a run: the verdict, what to do about it and
// the command that tries it again, what was tested, what else fails it, and where
// the report is. Colour is for terminals.
func (a *Audit) Conclude(w io.Writer, dir string, colour bool) {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	failed := a.Failed()
	good := "1;32"
	if len(failed)+len(a.Partial) > 0 {
		good = "1;31"
	}
	fmt.Fprintf(w, "\n%s\n", paint(good, a.Verdict))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-7s %s\n", name, text)
		}
	}
	if len(failed) > 0 {
		line("do:", failed[0].Do)
		line("again:", failed[0].Again)
		line("with it:", failed[0].Folded())
	}
	line("tested:", a.tested())
	const most = 20
	for _, vm := range a.VMs[:min(len(a.VMs), most)] {
		line("boot:", vm.Name+" "+vm.Line())
	}
	fmt.Fprintf(w, "audit: %s", a.Result())
	if a.Passed > 0 {
		fmt.Fprintf(w, "; %s passed", plural(a.Passed, "other test"))
	}
	fmt.Fprintln(w)
	for i, f := range failed[:min(len(failed), most)] {
		fmt.Fprintf(w, "%s %s\n", paint("31", fmt.Sprintf("%-8s", strings.ToUpper(f.Kind))), cleanLine(f.Head(), 400))
		if i == 0 {
			continue // what to do about it stands above
		}
		if f.Do != "" {
			fmt.Fprintf(w, "         remedy: %s\n", f.Do)
		}
		if f.Again != "" {
			fmt.Fprintf(w, "         again:  %s\n", f.Again)
		}
	}
	if more := len(failed) - most; more > 0 {
		fmt.Fprintf(w, "         and %d more, in the report\n", more)
	}
	for _, f := range a.FollowUps {
		if f.Kind == string(check.Risk) {
			fmt.Fprintf(w, "%s %s\n", paint("33", "RISK    "), cleanLine(f.Head(), 200))
		}
	}
	for _, why := range a.Partial {
		fmt.Fprintf(w, "%s %s\n", paint("33", "PARTIAL "), why)
	}
	fmt.Fprintf(w, "report: %s (beside it: %s, %s, %s)\n", filepath.Join(dir, MarkdownFile), HTMLFile, JUnitFile, EventsFile)
}

// tested is what was tested, in a line.
func (a *Audit) tested() string {
	var words []string
	for _, f := range a.Facts {
		switch f.Name {
		case "Target", "Accelerator":
			words = append(words, f.Value)
		case "Digest", "Revision", "Host":
			words = append(words, strings.ToLower(f.Name)+" "+f.Value)
		case "Profile":
			words = append(words, "profile: "+f.Value)
		case "bootaudit":
			words = append(words, "bootaudit "+f.Value)
		case "QEMU":
			words = append(words, "QEMU "+strings.TrimPrefix(f.Value, "QEMU emulator version "))
		}
	}
	return strings.Join(words, "; ")
}
