package iso_test

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/rootkey"
	"bootaudit/iso"
)

// ownStore lets nix work in a store of the test's own, without a network.
func ownStore(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nix is run")
	}
	_, err := exec.LookPath("nix")
	needTool(t, err)
	dir := t.TempDir()
	t.Cleanup(func() {
		// Store paths are read-only, and the test's folder is to be removed.
		_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(name, 0o755)
			}
			return nil
		})
	})
	for name, folder := range map[string]string{
		"NIX_STORE_DIR": "store", "NIX_STATE_DIR": "state", "NIX_LOG_DIR": "log", "NIX_CONF_DIR": "conf",
	} {
		t.Setenv(name, filepath.Join(dir, folder))
	}
	t.Setenv("NIX_CONFIG", "substituters =\n")
}

// newFlake is the stand-in flake, or a broken sibling, around a small image.
func newFlake(t *testing.T, variant string) *iso.Flake {
	t.Helper()
	dir, cache := t.TempDir(), t.TempDir()
	image := write(t, smalliso.Debian())
	require.NoError(t, fixtures.Flake(t.Context(), dir, image, variant))
	key, err := rootkey.Load(cache, false)
	require.NoError(t, err)
	return &iso.Flake{
		Ref: "path:" + dir, Attr: "bootImage", Config: "pre-installer", Key: key,
		CacheDir: cache, LogDir: cache, Log: t.Output(),
	}
}

func ofFlake(f *iso.Flake) iso.Subject {
	return iso.Subject{
		Contract: contract.PreNixOS(), Flake: f, KeyAtBoot: "fw_cfg",
		ISO: func(ctx context.Context) (string, error) {
			b, err := f.Build(ctx)
			if err != nil {
				return "", &check.Lack{Outcome: check.Unknown, Err: err}
			}
			return b.ISO, nil
		},
	}
}

func TestFlakeBuildsOnce(t *testing.T) {
	ownStore(t)
	f := newFlake(t, "")
	found := results(t, ofFlake(f))
	onlyBroken(t, found, nil)
	first, err := f.Build(t.Context())
	require.NoError(t, err)
	assert.True(t, first.Rebuilt)
	assert.Equal(t, f.Key.Fingerprint, first.Fingerprint)
	assert.Regexp(t, `^sha256-`, first.NARHash)
	assert.Regexp(t, `-boot-image\.drv$`, first.Deriver)
	key, err := os.ReadFile(filepath.Join(first.StorePath, "nix-support", "root_key.pub"))
	require.NoError(t, err)
	assert.Equal(t, f.Key.Authorized+"\n", string(key))

	again := &iso.Flake{Ref: f.Ref, Attr: f.Attr, Config: f.Config, Key: f.Key, CacheDir: f.CacheDir, LogDir: f.LogDir}
	second, err := again.Build(t.Context())
	require.NoError(t, err)
	assert.False(t, second.Rebuilt)
	assert.Equal(t, first.StorePath, second.StorePath)

	again = &iso.Flake{Ref: f.Ref, Attr: f.Attr, Config: f.Config, CacheDir: f.CacheDir, LogDir: f.LogDir}
	again.Key, err = rootkey.Load(f.CacheDir, true)
	require.NoError(t, err)
	third, err := again.Build(t.Context())
	require.NoError(t, err)
	assert.True(t, third.Rebuilt, "a new key is a new image")
}

var brokenFlakes = map[string]map[string]string{
	"no-serial-console": {
		"flake-console":       "boot.kernelParams has no console=ttyS0 (it has tty0)",
		"flake-matches-image": "boot/grub/grub.cfg:6 has the consoles tty0, ttyS0, boot.kernelParams tty0",
	},
	"tty0-last": {
		"flake-console":       "console=tty0 comes last in boot.kernelParams",
		"flake-matches-image": "isolinux/isolinux.cfg:6 has the consoles tty0, ttyS0, boot.kernelParams ttyS0, tty0",
	},
	"package-missing": {"flake-commands": "no package of environment.systemPackages provides disko, mdadm"},
	"unit-not-oneshot": {
		"flake-unit":          "systemd.services.pre-nixos: Type is simple, not oneshot; systemd.services.pre-nixos is not wanted by multi-user.target",
		"flake-matches-image": "/etc/systemd/system/pre-nixos.service: Type is oneshot, configured is simple",
	},
	"ssh-started-inside": {"flake-ssh-order": `"systemctl start sshd" waits for a unit that waits for pre-nixos.service`},
	"two-isos":           {"flake-output": "holds 2 .iso files"},
	"no-iso":             {"flake-output": "holds no .iso"},
	"no-attribute":       {"flake-attribute": "attribute 'image' missing"},
	"evaluation-error": {
		"flake-attribute": "the option boot.image is not set",
		"flake-config":    "the option boot.loader is not set",
	},
	"build-failure": {"flake-build": "failed with exit code 1"},
}

func TestBrokenFlakes(t *testing.T) {
	assert.ElementsMatch(t, slices.Collect(maps.Keys(fixtures.Variants())), slices.Collect(maps.Keys(brokenFlakes)))
	ownStore(t)
	for variant, want := range brokenFlakes {
		t.Run(variant, func(t *testing.T) {
			found := results(t, ofFlake(newFlake(t, variant)))
			if found["flake-output"].Outcome != check.Holds {
				// What follows from there being no image.
				assert.Equal(t, check.Unknown, found["image-opens"].Outcome)
				delete(found, "image-opens")
			}
			onlyBroken(t, found, want)
			if variant == "build-failure" {
				assert.Contains(t, found["flake-build"].Evidence, "mksquashfs: FATAL ERROR: no space left on device")
			}
		})
	}
}
