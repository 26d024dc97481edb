package iso_test

import (
	"testing"

	"bootaudit/internal/audit"
	"bootaudit/internal/checktest"
)

// TestImage audits the image that the environment names.
func TestImage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: an image may have to be built")
	}
	audit.Door{}.Image(checktest.Of(t))
}
