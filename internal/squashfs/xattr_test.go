package squashfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
)

// layered is a squashfs with what overlayfs leaves, which needs no root to make
// of an archive.
func layered(t testing.TB) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	long := strings.Repeat("v", 200)
	for _, h := range []*tar.Header{
		{Name: "opaque/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{
			"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.long": long, "SCHILY.xattr.security.x": "s"}},
		// A value that another one has stands once.
		{Name: "same/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.user.long": long, "SCHILY.xattr.user.other": "o"}},
		{Name: "plain/", Typeflag: tar.TypeDir},
		{Name: "whiteout", Typeflag: tar.TypeChar},
		{Name: "console", Typeflag: tar.TypeChar, Devmajor: 5, Devminor: 1},
		{Name: "file", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}},
	} {
		h.Mode, h.Format = 0o755, tar.FormatPAX
		require.NoError(t, w.WriteHeader(h))
	}
	require.NoError(t, w.Close())
	name := filepath.Join(t.TempDir(), "layer")
	cmd := exec.CommandContext(t.Context(), "sqfstar", "-quiet", "-no-progress", "-processors", "1", name)
	cmd.Stdin = &archive
	out, err := cmd.CombinedOutput()
	if cfg, cfgErr := config.Load(); errors.Is(err, exec.ErrNotFound) && cfgErr == nil && !cfg.Require {
		t.Skip("sqfstar is missing; install squashfs-tools")
	}
	require.NoError(t, err, "%s", out)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

func TestLayerMarks(t *testing.T) {
	data := layered(t)
	fs, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	entries, err := fs.Entries(fs.Root())
	require.NoError(t, err)
	byName := map[string]Entry{}
	for _, e := range entries {
		byName[e.Name] = e
	}
	long := strings.Repeat("v", 200)
	for _, tt := range []struct{ entry, name, want string }{
		{"opaque", "trusted.overlay.opaque", "y"},
		{"opaque", "user.overlay.opaque", ""},
		{"opaque", "security.x", "s"},
		{"opaque", "user.long", long},
		{"same", "user.long", long},
		{"same", "user.other", "o"},
		{"same", "trusted.overlay.opaque", ""},
		{"plain", "trusted.overlay.opaque", ""},
		{"file", "trusted.overlay.opaque", ""},
	} {
		value, err := fs.Attribute(byName[tt.entry], tt.name)
		require.NoError(t, err)
		assert.Equal(t, tt.want, value, "%s of %s", tt.name, tt.entry)
	}
	number, err := fs.Device(byName["whiteout"])
	require.NoError(t, err)
	assert.Zero(t, number)
	number, err = fs.Device(byName["console"])
	require.NoError(t, err)
	assert.NotZero(t, number)
	_, err = fs.Device(byName["file"])
	assert.ErrorContains(t, err, "file is not a character device")
}
