package iso_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
	require.NoError(t, err)
	subject, err := target.Image(t.Context(), cfg, t.Output())
	require.NoError(t, err)
	subject.Deadline, _ = t.Deadline()
	checktest.Run(t, iso.Checks(subject))
}
