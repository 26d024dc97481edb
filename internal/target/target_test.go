package target

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
)

func TestISO(t *testing.T) {
	name, err := ISO(t.Context(), config.Config{File: "/some/where.iso"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "/some/where.iso", name)
}

func TestFlakeWithoutNix(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cfg := config.Config{Flake: "/f#x", Attr: "bootImage", NixosConfig: "c", CacheDir: config.Path(t.TempDir())}
	_, err := ISO(t.Context(), cfg, io.Discard)
	var missing *check.Lack
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, check.Absent, missing.Outcome)
	assert.ErrorContains(t, err, "install nix, or put it on the PATH")
}

func TestFlake(t *testing.T) {
	cache := t.TempDir()
	cfg := config.Config{Flake: "/f#x", Attr: "bootImage", NixosConfig: "c", CacheDir: config.Path(cache), Artifacts: "/run"}
	f, err := Flake(cfg, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "/f", f.Ref)
	assert.Equal(t, "/run", f.LogDir)
	assert.Equal(t, filepath.Join(cache, "root-key.pub"), f.Key.Public)

	cfg.RootKey = config.Path(filepath.Join(cache, "none.pub"))
	_, err = Flake(cfg, io.Discard)
	assert.ErrorContains(t, err, "none.pub: no such file")
	_, err = Image(t.Context(), cfg, io.Discard)
	assert.ErrorContains(t, err, "none.pub: no such file")
}

func TestSubject(t *testing.T) {
	s, err := Image(t.Context(), config.Config{CacheDir: config.Path(t.TempDir())}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "pre-nixos", s.Contract.Name)
	assert.Contains(t, s.KeyAtBoot, "opt/bootaudit/root-key")
	assert.Nil(t, s.Flake)

	bad := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(bad, []byte("name = 3\n"), 0o600))
	_, err = Image(t.Context(), config.Config{Contract: config.Terms(bad)}, io.Discard)
	assert.ErrorContains(t, err, "c.toml:1: ")
}
