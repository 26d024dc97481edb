package iso_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
)

const menuArgs = "boot.shell_on_fail root=LABEL=SMALL loglevel=4 console=tty0 console=ttyS0,115200n8"

// grubOnly is an image whose only menu is this grub.cfg.
func grubOnly(text string) smalliso.Image {
	s := smalliso.Debian().Without("isolinux/isolinux.cfg")
	s.RootFile, s.Root = "", nil
	s.Files["boot/grub/grub.cfg"] = text
	return s
}

// bzImage is a kernel's header that calls itself so.
func bzImage(says string) string {
	b := make([]byte, 4096)
	copy(b[0x1fe:], "\x55\xaa\xeb\x66HdrS\x0f\x02")
	b[0x236] = 0x3f
	binary.LittleEndian.PutUint16(b[0x20e:], 0x200)
	copy(b[0x400:], says+"\x00")
	return string(b)
}

// TestMenuFacts: that a menu waits hides nothing else of it, that only what
// boots by itself can be broken, and that what nobody can tell is unknown.
func TestMenuFacts(t *testing.T) {
	const sound = "menuentry a {\nlinux /boot/bzImage " + menuArgs + "\ninitrd /boot/initrd\n}\n"
	const boots = "timeout=1\n" + sound
	type want map[string]struct {
		outcome check.Outcome
		says    string
	}
	for name, tt := range map[string]struct {
		image smalliso.Image
		want  want
	}{
		"sound": {grubOnly(boots), want{
			"image-menu": {check.Holds, "boot/grub/grub.cfg (efi) (grub): 1 entries"}, "image-boot-menu": {check.Holds, `boots "a" of 1 entries after 1s`},
			"image-console": {check.Holds, "console=ttyS0"}, "image-boot-files": {check.Holds, "kernel boot/bzImage: x86_64"}, "image-root-label": {check.Holds, "1 entries"},
		}},
		"waits": {grubOnly(sound), want{
			"image-menu": {check.Holds, ""}, "image-boot-menu": {check.Broken, "waits for a key for ever"},
			"image-console": {check.Holds, "console=ttyS0"}, "image-boot-files": {check.Holds, "initrd boot/initrd: gzip"}, "image-root-label": {check.Holds, ""},
			"gap-menu": {check.Risk, "is not on the serial port"},
		}},
		"faults of others": {grubOnly(boots + "menuentry b {\nlinux /boot/none root=LABEL=OTHER\n}\n"), want{
			"image-boot-menu":  {check.Holds, ""},
			"image-boot-files": {check.Risk, "boot/grub/grub.cfg:7: kernel boot/none is not in the ISO"},
			"image-root-label": {check.Risk, `boot/grub/grub.cfg:7: root=LABEL=OTHER, but the volume is "SMALL"`},
			"image-console":    {check.Holds, "1 entries that must be chosen by hand do not"},
		}},
		"faults of the default": {grubOnly("default=1\n" + boots + "menuentry b {\nlinux /boot/none root=LABEL=OTHER\n}\n"), want{
			"image-boot-files": {check.Broken, "grub.cfg:8: kernel boot/none is not in the ISO"},
			"image-root-label": {check.Broken, "grub.cfg:8: root=LABEL=OTHER"},
			"image-console":    {check.Broken, `grub.cfg:8: "b" has no console=ttyS0`},
		}},
		"faults that may never be": {grubOnly("timeout=1\nif keystatus --shift; then\nmenuentry b {\nlinux /boot/none root=LABEL=OTHER\n}\nfi\n" + sound), want{
			"image-boot-menu":  {check.Unknown, `boots "b", where it depends on this: boot/grub/grub.cfg:2: whether keystatus --shift succeeds`},
			"image-boot-files": {check.Unknown, "kernel boot/none is not in the ISO, where it depends on this"},
			"image-root-label": {check.Unknown, "root=LABEL=OTHER"},
			"image-console":    {check.Unknown, "has no console=ttyS0"},
		}},
		"what nobody can count": {grubOnly("default=1\nif keystatus --shift; then\nmenuentry b {\nlinux /boot/none\n}\nfi\n" + boots), want{
			"image-menu": {check.Holds, ""}, "image-boot-menu": {check.Unknown, "boot/grub/grub.cfg:2: whether keystatus"},
			"image-console": {check.Unknown, "what boot/grub/grub.cfg (efi) boots by itself cannot be told"}, "image-boot-files": {check.Unknown, "cannot be told"},
		}},
		"a link": {func() smalliso.Image {
			s := grubOnly("timeout=1\nmenuentry a {\nlinux /boot/vmlinuz " + menuArgs + "\ninitrd /install/initrd\n}\n")
			s.Files["boot/vmlinuz"], s.Files["install"] = "-> bzImage", "-> boot"
			return s
		}(), want{"image-boot-files": {check.Holds, "initrd boot/initrd: gzip, kernel boot/bzImage: x86_64"}}},
		"another disk": {grubOnly("timeout=1\nmenuentry d { chainloader (hd0)+1 }\n" + sound), want{
			"image-boot-menu": {check.Broken, `its default is none of its 1 entries that boot Linux: it is "d"`},
			"image-console":   {check.Holds, ""},
		}},
		"a file of another disk": {grubOnly("timeout=1\nmenuentry d { set root=(hd0,msdos1); linux /vmlinuz " + menuArgs + "\n}\n" + sound), want{
			"image-boot-files": {check.Unknown, "kernel (hd0,msdos1)/vmlinuz is on another device than the image"},
			"image-console":    {check.Holds, ""},
		}},
		"platforms": {grubOnly("timeout=1\nif [ $grub_platform = efi ]; then\nmenuentry e { linux /boot/bzImage console=tty0\n}\nfi\n" + sound), want{
			"image-boot-menu": {check.Holds, `boot/grub/grub.cfg (efi) boots "e" of 2 entries`},
			"image-console":   {check.Broken, `grub.cfg:3: "e" has no console=ttyS0`},
		}},
		"blscfg": {grubOnly("blscfg\n"), want{"image-menu": {check.Unknown, "boot/grub/grub.cfg (efi): boot/grub/grub.cfg:1: what blscfg adds to the menu"}}},
		"Limine": {func() smalliso.Image {
			s := grubOnly("").Without("boot/grub/grub.cfg")
			s.Files["boot/limine/limine.conf"] = "timeout: 1\n/Linux\nprotocol: linux\n"
			return s
		}(), want{"image-menu": {check.Unknown, "the boot loader is Limine"}}},
		"ISOLINUX without a menu": {grubOnly("").Without("boot/grub/grub.cfg"), want{"image-menu": {check.Broken, "the boot loader is ISOLINUX"}}},
		"memtest86+": {func() smalliso.Image {
			s := grubOnly("timeout=1\nmenuentry m { linux /boot/memtest }\n" + sound)
			s.Files["boot/memtest"] = bzImage("Memtest86+ v6.10")
			return s
		}(), want{
			"image-boot-files": {check.Unknown, `kernel boot/memtest is no Linux, but another program in a kernel's clothes (bzImage): it calls itself "Memtest86+ v6.10"`},
			"image-console":    {check.Unknown, `"m" is no Linux`},
		}},
		"a kernel that says who it is": {func() smalliso.Image {
			s := grubOnly(boots).Without("boot/bzImage")
			s.Files["boot/bzImage"] = bzImage("6.1.0-13-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC")
			return s
		}(), want{"image-boot-files": {check.Holds, "kernel boot/bzImage: x86_64"}}},
	} {
		t.Run(name, func(t *testing.T) {
			found := results(t, ofISO(write(t, tt.image)))
			for id, w := range tt.want {
				assert.Equal(t, w.outcome, found[id].Outcome, "%s: %s", id, found[id].Detail)
				assert.Contains(t, found[id].Detail, w.says, id)
			}
		})
	}
}
