package scenario

import (
	"testing"

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
	suite := NewSuite(subject, vmtest.NewHarness(t))
	t.Cleanup(suite.Close)
	for _, scenario := range suite.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			if !scenario.Alone {
				t.Parallel()
			}
			checktest.RunInOrder(t, scenario.Checks)
			suite.End(scenario, t.Attr)
		})
	}
	// Those that run side by side begin when this function has returned: they
	// need the CPUs, also where -run left out some who share the first VM.
	suite.EndAlone()
}
