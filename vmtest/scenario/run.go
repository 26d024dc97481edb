package scenario

import (
	"testing"

	"bootaudit/contract/check"
	"bootaudit/internal/about"
	"bootaudit/internal/checktest"
	"bootaudit/vmtest"
)

// Run boots the subject's image in each scenario, and checks what it does: each
// scenario is a subtest of t, each check a subtest of that. The VMs are as the
// environment asks for (BOOT_IMAGE_VM_...). Under -short t is skipped.
func Run(t *testing.T, subject Subject) {
	if testing.Short() {
		t.Skip("boots the image in QEMU; -short asks for no boot")
	}
	show := checktest.Of(t)
	about.Of(subject.Target).Attach(show)
	NewSuite(subject, vmtest.NewHarness(t)).Run(show)
}

// Run is [Run] on t, which may be no test of go test's. The suite is closed when t
// ends.
func (s *Suite) Run(t check.Test) {
	t.Cleanup(s.Close)
	require := s.fleet.harness.Require
	for _, scenario := range s.Scenarios {
		t.Run(scenario.Name, func(t check.Test) {
			if !scenario.Alone {
				t.Parallel()
			}
			check.RunInOrder(t, scenario.Checks, require)
			s.End(scenario, t.Attr)
		})
	}
	// Those that run side by side begin when this function has returned: they
	// need the CPUs, also where -run left out some who share the first VM.
	s.EndAlone()
}
