package rootkey

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/internal/config"
)

func TestLoadKeepsTheKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	first, err := Load(dir, false)
	require.NoError(t, err)
	assert.Regexp(t, `^ssh-ed25519 AAAA\S+ bootaudit root key$`, first.Authorized)
	assert.Regexp(t, `^SHA256:\S{43}$`, first.Fingerprint)

	second, err := Load(dir, false)
	require.NoError(t, err)
	assert.Equal(t, first, second)

	info, err := os.Stat(first.Private)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Remove(first.Public))
	require.NoError(t, os.Chmod(first.Private, 0o644))
	healed, err := Load(dir, false)
	require.NoError(t, err)
	assert.Equal(t, first, healed)
	assert.FileExists(t, first.Public)
}

func TestLoadRenewsOncePerParent(t *testing.T) {
	dir := t.TempDir()
	old, err := Load(dir, false)
	require.NoError(t, err)
	renewed, err := Load(dir, true)
	require.NoError(t, err)
	assert.NotEqual(t, old.Fingerprint, renewed.Fingerprint)

	again, err := Load(dir, true)
	require.NoError(t, err)
	assert.Equal(t, renewed, again, "a second package of the same go test run must get the same key")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "root-key.renewed-by"), []byte("1 at 1"), 0o600))
	later, err := Load(dir, true)
	require.NoError(t, err)
	assert.NotEqual(t, renewed.Fingerprint, later.Fingerprint, "another run makes another key")
}

func TestLoadTogether(t *testing.T) {
	dir := t.TempDir()
	keys := make([]contract.Key, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i], _ = Load(dir, false) })
	}
	all.Wait()
	for _, k := range keys {
		assert.Equal(t, keys[0], k)
	}
	assert.NotEmpty(t, keys[0].Fingerprint)
}

func TestSSHKeygenReadsTheKey(t *testing.T) {
	tool, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: ", err)
	}
	key, err := Load(t.TempDir(), false)
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), tool, "-l", "-f", key.Private).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), key.Fingerprint)
	assert.Contains(t, string(out), "ED25519")
}

func TestGiven(t *testing.T) {
	kept, err := Load(t.TempDir(), false)
	require.NoError(t, err)
	given, err := For(config.Config{RootKey: config.Path(kept.Public)})
	require.NoError(t, err)
	assert.Equal(t, kept, given)

	require.NoError(t, os.Remove(kept.Private))
	given, err = fromPublic(kept.Public)
	require.NoError(t, err)
	assert.Empty(t, given.Private)
}

func TestBadKeys(t *testing.T) {
	dir := t.TempDir()
	_, err := fromPublic(filepath.Join(dir, "none.pub"))
	assert.ErrorContains(t, err, "none.pub: no such file")

	foreign := filepath.Join(dir, "root-key")
	require.NoError(t, os.WriteFile(foreign, []byte("hello\n"), 0o600))
	_, err = fromPublic(foreign)
	assert.ErrorContains(t, err, "is not an OpenSSH public key")
	_, err = Load(dir, false)
	assert.ErrorContains(t, err, "BOOT_IMAGE_NEW_KEY=1")
	_, err = Load(dir, true)
	assert.NoError(t, err)

	_, err = Load("/dev/null/x", false)
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(err.Error(), "root key: "), err)
}
