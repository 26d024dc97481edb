package iso_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

// efiImage is an image whose only menu lies in its EFI boot image.
func efiImage(files map[string]string) smalliso.Image {
	s := grubOnly("").Without("boot/grub/grub.cfg", "isolinux/isolinux.cfg")
	s.EFI = maps.Clone(files)
	for name, text := range files {
		switch text {
		case "kernel":
			s.EFI[name] = s.Files["boot/bzImage"]
		case "initrd":
			s.EFI[name] = s.Files["boot/initrd"]
		}
	}
	return s
}

// TestEFIBootImage: menus in the FAT image that UEFI boots from, and the files
// that they name there or in the ISO.
func TestEFIBootImage(t *testing.T) {
	loader := iso.Program(".sdmagic", "#### LoaderInfo: systemd-boot 252 ####")
	kernel := bzImage("6.1.0-small (a@b) #1 SMP")
	for name, tt := range map[string]struct {
		files   map[string]string
		menu    string
		kernel  string
		console check.Outcome
		says    map[string]string
	}{
		"systemd-boot": {map[string]string{
			"EFI/BOOT/BOOTX64.EFI": loader, "loader/loader.conf": "timeout 2\n", "loader/entries/long-name-1.conf": "linux /arch/vmlinuz\ninitrd /ARCH/INITRD\noptions " + menuArgs + "\n",
			"arch/vmlinuz": "kernel", "arch/initrd": "initrd",
		}, "boot/efi.img:/loader/loader.conf", "boot/efi.img:/arch/vmlinuz", check.Holds, map[string]string{
			"image-boot-menu":  `boot/efi.img:/loader/loader.conf (efi) boots "long-name-1.conf" of 1 entries after 2s`,
			"image-boot-files": "initrd boot/efi.img:/ARCH/INITRD: gzip, kernel boot/efi.img:/arch/vmlinuz: x86_64",
		}},
		"a UKI": {map[string]string{"EFI/BOOT/BOOTX64.EFI": iso.Program(".cmdline", menuArgs, ".linux", kernel, ".initrd", gz(t, smalliso.CPIO(smalliso.InitrdFiles())))},
			"boot/efi.img:/EFI/BOOT/BOOTX64.EFI", "boot/efi.img:/EFI/BOOT/BOOTX64.EFI:.linux", check.Holds, map[string]string{
				"image-boot-files": "initrd boot/efi.img:/EFI/BOOT/BOOTX64.EFI:.initrd: gzip, kernel boot/efi.img:/EFI/BOOT/BOOTX64.EFI:.linux: x86_64",
				"image-root-label": "1 entries say root=LABEL=SMALL",
			}},
		"a UKI for the screen": {map[string]string{"EFI/BOOT/BOOTX64.EFI": iso.Program(".cmdline", "quiet", ".linux", kernel)},
			"boot/efi.img:/EFI/BOOT/BOOTX64.EFI", "boot/efi.img:/EFI/BOOT/BOOTX64.EFI:.linux", check.Broken, map[string]string{
				"image-console": `boot/efi.img:/EFI/BOOT/BOOTX64.EFI: "BOOTX64.EFI" has no console=ttyS0 (it has none)`,
			}},
		"GRUB, and the kernel in the ISO": {map[string]string{"EFI/BOOT/BOOTX64.EFI": iso.Program(".text", "GRUB"),
			"EFI/BOOT/grub.cfg": "search --set=root --file /boot/bzImage\ntimeout=1\nserial\nmenuentry a { linux /boot/bzImage " + menuArgs + "\n}\n"},
			"boot/efi.img:/EFI/BOOT/grub.cfg", "boot/bzImage", check.Holds, map[string]string{"image-boot-files": "kernel boot/bzImage: x86_64"}},
		"GRUB, and the kernel beside it": {map[string]string{"EFI/BOOT/grub.cfg": "timeout=1\nmenuentry a { linux /vmlinuz " + menuArgs + "\n}\n", "vmlinuz": "kernel"},
			"boot/efi.img:/EFI/BOOT/grub.cfg", "boot/efi.img:/vmlinuz", check.Holds, map[string]string{"image-boot-files": "kernel boot/efi.img:/vmlinuz: x86_64"}},
	} {
		t.Run(name, func(t *testing.T) {
			name := write(t, efiImage(tt.files))
			img := open(t, name)
			require.NoError(t, img.MenuErr)
			require.Len(t, img.Menus, 1)
			assert.Equal(t, tt.menu, img.Menus[0].File)
			assert.Equal(t, tt.kernel, img.Menus[0].Entries[0].Kernel)
			found := results(t, ofISO(name))
			for id, r := range found {
				if r.Outcome == check.Broken && id != "image-root-filesystem" {
					assert.Equal(t, "image-console", id, r.Detail)
				}
			}
			assert.Equal(t, tt.console, found["image-console"].Outcome, found["image-console"].Detail)
			for id, says := range tt.says {
				assert.Contains(t, found[id].Detail, says, id)
			}
		})
	}
}

// TestHostileEFI: whatever stands in the EFI boot image, Open ends, and takes
// memory in proportion to the image.
func TestHostileEFI(t *testing.T) {
	whole, err := os.ReadFile(write(t, efiImage(map[string]string{
		"EFI/BOOT/BOOTX64.EFI": iso.Program(".sdmagic", "x"), "EFI/Linux/u.efi": iso.Program(".cmdline", menuArgs, ".linux", "kernel"),
		"loader/entries/a.conf": "linux /a\n", "a/b/c/d/e": "x",
	})))
	require.NoError(t, err)
	start := bytes.Index(whole, []byte("FAT12"))
	require.Positive(t, start)
	start -= start % 2048
	name := filepath.Join(t.TempDir(), "hostile.iso")
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := bytes.Clone(whole)
		for range 1 + random.IntN(40) {
			// The header, the tables, the folders and the programs' headers.
			b[start+random.IntN(16<<10)] = byte(random.Uint32())
		}
		require.NoError(t, os.WriteFile(name, b, 0o600))
		var img *iso.Image
		cost := iso.Allocated(func() {
			if img, err = iso.Open(name); err == nil {
				assert.NoError(t, img.Close())
			}
		})
		require.NoError(t, err)
		assert.Less(t, cost, 16*len(b)+64<<20)
		assert.Less(t, iso.Kept(img), 40*len(b)+1<<20)
	}
}
