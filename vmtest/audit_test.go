package vmtest_test

import (
	"testing"

	"bootaudit/internal/config"
	"bootaudit/internal/target"
	"bootaudit/vmtest/scenario"
)

// TestVM boots the image that is audited, in each scenario, and checks what it
// does: go test ./vmtest -run TestVM/clean-disk
func TestVM(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the image in QEMU; -short asks for no boot")
	}
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	subject, err := target.Boot(t.Context(), cfg, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	scenario.Run(t, subject)
}
