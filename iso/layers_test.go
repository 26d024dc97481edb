package iso_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

const (
	gone   = "c 0 0"  // content that is overlayfs's mark of what was removed
	opaque = "opaque" // of a name that ends in a slash: the folder hides those below
)

// squash is a squashfs of the files. It is made of an archive, for which nobody
// needs to be root.
func squash(t testing.TB, files map[string]string) string {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		text := files[name]
		target, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			h.Typeflag = tar.TypeDir
			if text == opaque {
				h.PAXRecords = map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}
			}
			text = ""
		case text == gone:
			h.Typeflag, text = tar.TypeChar, ""
		case text == "c 1 3":
			h.Typeflag, h.Devmajor, h.Devminor, text = tar.TypeChar, 1, 3, ""
		case isLink:
			h.Typeflag, h.Linkname, text = tar.TypeSymlink, target, ""
		}
		h.Size = int64(len(text))
		require.NoError(t, w.WriteHeader(h))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	name := filepath.Join(t.TempDir(), "layer")
	cmd := exec.CommandContext(t.Context(), "sqfstar", "-quiet", "-no-progress", "-processors", "1", name)
	cmd.Stdin = &archive
	out, err := cmd.CombinedOutput()
	needTool(t, err)
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// stacked is an image with these files in the ISO and as many squashfs; a menu's
// arguments are added to those that it has.
func stacked(t testing.TB, args string, files map[string]string, layers map[string]map[string]string) *iso.Image {
	t.Helper()
	s := smalliso.Debian().Edit("isolinux/isolinux.cfg", "loglevel=4", args).Edit("boot/grub/grub.cfg", "loglevel=4", args)
	s.RootFile = ""
	maps.Copy(s.Files, files)
	for name, root := range layers {
		s.Files[name] = squash(t, root)
	}
	return open(t, write(t, s))
}

// layer is a layer that says its name in etc/who, and in a file of its own.
func layer(name string) map[string]string {
	return map[string]string{"etc/who": name, "etc/" + name: ""}
}

