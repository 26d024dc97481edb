package vmtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
	require.NoError(t, err)
	subject, err := target.Boot(t.Context(), cfg, t.Output())
	require.NoError(t, err)
	scenario.Run(t, subject)
}
