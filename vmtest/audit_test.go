package vmtest_test

import (
	"testing"

	"bootaudit/internal/audit"
	"bootaudit/internal/checktest"
)

// TestVM boots the image that is audited, in each scenario, and checks what it
// does: go test ./vmtest -run TestVM/clean-disk
func TestVM(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the image in QEMU; -short asks for no boot")
	}
	audit.Door{}.VM(checktest.Of(t))
}