func TestLayers(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		files      map[string]string
		layers     []string
		want       string // the lowest first
		err        string
	}{
		{"live-boot, by name", "boot=live", nil, []string{"live/filesystem.squashfs", "live/zz-auto.squashfs", "live/aa.squashfs"},
			"live/aa.squashfs + live/filesystem.squashfs + live/zz-auto.squashfs", ""},
		{"live-boot's list", "boot=live", map[string]string{"live/filesystem.module": "zz.squashfs\nfilesystem.squashfs none.squashfs\n"},
			[]string{"live/filesystem.squashfs", "live/zz.squashfs", "live/other.squashfs"}, "live/zz.squashfs + live/filesystem.squashfs", ""},
		{"live-boot's list of another name", "boot=live module=small", map[string]string{"live/filesystem.module": "b.squashfs", "live/small.module": "a.squashfs"},
			[]string{"live/a.squashfs", "live/b.squashfs"}, "live/a.squashfs", ""},
		{"a list of nothing", "boot=live", map[string]string{"live/filesystem.module": "none\n"}, []string{"live/a.squashfs", "live/b.squashfs"}, "", "live/filesystem.module lists nothing that is in the ISO"},
		{"what is elsewhere does not count", "boot=live", nil, []string{"live/filesystem.squashfs", "install/filesystem.sfs", "live/x.sfs"}, "live/filesystem.squashfs", ""},

		{"casper, as the menu says", "layerfs-path=minimal.standard.squashfs", nil,
			[]string{"casper/minimal.squashfs", "casper/minimal.standard.squashfs", "casper/minimal.standard.live.squashfs"},
			"casper/minimal.squashfs + casper/minimal.standard.squashfs", ""},
		{"casper, a path", "layerfs-path=/cdrom/casper/a.b.squashfs", nil, []string{"casper/a.squashfs", "casper/a.b.squashfs"}, "casper/a.squashfs + casper/a.b.squashfs", ""},
		{"Ubuntu's desktop", "quiet", map[string]string{"boot/initrd": cpio(map[string]string{"conf/conf.d/default-layer.conf": "LAYERFS_PATH=minimal.standard.live.squashfs\n"})},
			[]string{"casper/minimal.squashfs", "casper/minimal.de.squashfs", "casper/minimal.standard.squashfs", "casper/minimal.standard.de.squashfs", "casper/minimal.standard.live.squashfs"},
			"casper/minimal.squashfs + casper/minimal.standard.squashfs + casper/minimal.standard.live.squashfs", ""},
		{"Ubuntu's desktop, the initrd cannot be read", "quiet", nil, []string{"casper/m.squashfs", "casper/m.s.squashfs", "casper/m.s.live.squashfs", "casper/m.de.squashfs"}, "", "which of casper/m.de.squashfs, casper/m.s.live.squashfs is booted"},
		{"Ubuntu's server", "quiet", nil,
			[]string{"casper/m.squashfs", "casper/m.s.squashfs", "casper/m.s.installer.squashfs", "casper/m.s.installer.generic.squashfs"},
			"casper/m.squashfs + casper/m.s.squashfs + casper/m.s.installer.squashfs + casper/m.s.installer.generic.squashfs", ""},
		{"casper, nobody can tell", "quiet", nil, []string{"casper/a.squashfs", "casper/a.b.squashfs", "casper/a.c.squashfs"}, "",
			"which of casper/a.b.squashfs, casper/a.c.squashfs is booted, neither a boot entry"},
		{"casper, a layer is missing", "layerfs-path=a.b.c.squashfs", nil, []string{"casper/a.squashfs", "casper/a.b.c.squashfs"}, "", "casper/a.b.squashfs is not in the ISO, and is a layer of casper/a.b.c.squashfs"},
		{"names with dots that are no chain", "boot=live", nil, []string{"live/a-1.0.squashfs", "live/b-1.1.squashfs"}, "live/a-1.0.squashfs + live/b-1.1.squashfs", ""},

		{"Manjaro", "misobasedir=manjaro", nil, []string{"manjaro/x86_64/desktopfs.sfs", "manjaro/x86_64/livefs.sfs", "manjaro/x86_64/mhwdfs.sfs", "manjaro/x86_64/rootfs.sfs"},
			"manjaro/x86_64/rootfs.sfs + manjaro/x86_64/desktopfs.sfs + manjaro/x86_64/mhwdfs.sfs + manjaro/x86_64/livefs.sfs", ""},
		{"Arch", "archisobasedir=arch", nil, []string{"arch/x86_64/airootfs.sfs"}, "arch/x86_64/airootfs.sfs", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			layers := map[string]map[string]string{}
			for _, name := range tt.layers {
				layers[name] = layer(path.Base(name))
			}
			img := stacked(t, tt.args, tt.files, layers)
			if tt.err != "" {
				require.ErrorContains(t, img.RootErr, tt.err)
				return
			}
			require.NoError(t, img.RootErr)
			assert.Equal(t, tt.want, img.Root.File)
			names := strings.Split(tt.want, " + ")
			who, err := img.Root.ReadFile("/etc/who", 100)
			require.NoError(t, err)
			assert.Equal(t, path.Base(names[len(names)-1]), string(who))
			assert.Len(t, img.Root.List("/etc"), 1+len(names))
		})
	}
}

// TestUnion: what an upper layer does to a lower one.
func TestUnion(t *testing.T) {
	img := stacked(t, "boot=live", nil, map[string]map[string]string{
		"live/1.squashfs": {
			"etc/kept": "1", "etc/both": "1", "etc/removed": "1", "etc/back": "1", "etc/aufs": "1", "etc/file/x": "1", "etc/folder": "1", "etc/link": "-> kept",
			"opaque/a": "1", "aufs-opaque/a": "1", "merged/a": "1", "merged/deep/a": "1", "gone/a": "1", "gone-and-made/a": "1", "dev/null": "c 1 3", "lib": "-> usr/lib", "usr/lib/x": "1",
		},
		"live/2.squashfs": {
			"etc/both": "2", "etc/removed": gone, "etc/back": gone, "etc/.wh.aufs": "", "etc/file": "2", "etc/folder/x": "2", "etc/link": "2",
			"opaque/": opaque, "opaque/b": "2", "aufs-opaque/.wh..wh..opq": "", "aufs-opaque/b": "2", "merged/b": "2", "merged/deep/b": "2", "gone": gone, "gone-and-made": gone,
		},
		"live/3.squashfs": {"etc/back": "3", "etc/top": "-> both", "gone-and-made/c": "3", "merged/deep/c": "3", "opaque/c": "3"},
	})
	require.NoError(t, img.RootErr)
	r := img.Root
	for name, want := range map[string]string{
		"/etc/kept": "1", "/etc/both": "2", "/etc/back": "3", "/etc/file": "2", "/etc/folder/x": "2", "/etc/link": "2", "/etc/top": "2",
		"/lib/x": "1", "/merged/deep/a": "1",
	} {
		text, err := r.ReadFile(name, 10)
		require.NoError(t, err, name)
		assert.Equal(t, want, string(text), name)
	}
	for name, want := range map[string]string{
		"/etc": "back both file folder kept link top", "/opaque": "b c", "/aufs-opaque": "b", "/merged": "a b deep", "/merged/deep": "a b c", "/gone-and-made": "c",
	} {
		assert.Equal(t, want, strings.Join(r.List(name), " "), name)
	}
	for _, name := range []string{"/etc/removed", "/etc/aufs", "/gone", "/gone/a", "/etc/file/x", "/etc/.wh.aufs"} {
		assert.False(t, r.Exists(name), name)
	}
	assert.True(t, r.Exists("/dev/null"), "another device takes nothing away")
	assert.Equal(t, []string{"/merged/a", "/merged/b", "/merged/deep/a", "/merged/deep/b", "/merged/deep/c"}, r.Find("/merged", 10, func(string) bool { return true }))
}

