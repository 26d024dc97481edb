package prereq

import (
	"context"
	"fmt"
	"slices"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/internal/tools"
)

// GuestTranslationsMiB is how large QEMU is told to make a guest's translation
// buffer, under TCG: its own choice, an eighth of the host's memory and 1 GiB at
// most, knows nothing of a control group's limit.
const GuestTranslationsMiB = 256

// HostChecks is the table of what a host must have to build and boot cfg's
// target. What a target does without is not needed, and says so.
func HostChecks(h Host, cfg config.Config) []check.Check {
	a := auditor{Host: h, cfg: cfg}
	return slices.Concat(a.qemuChecks(), a.capacityChecks(), a.runnerChecks(), a.standInChecks(), a.nixChecks())
}

// auditor holds what the probes of one table share.
type auditor struct {
	Host
	cfg config.Config
}

// onlyFor limits checks to the kind of target that needs them.
func onlyFor(kind contract.Kind, cfg config.Config, checks []check.Check) []check.Check {
	if cfg.Target().Kind == kind {
		return checks
	}
	for i := range checks {
		checks[i].Applies = func(context.Context) string { return only[kind] }
	}
	return checks
}

// only says what a check that one kind of target needs is needed for.
var only = map[contract.Kind]string{
	contract.KindStandIn: "no stand-in is audited",
	contract.KindFlake:   "no flake is audited",
}

// install is a remedy's words for a Debian package.
func install(t tools.Tool) string {
	return fmt.Sprintf("`make setup` (Debian package %s)", t.Package)
}
