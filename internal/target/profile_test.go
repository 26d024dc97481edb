package target

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/config"
	"bootaudit/iso"
)

// initrdOnly is an image whose system is its initrd.
func initrdOnly(t *testing.T) string {
	small := smalliso.Debian()
	small.RootFile = ""
	for _, menu := range []string{"isolinux/isolinux.cfg", "boot/grub/grub.cfg"} {
		small = small.Edit(menu, "root=LABEL=SMALL ", "")
	}
	file := filepath.Join(t.TempDir(), "busybox.iso")
	require.NoError(t, small.Write(file))
	return file
}

// found is what the checks of an image find, by their IDs.
func found(t *testing.T, cfg config.Config) map[string]check.Finding {
	t.Helper()
	subject, err := Image(t.Context(), cfg, io.Discard)
	require.NoError(t, err)
	checks := iso.Checks(subject)
	table, err := check.NewTable(checks)
	require.NoError(t, err)
	all := map[string]check.Finding{}
	for _, c := range checks {
		all[c.ID] = table.Resolve(t.Context(), c.ID)
	}
	return all
}

// What is nobody's profile is asked for little, and is not broken for having no
// more.
func TestDefaultProfile(t *testing.T) {
	cfg := config.Config{File: config.Path(initrdOnly(t)), CacheDir: config.Path(t.TempDir())}
	all := found(t, cfg)
	assert.Equal(t, check.Holds, all["image-profile"].Outcome)
	assert.Equal(t, "default: the image has no mark of another profile", all["image-profile"].Detail)
	for id, f := range all {
		if slices.Contains([]string{"image-unit", "image-status-file", "image-ssh-order", "image-autologin", "image-sudo", "image-commands", "gap-root-key", "gap-plan-only", "image-root-filesystem"}, id) {
			assert.Equal(t, check.NotNeeded, f.Outcome, "%s: %s", id, f.Detail)
		}
		assert.NotEqual(t, check.Broken, f.Outcome, "%s: %s", id, f.Detail)
	}
	subject, err := Boot(t.Context(), cfg, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "default", subject.Contract.Name)
	assert.NoError(t, subject.Unknown)
}

// What cannot be told is not guessed: neither is anything asked that only one
// profile asks for, nor is it forgiven, nor is the image booted.
func TestUnknownProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "torn.iso")
	whole, err := os.ReadFile(initrdOnly(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o600))
	cfg := config.Config{File: config.Path(file), CacheDir: config.Path(t.TempDir())}
	all := found(t, cfg)
	assert.Equal(t, check.Broken, all["image-opens"].Outcome)
	for _, id := range []string{"image-profile", "image-unit", "image-commands"} {
		assert.Equal(t, check.Unknown, all[id].Outcome, id)
	}
	subject, err := Boot(t.Context(), cfg, io.Discard)
	require.NoError(t, err)
	assert.ErrorContains(t, subject.Unknown, "what the image promises is unknown: ")
	assert.ErrorContains(t, subject.Unknown, "torn.iso")
}

// Another profile than last time is said, once.
func TestProfileIsRemembered(t *testing.T) {
	cache := t.TempDir()
	a, b := contract.Target{Kind: contract.KindFile, File: "/a.iso"}, contract.Target{Kind: contract.KindFile, File: "/b.iso"}
	assert.Empty(t, remember(cache, a, "pre-nixos"))
	assert.Empty(t, remember(cache, b, "default"))
	assert.Equal(t, "pre-nixos", remember(cache, a, "default"))
	assert.Equal(t, "default", remember(cache, a, "default"))
	require.NoError(t, os.WriteFile(filepath.Join(cache, profilesFile), []byte("{torn"), 0o600))
	assert.Empty(t, remember(cache, a, "default"))
	assert.Equal(t, "default", remember(cache, a, "default"))
	assert.Empty(t, remember("/dev/null/x", a, "default"))

	image := config.Path(initrdOnly(t))
	cfg := config.Config{File: image, CacheDir: config.Path(cache)}
	remember(cache, cfg.Target(), "pre-nixos")
	f := found(t, cfg)["image-profile"]
	assert.Equal(t, check.Risk, f.Outcome)
	assert.Contains(t, f.Detail, "when it was audited last it was pre-nixos")
	assert.Equal(t, check.Holds, found(t, cfg)["image-profile"].Outcome)
}

// A contract that is named is taken as it is, and what it allows must exist.
func TestNamedContract(t *testing.T) {
	cfg := config.Config{File: config.Path(initrdOnly(t)), Contract: "debian-live", CacheDir: config.Path(t.TempDir())}
	f := found(t, cfg)["image-profile"]
	assert.Equal(t, check.Holds, f.Outcome)
	assert.Equal(t, "debian-live: BOOT_IMAGE_CONTRACT is debian-live", f.Detail)

	file := filepath.Join(t.TempDir(), "my.toml")
	write := func(text string) {
		require.NoError(t, os.WriteFile(file, []byte("name = 'mine'\n"+text), 0o600))
		cfg.Contract = config.Terms(file)
	}
	write("[[checks]]\nid = 'login'\ncommand = 'x'\ncondition = 'x'\nremedy = 'x'\n[[allow]]\ncheck = 'qemu-present'\nreason = 'x'\nuntil = 2030-01-01\n")
	_, err := Image(t.Context(), cfg, io.Discard)
	assert.ErrorContains(t, err, "my.toml:3: checks.1.id: login is the id of clean-disk/login already")
	assert.ErrorContains(t, err, "my.toml:8: allow.1.check: \"qemu-present\" is no check that can be allowed")

	write("[console]\ndevice = 'hvc0'\n[[allow]]\ncheck = 'image-console'\nreason = 'it is on its way'\nlink = 'https://example.org/7'\nuntil = 2030-01-01\n" +
		"[[allow]]\ncheck = 'image-volume-id'\nreason = 'x'\nuntil = 2030-01-01\n[[allow]]\ncheck = 'image-boot-files'\nreason = 'x'\nuntil = 2020-01-01\n")
	all := found(t, cfg)
	f = all["image-console"]
	assert.Equal(t, check.Risk, f.Outcome)
	assert.Equal(t, "known, and allowed until 2030-01-01: it is on its way (https://example.org/7)", f.Risk)
	f = all["image-waivers"]
	assert.Equal(t, check.Risk, f.Outcome)
	assert.Equal(t, "image-volume-id is not broken, but: holds; the waiver of image-boot-files ended on 2020-01-01", f.Detail)
}
