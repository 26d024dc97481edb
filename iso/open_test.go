package iso_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/config"
	"bootaudit/iso"
)

func write(t testing.TB, s smalliso.Image) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "small.iso")
	needTool(t, s.Write(name))
	return name
}

// needTool skips where err says that a program is not installed, unless
// BOOT_IMAGE_REQUIRE is set, and fails on any other error.
func needTool(t testing.TB, err error) {
	t.Helper()
	if cfg, cfgErr := config.Load(); errors.Is(err, exec.ErrNotFound) && cfgErr == nil && !cfg.Require {
		t.Skip(err)
	}
	require.NoError(t, err)
}

func open(t testing.TB, name string) *iso.Image {
	t.Helper()
	img, err := iso.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, img.Close()) })
	return img
}

func TestOpen(t *testing.T) {
	for name, s := range map[string]smalliso.Image{"debian": smalliso.Debian(), "nixos": smalliso.NixOS()} {
		t.Run(name, func(t *testing.T) {
			img := open(t, write(t, s))
			assert.Equal(t, "SMALL", img.VolumeID)
			require.NoError(t, img.BootErr)
			require.Len(t, img.Boot, 2)
			assert.Equal(t, "bios", img.Boot[0].Platform)
			assert.Equal(t, "efi", img.Boot[1].Platform)
			require.NoError(t, img.MenuErr)
			require.Len(t, img.Menus, 2)
			for _, m := range img.Menus {
				assert.Equal(t, 0, m.Default, m.File)
				e := m.Entries[0]
				assert.Equal(t, "boot/bzImage", e.Kernel)
				assert.Equal(t, []string{"boot/initrd"}, e.Initrds)
				assert.Equal(t, []string{"tty0", "ttyS0"}, e.Consoles())
				assert.Equal(t, "SMALL", e.Label())
			}
			require.NoError(t, img.RootErr)
			u, err := img.Root.Unit("pre-nixos.service")
			require.NoError(t, err)
			assert.Equal(t, "oneshot", u.Last("Service", "Type"))
			assert.Equal(t, "1", u.Environment()["PRE_NIXOS_EXEC"])
			assert.Equal(t, []string{"multi-user.target"}, u.WantsIn)
			assert.GreaterOrEqual(t, len(img.Root.Programs(u)), 2)
			user, file, err := img.Root.Autologin("ttyS0")
			require.NoError(t, err)
			assert.Equal(t, "nixos", user, file)
			lines, ok, err := img.Root.Sudo("nixos")
			require.NoError(t, err)
			assert.True(t, ok, lines)
			assert.Equal(t, []string{"parted"}, img.Root.Missing([]string{"disko", "parted", "ip"}))
			arch, _, err := img.Root.Architecture()
			require.NoError(t, err)
			assert.Equal(t, "x86_64", arch)
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		full := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(full, []byte(text), 0o600))
		return full
	}
	for _, tt := range []struct{ name, path, want string }{
		{"absent", filepath.Join(dir, "none.iso"), "no such file: " + dir + "/none.iso"},
		{"directory", dir, dir + " is a directory, not an image"},
		{"device", "/dev/null", "/dev/null is a D"},
		{"empty", file("empty.iso", ""), "empty.iso is empty"},
		{"text", file("text.iso", "hello, this is a text file\n"), `text.iso: not an ISO 9660 image: no volume descriptor ("CD001") at byte 32769; it has 27 bytes and starts with the text "hello, this is a"`},
		{"compressed", file("image.iso.gz", "\x1f\x8b\x08\x00"+strings.Repeat("x", 1<<16)), "no image of a CD or a disk, but compressed with gzip: unpack it first"},
		{"zeros", file("zeros.iso", strings.Repeat("\x00", 1<<16)), "starts with zeros"},
		{"disk image", file("disk.iso", "QFI\xfb"+strings.Repeat("\x00", 1<<16)), "starts with QEMU qcow2 disk data"},
		{"no terminator", file("endless.iso", strings.Repeat("\x00", 1<<15)+strings.Repeat("\x01CD001\x01"+strings.Repeat("\x00", 121)+"\x00\x08"+strings.Repeat("\x00", 1918), 100)), "volume descriptors has no end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := iso.Open(tt.path)
			require.ErrorContains(t, err, tt.want)
			assert.Less(t, len(err.Error()), 300)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOpenOddPath(t *testing.T) {
	small := write(t, smalliso.Debian())
	odd := filepath.Join(t.TempDir(), "an image, with blanks = and commas.iso")
	require.NoError(t, os.Rename(small, odd))
	assert.Equal(t, "SMALL", open(t, odd).VolumeID)
}

// TestOpenCut: wherever a file is cut off, Open says so and does not panic.
func TestOpenCut(t *testing.T) {
	whole, err := os.ReadFile(write(t, smalliso.Debian()))
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "cut.iso")
	for size := 1; size < len(whole); size += 1531 {
		require.NoError(t, os.WriteFile(name, whole[:size], 0o600))
		_, err := iso.Open(name)
		require.Error(t, err, "%d bytes", size)
	}
}

// TestOpenHostile: sizes and links that cannot be.
func TestOpenHostile(t *testing.T) {
	whole, err := os.ReadFile(write(t, smalliso.Debian()))
	require.NoError(t, err)
	const root = 16*2048 + 156 // the root folder's record in the primary descriptor
	at := int(whole[root+2]) | int(whole[root+3])<<8
	for name, change := range map[string]func(b []byte){
		"root of 4 GiB": func(b []byte) { copy(b[root+10:], "\xff\xff\xff\xff") },
		"root outside":  func(b []byte) { copy(b[root+2:], "\xff\xff\xff\x7f") },
		"root in itself": func(b []byte) {
			// The second record is "..", the third the first entry: make it a
			// folder that is the root again.
			first := at*2048 + int(b[at*2048])
			first += int(b[first])
			copy(b[first+2:first+18], b[root+2:root+18])
			b[first+25] |= 2
		},
		"record of length 1": func(b []byte) { b[at*2048+int(b[at*2048])] = 1 },
		"catalogue outside":  func(b []byte) { copy(b[17*2048+0x47:], "\xff\xff\xff\xff") },
	} {
		t.Run(name, func(t *testing.T) {
			b := append([]byte(nil), whole...)
			change(b)
			file := filepath.Join(t.TempDir(), "hostile.iso")
			require.NoError(t, os.WriteFile(file, b, 0o600))
			cost := iso.Allocated(func() {
				img, openErr := iso.Open(file)
				if err = openErr; err == nil {
					err = errors.Join(img.BootErr, img.MenuErr, img.RootErr)
					assert.NoError(t, img.Close())
				}
			})
			require.Error(t, err)
			t.Log(err)
			assert.Less(t, cost, 4*len(b)+8<<20)
		})
	}
}

// TestOpenHostileMenus: an image that is only opened, and then checked, costs
// in proportion to its size; its menus' error says which bound it is over.
func TestOpenHostileMenus(t *testing.T) {
	s := smalliso.Debian()
	// The checks of menus go through each entry's arguments.
	s.Files["isolinux/isolinux.cfg"] = "APPEND " + strings.Repeat("a ", 8000) + "\n" + strings.Repeat("LABEL a\nLINUX b\n", 10_000)
	name := write(t, s)
	info, err := os.Stat(name)
	require.NoError(t, err)
	cost := iso.Allocated(func() {
		img := open(t, name)
		require.ErrorContains(t, img.MenuErr, "isolinux/isolinux.cfg:4000: too much for a boot menu: more than 2000 entries") // and one is GRUB's
		require.NotEmpty(t, img.Menus)
		assert.NoError(t, img.RootErr)
		found := results(t, ofISO(name))
		assert.Equal(t, check.Broken, found["image-menu"].Outcome)
		assert.Contains(t, found["image-menu"].Detail, "more than 2000 entries")
	})
	assert.Less(t, cost, 64*int(info.Size())+16<<20)

	s = smalliso.Debian()
	for i := range 100 {
		s.Files[fmt.Sprintf("boot/%d/grub.cfg", i)] = "menuentry a {\nlinux /boot/bzImage\n}\n"
	}
	img := open(t, write(t, s))
	require.ErrorContains(t, img.MenuErr, "more than 64 boot menus")
	assert.Len(t, img.Menus, 65)
}

// TestHostileRoot: files that unpack to far more than the image has, in every
// place that is looked into, are read within a bound for all of them.
func TestHostileRoot(t *testing.T) {
	large := func(line string) string {
		line += strings.Repeat(" #", 150) + "\n"
		return strings.Repeat(line, (1<<20)/len(line))
	}
	nixos := smalliso.NixOS()
	s := smalliso.Debian()
	s.Root["etc/sudoers"] = large("ALL ALL=(ALL) ALL")
	s.Root["etc/group"] = large("g:x:1:nixos,")
	for i := range 8 {
		s.Root[fmt.Sprintf("etc/sudoers.d/%d", i)] = s.Root["etc/sudoers"]
		s.Root[fmt.Sprintf("usr/lib/pre-nixos/%d", i)] = large("/usr/lib/pre-nixos/x")
		nixos.Root[fmt.Sprintf("%032d-pre-nixos-x/root_key.pub", i)] = large("ssh-ed25519 x")
	}
	for name, s := range map[string]smalliso.Image{"debian": s, "nixos": nixos} {
		t.Run(name, func(t *testing.T) {
			img := open(t, write(t, s))
			require.NoError(t, img.RootErr)
			u, err := img.Root.Unit("pre-nixos.service")
			require.NoError(t, err)
			total := 0
			cost := iso.Allocated(func() {
				for _, p := range img.Root.Programs(u) {
					total += len(iso.TextOf(p))
				}
				lines, _, _ := img.Root.Sudo("nixos")
				total += len(lines)
				for _, p := range img.Root.AuthorizedKeys([]string{"root_key.pub"}, "pre-nixos") {
					total += len(iso.TextOf(p))
				}
			})
			assert.Less(t, total, 9<<20)
			assert.Less(t, cost, 256<<20)
		})
	}
}

// BenchmarkChecks1GB runs all checks of an image of 1 GB: at most 3 s, of which
// the digest takes nearly all, and 64 MB.
func BenchmarkChecks1GB(b *testing.B) {
	name := write(b, smalliso.NixOS())
	// A volume may be smaller than its file.
	require.NoError(b, os.Truncate(name, 1<<30))
	b.ReportAllocs()
	for b.Loop() {
		for id, r := range results(b, ofISO(name)) {
			if r.Outcome == check.Broken {
				b.Fatal(id, r.Detail)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	efi := efiImage(map[string]string{"EFI/BOOT/BOOTX64.EFI": iso.Program(".cmdline", menuArgs, ".linux", "kernel"), "EFI/BOOT/grub.cfg": "menuentry a { linux /a }\n"})
	for _, s := range []smalliso.Image{smalliso.Debian(), smalliso.NixOS(), efi} {
		text, err := os.ReadFile(write(f, s))
		require.NoError(f, err)
		f.Add(text)
	}
	layered, busybox := smalliso.Debian(), initrdOnly()
	layered.Files["live/z.squashfs"] = squash(f, map[string]string{"etc/group": gone, "usr/": opaque, "etc/.wh.sudoers": "", "etc/inittab": "::respawn:-/bin/sh\n"})
	busybox.Files["boot/initrd"] = cpio(map[string]string{"init": "#!/bin/sh\nexec /sbin/init\n", "sbin/init": "-> ../bin/busybox", "bin/busybox": "x", "etc/inittab": "::respawn:-/bin/sh\n"})
	for _, s := range []smalliso.Image{layered, busybox} {
		text, err := os.ReadFile(write(f, s))
		require.NoError(f, err)
		f.Add(text)
	}
	name := filepath.Join(f.TempDir(), "fuzz.iso")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(name, data, 0o600))
		img, err := iso.Open(name)
		if err != nil {
			return
		}
		defer img.Close()
		if kept := iso.Kept(img); kept > 40*len(data)+1<<20 {
			t.Errorf("%d bytes kept of an image of %d", kept, len(data))
		}
		root := iso.System(img)
		if root == nil {
			return
		}
		// Each is one operation.
		for _, op := range []func(){
			func() {
				if u, err := root.Unit("pre-nixos.service"); err == nil {
					root.Programs(u)
				}
			},
			func() { root.Missing([]string{"sh"}) },
			func() { root.AuthorizedKeys([]string{"root_key.pub"}, "pre-nixos") },
			func() { _, _, _ = root.Autologin("ttyS0") },
			func() { _, _, _ = root.Sudo("nixos") },
		} {
			op()
			// One folder, or one structure, may be over the bound.
			if bytes, entries := iso.Worked(img); bytes > 300<<20 || entries > 600_000 {
				t.Errorf("%d bytes read, %d entries", bytes, entries)
			}
		}
	})
}
