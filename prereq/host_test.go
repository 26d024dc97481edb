package prereq_test

import (
	"testing"

	"bootaudit/internal/checktest"
	"bootaudit/internal/config"
	"bootaudit/internal/target"
	"bootaudit/prereq"
)

// TestHost is the host's part of an audit: what it finds is this machine's.
func TestHost(t *testing.T) {
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		t.Skip("looks at this machine and boots QEMU")
	}
	checktest.Run(t, prereq.Checks(target.Host(cfg)))
}