// TestAutologinInALayer: what live-boot stacks counts, be it the smaller part.
func TestAutologinInALayer(t *testing.T) {
	s := smalliso.Debian()
	drop := "etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf"
	s.Files["live/zz-auto.squashfs"] = squash(t, map[string]string{drop: s.Root[drop]})
	found := results(t, ofISO(write(t, s.Without(drop))))
	onlyBroken(t, found, nil)
	assert.Equal(t, check.Holds, found["image-autologin"].Outcome)
	assert.Contains(t, found["image-root-filesystem"].Detail, "live/filesystem.squashfs + live/zz-auto.squashfs")
}

// TestNoSystem: a squashfs of something else is no root file system.
func TestNoSystem(t *testing.T) {
	img := stacked(t, "modules=loop,squashfs", nil, map[string]map[string]string{"boot/modloop-lts": {"modules/6.6/x.ko": "x"}})
	require.ErrorContains(t, img.RootErr, "no squashfs in the ISO")
	assert.ErrorContains(t, img.RootErr, "boot/modloop-lts holds no system, but modules")
}

// TestManyLayers: as many layers as there may be, whose folders hide one another,
// are gone through within a bound for all of them.
func TestManyLayers(t *testing.T) {
	files := map[string]string{}
	for i := range 4000 {
		files[fmt.Sprintf("etc/%05d", i)] = ""
	}
	layer := squash(t, files)
	s := smalliso.Debian()
	for i := range 31 {
		s.Files[fmt.Sprintf("live/%02d.squashfs", i)] = layer
	}
	img := open(t, write(t, s))
	require.NoError(t, img.RootErr)
	assert.Greater(t, len(img.Root.List("/etc")), 4000)
	_, entries := iso.Worked(img)
	assert.Less(t, entries, 500_000)
	assert.Greater(t, entries, 100_000, "all layers' entries count")

	s.Files["live/99.squashfs"] = layer
	assert.ErrorContains(t, open(t, write(t, s)).RootErr, "33 file systems in live: more than 32")
}

// TestOnlyWhatIsAskedFor: where the root file system cannot be read, the rows that
// the contract does not ask for are not needed, and do not wait for it.
func TestOnlyWhatIsAskedFor(t *testing.T) {
	name, err := smalliso.Broken(t.TempDir(), "no-squashfs")
	needTool(t, err)
	subject := ofISO(name)
	subject.Contract = contract.Contract{Name: "x"}
	table, err := check.NewTable(iso.Checks(subject))
	require.NoError(t, err)
	for _, c := range iso.Checks(subject) {
		f := table.Resolve(t.Context(), c.ID)
		switch c.ID {
		case "image-root-filesystem":
			assert.Equal(t, check.Broken, f.Outcome, f.Detail)
		case "image-architecture":
			assert.Equal(t, check.Unknown, f.Outcome, f.Detail)
		default:
			assert.Empty(t, f.Because, "%s: %s", c.ID, f.Detail)
			assert.Contains(t, []check.Outcome{check.Holds, check.Risk, check.NotNeeded}, f.Outcome, "%s: %s", c.ID, f.Detail)
		}
	}
}
