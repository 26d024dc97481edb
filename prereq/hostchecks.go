package prereq

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/tools"
)

// GuestTranslationsMiB is how large QEMU is told to make a guest's translation
// buffer, under TCG: its own choice, an eighth of the host's memory and 1 GiB at
// most, knows nothing of a control group's limit.
const GuestTranslationsMiB = 256

// Subject is what this host is to build and boot, and where.
type Subject struct {
	Target contract.Target
	// Cache is the folder for built images and keys, Artifacts that of a run's
	// files; "" is the temporary folder.
	Cache, Artifacts string
	// Mirror is where the stand-in's packages come from; "" is the mirror of the
	// host's apt.
	Mirror string
	// NoGo says that the audit is run by a program, and needs no go command.
	NoGo bool
}

// Checks is the table of what this host must have to build and boot the subject's
// target. What a target does without is not needed, and says so.
func Checks(s Subject) []check.Check { return hostChecks(thisHost(), s) }

// Describe is [Checks] as a table to read: what it says is the same on every host,
// for it looks at one that has nothing.
func Describe(s Subject) []check.Check {
	return hostChecks(host{
		FS:       os.DirFS(os.DevNull),
		LookPath: func(string) (string, error) { return "", exec.ErrNotFound },
		Run:      func(context.Context, call) output { return output{Err: exec.ErrNotFound} },
		StandIn:  func(Subject) (string, error) { return "", nil },
	}, s)
}

// hostChecks is [Checks] of any host.
func hostChecks(h host, s Subject) []check.Check {
	a := auditor{host: h, subject: s}
	return slices.Concat(a.qemuChecks(), a.capacityChecks(), a.runnerChecks(), a.standInChecks(), a.nixChecks())
}

// auditor holds what the probes of one table share.
type auditor struct {
	host
	subject Subject
}

// onlyFor limits checks to the kind of target that needs them.
func onlyFor(kind contract.Kind, s Subject, checks []check.Check) []check.Check {
	if s.Target.Kind == kind {
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
