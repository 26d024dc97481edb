package mirror

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindConfigured(t *testing.T) {
	m, err := Find(t.Context(), "http://mirror.example/debian/ http://mirror.example/debian-security")
	require.NoError(t, err)
	assert.Equal(t, Mirror{"http://mirror.example/debian", "http://mirror.example/debian-security", Variable}, m)
	m, err = Find(t.Context(), "file:///srv/debian")
	require.NoError(t, err)
	assert.Equal(t, []string{"MIRROR=file:///srv/debian", "MIRROR_SECURITY="}, m.Environ())
	for _, bad := range []string{" ", "a b c", "mirror.example/debian", "ftp://x/debian", "http:///debian", "http://x/debian%zz"} {
		_, err := Find(t.Context(), bad)
		assert.ErrorContains(t, err, Variable, bad)
	}
}

// aptGet puts a program of that name on an otherwise empty PATH.
func aptGet(t *testing.T, script string) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", dir)
}

func TestFindApt(t *testing.T) {
	aptGet(t, `[ "$1" = indextargets ] || exit 9
echo https://packages.example/tool
echo http://near.example/debian/
echo http://near.example/debian-security/
echo http://far.example/debian/`)
	m, err := Find(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, Mirror{"http://near.example/debian", "http://near.example/debian-security", "apt's sources"}, m)

	aptGet(t, "echo http://archive.example/ubuntu/")
	_, err = Find(t.Context(), "")
	assert.EqualError(t, err, "none of this host's apt sources is a mirror of Debian; name one in BOOT_IMAGE_MIRROR")

	aptGet(t, "exit 3")
	_, err = Find(t.Context(), "")
	assert.ErrorContains(t, err, "exit status 3; name a mirror")

	t.Setenv("PATH", t.TempDir())
	_, err = Find(t.Context(), "")
	assert.ErrorContains(t, err, "this host has no apt whose mirror could be used")
}
