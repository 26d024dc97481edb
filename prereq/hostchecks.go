package prereq

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootaudit/internal/config"
	"bootaudit/internal/tools"
)

// What one guest takes unless a test asks for more. Under TCG, QEMU is told how
// large to make its translation buffer: its own choice, an eighth of the host's
// memory and 1 GiB at most, knows nothing of a control group's limit.
const (
	GuestMemoryMiB       = 1024
	GuestCPUs            = 2
	GuestTranslationsMiB = 256
)

// HostChecks is the table of what a host must have to build and boot cfg's
// target. What a target does without is not needed, and says so.
func HostChecks(h Host, cfg config.Config) []Check {
	a := auditor{Host: h, cfg: cfg}
	return slices.Concat(a.qemuChecks(), a.capacityChecks(), a.runnerChecks(), a.standInChecks(), a.nixChecks())
}

// auditor holds what the probes of one table share.
type auditor struct {
	Host
	cfg config.Config
}

// only limits checks to the kind of target that needs them.
func (a auditor) only(kind config.Kind, checks []Check) []Check {
	target := a.cfg.Target()
	if target == kind {
		return checks
	}
	for i := range checks {
		checks[i].Runs = false
		checks[i].Probe = func(context.Context) Result {
			return Skip(fmt.Sprintf("the target, %s, does without it", describe[target]))
		}
	}
	return checks
}

var describe = map[config.Kind]string{
	config.StandIn: "the stand-in image",
	config.ISO:     "an ISO that is there already",
	config.Flake:   "a flake",
}

const always = "always"

// install is a remedy's words for a Debian package.
func install(t tools.Tool) string {
	return fmt.Sprintf("`make setup` (Debian package %s)", t.Package)
}

// Table is checks as a Markdown table, in their order.
func Table(checks []Check) string {
	var b strings.Builder
	b.WriteString("| id | condition | how | needed | remedy |\n|---|---|---|---|---|\n")
	for _, c := range checks {
		cells := []string{"`" + c.ID + "`", c.Condition, c.How, c.When, c.Remedy}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(cell, "\n", " "), "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}
