package contract

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfiles(t *testing.T) {
	assert.Equal(t, []string{"debian-live", "default", "pre-nixos"}, Names())
	for _, name := range Names() {
		c, ok := Named(name)
		require.True(t, ok, name)
		assert.Equal(t, name, c.Name)
		assert.Equal(t, "ttyS0", c.Console.Device, name)
	}
	for _, name := range []string{"", "none", "default.toml", "../contract/default", "*"} {
		_, ok := Named(name)
		assert.False(t, ok, name)
	}
	assert.Equal(t, "default", Default().Name)
	assert.Equal(t, "pre-nixos", PreNixOS().Name)
	assert.Equal(t, "debian-live", DebianLive().Name)
	assert.Equal(t, "user", DebianLive().Login.User)
	assert.Empty(t, DebianLive().Storage)
}

// TestDefaultAsksLittle: what is not named here, an image is never asked for that
// is nobody's profile.
func TestDefaultAsksLittle(t *testing.T) {
	c := Default()
	c.source = nil
	assert.Equal(t, Contract{Name: "default", Console: Console{Device: "ttyS0"}}, c)
}

func TestLoad(t *testing.T) {
	c, err := Load("debian-live")
	require.NoError(t, err)
	assert.Equal(t, DebianLive(), c)

	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("default", []byte("name = 'mine'\n"), 0o600))
	for spec, want := range map[string]string{"default": "default", "./default": "mine"} {
		c, err := Load(spec)
		require.NoError(t, err)
		assert.Equal(t, want, c.Name, spec)
	}

	for spec, want := range map[string]string{
		"debian-liv":     `contract: "debian-liv" is neither a profile nor a file: the profiles are debian-live, default, pre-nixos; did you mean debian-live?`,
		"":               `contract: "" is neither a profile nor a file: the profiles are debian-live, default, pre-nixos`,
		"/none/such.txt": `contract: "/none/such.txt" is neither a profile nor a file: the profiles are debian-live, default, pre-nixos`,
	} {
		_, err := Load(spec)
		assert.EqualError(t, err, want)
		assert.ErrorIs(t, err, os.ErrNotExist)
	}
	dir := t.TempDir()
	_, err = Load(dir)
	assert.EqualError(t, err, "contract: "+dir+" is a folder; name the TOML file in it")
	_, err = Load("/dev/zero")
	assert.EqualError(t, err, "/dev/zero: is no text: byte 1 of it is zero")
	_, err = Load(filepath.Join(dir, "default", "x"))
	assert.ErrorContains(t, err, "is neither a profile nor a file")
}
