package iso_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/config"
	"bootaudit/internal/tools"
)

// efiProgram is a program of the test's packages.
func efiProgram(t *testing.T, name string) string {
	t.Helper()
	for _, tool := range tools.Test {
		if tool.Name() != name {
			continue
		}
		found, err := tool.Find()
		if err != nil {
			config.Lacking(t, err)
		}
		content, err := os.ReadFile(found)
		require.NoError(t, err)
		return string(content)
	}
	t.Fatalf("%s is not in tools.Test", name)
	return ""
}

func TestSecureBoot(t *testing.T) {
	found, err := tools.FindOVMF(true, func(path string) error { _, err := os.Stat(path); return err })
	if err != nil {
		config.Lacking(t, err)
	}
	const first, second, kernel = "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "boot/bzImage"
	shim, grub, other := efiProgram(t, "shimx64.efi.signed"), efiProgram(t, "gcdx64.efi.signed"), efiProgram(t, "systemd-bootx64.efi")
	changed := []byte(shim)
	changed[len(changed)/4] ^= 1
	for name, c := range map[string]struct {
		files     map[string]string
		want      check.Outcome // where Secure Boot is not asked for
		asked     check.Outcome // and where it is
		says      string
		evidenced string
	}{
		"signed": {map[string]string{first: shim, second: grub}, check.Holds, check.Holds,
			"shim, Microsoft Windows UEFI Driver Publisher, and EFI/BOOT/grubx64.efi, by Debian Secure Boot CA, and boot/bzImage, by Debian Secure Boot CA", "SBAT: grub.debian"},
		"unsigned kernel": {map[string]string{first: shim, second: grub, kernel: other}, check.Risk, check.Broken,
			"GRUB does not start boot/bzImage: it has no signature", "boot/bzImage: x86_64"},
		"kernel without EFI stub": {map[string]string{first: shim, second: grub, kernel: smalliso.Debian().Files[kernel]}, check.Risk, check.Broken,
			"GRUB does not start boot/bzImage: no EFI program", "grubx64.efi: x86_64"},
		"unsigned": {map[string]string{first: other}, check.Risk, check.Broken, "it has no signature", "digest "},
		"changed": {map[string]string{first: string(changed), second: grub}, check.Risk, check.Broken,
			"it was changed after Microsoft Windows UEFI Driver Publisher signed it", "signature 1: "},
		"without shim": {map[string]string{first: grub}, check.Risk, check.Broken, "signed by Debian Secure Boot Signer", "signature 1: "},
		"shim alone":   {map[string]string{first: shim}, check.Risk, check.Broken, "has nothing to start: EFI/BOOT/grubx64.efi is not in the ISO", "issued by CN=Microsoft"},
		"shim's boot loader is unsigned": {map[string]string{first: shim, second: other}, check.Risk, check.Broken,
			"EFI/BOOT/grubx64.efi is not for this shim: it has no signature", "EFI/BOOT/grubx64.efi: x86_64"},
		"no program":       {map[string]string{first: "text"}, check.Risk, check.Broken, "no EFI program: it does not begin with MZ", ""},
		"cut short":        {map[string]string{first: shim[:len(shim)-100]}, check.Unknown, check.Unknown, "it is cut short", ""},
		"in FAT only":      {nil, check.NotNeeded, check.Unknown, first + " is ", ""},
		"in lower case":    {map[string]string{"EFI/boot/bootx64.efi": shim, "EFI/boot/grubx64.efi": grub}, check.Holds, check.Holds, "Debian Secure Boot CA", ""},
		"shim for nothing": {map[string]string{first: shim, second: ""}, check.Risk, check.Broken, "no EFI program", ""},
	} {
		t.Run(name, func(t *testing.T) {
			image := smalliso.Debian()
			image.Files[kernel] = grub // Debian signs kernels with the same key
			for name, content := range c.files {
				image.Files[name] = content
			}
			s := ofISO(write(t, image))
			s.Variables = found.Vars
			r := results(t, s)["image-secure-boot"]
			assert.Equal(t, c.want, r.Outcome, r.Detail)
			assert.Contains(t, r.Detail, c.says)
			s.SecureBoot = true
			r = results(t, s)["image-secure-boot"]
			assert.Equal(t, c.asked, r.Outcome, r.Detail)
			assert.Contains(t, r.Detail, c.says)
			assert.Contains(t, r.Evidence, c.evidenced)
		})
	}

	// Nobody asks, or nobody can tell.
	image := ofISO(write(t, smalliso.Debian()))
	assert.Equal(t, check.NotNeeded, results(t, image)["image-secure-boot"].Outcome)
	image.SecureBoot = true
	r := results(t, image)["image-secure-boot"]
	assert.Equal(t, check.Unknown, r.Outcome)
	assert.Contains(t, r.Detail, "ovmf-secure-boot")
	none, err := tools.FindOVMF(false, func(path string) error { _, err := os.Stat(path); return err })
	require.NoError(t, err)
	image.Variables = none.Vars
	r = results(t, image)["image-secure-boot"]
	assert.Contains(t, r.Detail, none.Vars+": it has no keys")
	text := t.TempDir() + "/text"
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("text "), 100), 0o644))
	image.Variables = text
	assert.Contains(t, results(t, image)["image-secure-boot"].Detail, "want a raw firmware volume")
}
