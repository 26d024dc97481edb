package prereq_test

import (
	"testing"

	"bootaudit/internal/audit"
	"bootaudit/internal/checktest"
)

// TestHost is the host's part of an audit: what it finds is this machine's.
func TestHost(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at this machine and boots QEMU")
	}
	audit.Door{}.Host(checktest.Of(t))
}
