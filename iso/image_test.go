package iso_test

import (
	"testing"

	"bootaudit/internal/checktest"
	"bootaudit/internal/config"
	"bootaudit/internal/target"
	"bootaudit/iso"
)

// TestImage audits the image that the environment names.
func TestImage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: an image may have to be built")
	}
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	subject, err := target.Image(t.Context(), cfg, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	subject.Deadline, _ = t.Deadline()
	checktest.Run(t, iso.Checks(subject))
}
