package iso_test

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/fixtures/smalliso"
)

// detected is the profile of an ISO file.
func detected(t *testing.T, name string) (contract.Choice, error) {
	t.Helper()
	return contract.Detect(contract.Target{Kind: contract.KindFile, File: name}, open(t, name).Has)
}

// debianLive is laid out as Debian's live images are.
func debianLive() smalliso.Image {
	s := smalliso.Debian().Without("etc/systemd/system/pre-nixos.service", "etc/systemd/system/multi-user.target.wants/pre-nixos.service",
		"usr/lib/pre-nixos/start", "usr/lib/pre-nixos/network")
	s.RootFile = "live/filesystem.squashfs"
	s.Root["usr/lib/live/config/0030-user-setup"] = "#!/bin/sh\n"
	s.Root["lib"] = "-> usr/lib"
	return s
}

// initrdOnly boots into its initrd, as what is made with busybox does.
func initrdOnly() smalliso.Image {
	s := smalliso.Debian()
	s.RootFile = ""
	for _, file := range []string{"isolinux/isolinux.cfg", "boot/grub/grub.cfg"} {
		s = s.Edit(file, "root=LABEL=SMALL ", "")
	}
	return s
}

// standIn is what the project's stand-in adds to a Debian system.
func standIn(t *testing.T) smalliso.Image {
	s := smalliso.Debian()
	s.RootFile, s.Root = "rootfs.squashfs", map[string]string{"bin/sh": "x"}
	tree := os.DirFS("../fixtures/standin/rootfs")
	require.NoError(t, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		s.Root[name] = string(text)
		return err
	}))
	return s
}

func TestMarks(t *testing.T) {
	unit := []string{"the unit pre-nixos.service"}
	masked := smalliso.Debian().Without("etc/systemd/system/pre-nixos.service")
	masked.Root["etc/systemd/system/pre-nixos.service"] = "-> /dev/null"
	both := debianLive()
	both.Root["etc/systemd/system/pre-nixos.service"] = "[Service]\n"
	inInitrd := initrdOnly()
	inInitrd.Files["boot/initrd"] = cpio(smalliso.Debian().Root)
	half := debianLive().Without("usr/lib/live/config/0030-user-setup")
	for name, tt := range map[string]struct {
		image   smalliso.Image
		profile string
		missing []string
	}{
		"Debian that keeps the contract": {smalliso.Debian(), "pre-nixos", nil},
		"NixOS that keeps it":            {smalliso.NixOS(), "pre-nixos", nil},
		"stand-in":                       {standIn(t), "pre-nixos", nil},
		"stand-in without its unit":      {standIn(t).Without("etc/systemd/system/pre-nixos.service"), "pre-nixos", unit},
		"masked":                         {masked, "pre-nixos", nil},
		"live":                           {debianLive(), "debian-live", nil},
		"live without live-config":       {half, "debian-live", []string{"the path /usr/lib/live/config or /lib/live/config"}},
		"live with the unit of another":  {both, "debian-live", nil},
		"nothing but an initrd":          {initrdOnly(), "default", nil},
		"a system in its initrd":         {inInitrd, "pre-nixos", nil},
		"a system that is nobody's profile": {smalliso.Image{RootFile: "root.squashfs", Root: map[string]string{"bin/sh": "x"},
			Files: smalliso.Debian().Files, VolumeID: "SMALL"}, "default", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := detected(t, write(t, tt.image))
			require.NoError(t, err)
			assert.Equal(t, tt.profile, got.Contract.Name, got.Why)
			var missing []string
			for _, m := range got.Missing {
				missing = append(missing, m.String())
			}
			assert.Equal(t, tt.missing, missing, got.Why)
		})
	}
}

func TestNixOSWithoutItsUnit(t *testing.T) {
	s := smalliso.NixOS()
	for name := range s.Root {
		if strings.HasSuffix(name, "/pre-nixos.service") {
			s = s.Without(name)
		}
	}
	got, err := detected(t, write(t, s))
	require.NoError(t, err)
	assert.Equal(t, "pre-nixos: the image has the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*, and lacks the unit pre-nixos.service", got.Why)
}

// TestMarksThatCannotBeRead: what nobody could look at is not taken for an image
// that is nobody's profile.
func TestMarksThatCannotBeRead(t *testing.T) {
	torn := write(t, debianLive())
	data, err := os.ReadFile(torn)
	require.NoError(t, err)
	at := bytes.Index(data, []byte("hsqs"))
	require.Positive(t, at)
	copy(data[at+4:], bytes.Repeat([]byte{0xff}, 90))
	require.NoError(t, os.WriteFile(torn, data, 0o600))

	noRoot := smalliso.Debian()
	noRoot.RootFile = ""
	erofs := initrdOnly()
	erofs.Files = map[string]string{"live/filesystem.erofs": strings.Repeat("\x00", 1024) + "\xe2\xe1\xf5\xe0" + strings.Repeat("\x00", 1<<20)}
	ext4 := initrdOnly()
	ext4.Files = map[string]string{"root.img": strings.Repeat("\x00", 1024+56) + "\x53\xef" + strings.Repeat("\x00", 1<<20)}
	for _, image := range []*smalliso.Image{&erofs, &ext4} {
		for name, text := range initrdOnly().Files {
			image.Files[name] = text
		}
	}
	nested := smalliso.Debian()
	nested.RootFile, nested.Root = "LiveOS/squashfs.img", map[string]string{"LiveOS/rootfs.img": "x"}

	for name, tt := range map[string]struct{ file, says string }{
		"torn":                         {torn, "live/filesystem.squashfs: "},
		"root that the menu names":     {write(t, noRoot), "no squashfs in the ISO: its root file system cannot be looked into, and boot/grub/grub.cfg:6 boots into root=LABEL=SMALL"},
		"EROFS":                        {write(t, erofs), "live/filesystem.erofs is of the kind EROFS, which cannot be looked into"},
		"ext4":                         {write(t, ext4), "root.img: ext4: starts at block 0 of 0"},
		"file system in a file system": {write(t, nested), "LiveOS/squashfs.img has the root file system in LiveOS/rootfs.img, which is of the kind no file system"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := detected(t, tt.file)
			require.ErrorContains(t, err, "the image's profile is unknown: ")
			assert.ErrorContains(t, err, tt.says)

			there, err := open(t, tt.file).Has(contract.Mark{ISO: []string{"none", "boot/bzImage"}})
			assert.NoError(t, err)
			assert.True(t, there, "a mark on the ISO is read without its root")
		})
	}
}

func TestHas(t *testing.T) {
	img := open(t, write(t, debianLive()))
	for _, tt := range []struct {
		mark contract.Mark
		want bool
	}{
		{contract.Mark{ISO: []string{"live/filesystem.squashfs"}}, true},
		{contract.Mark{ISO: []string{"live"}}, true},
		{contract.Mark{ISO: []string{"filesystem.squashfs", "none"}}, false},
		{contract.Mark{Root: []string{"/lib/live/config"}}, true},
		{contract.Mark{Root: []string{"/none", "/usr/lib/live/*-user-setup", "/usr/lib/live/config/00[0-9]*-user-setup"}}, true},
		{contract.Mark{Root: []string{"/none/*", "/usr/lib/live/con"}}, false},
		{contract.Mark{Unit: "sshd.service"}, true},
		{contract.Mark{Unit: "pre-nixos.service"}, false},
		{contract.Mark{Attribute: "bootImage"}, false},
	} {
		there, err := img.Has(tt.mark)
		assert.NoError(t, err)
		assert.Equal(t, tt.want, there, tt.mark.String())
	}
}
