package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// registries are servers that packages come from: people sit behind mirrors of
// their own, so the tree names none. (In halves, so that this file does not.)
var registries = regexp.MustCompile(`(?i)(?:deb|security|ftp\.\w+|snapshot)\.` + `debian\.org|proxy\.` + `golang\.org|cache\.` + `nixos\.org|registry\.` + `npmjs\.org|` + `pypi\.org|archive\.` + `ubuntu\.com`)

func TestNoRegistryIsNamed(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Skip("not a checkout of git's: ", err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		require.NoError(t, err)
		assert.NotRegexp(t, registries, string(text), name)
	}
}
