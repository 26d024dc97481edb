package iso_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
)

// ext4 is an ext4 of the files, as mke2fs makes it.
func ext4(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		full := filepath.Join(tree, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		if target, ok := strings.CutPrefix(files[name], "-> "); ok {
			require.NoError(t, os.Symlink(target, full))
		} else {
			require.NoError(t, os.WriteFile(full, []byte(files[name]), 0o755))
		}
	}
	name := filepath.Join(dir, "ext4")
	out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-F", "-d", tree, name, "4M").CombinedOutput()
	needTool(t, err)
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// TestRootInExt4: Fedora's layout, with a file system in a file system, and one
// that lies in the ISO by itself.
func TestRootInExt4(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(disk string) map[string]string
		file string
	}{
		"Fedora's": {func(disk string) map[string]string {
			return map[string]string{"LiveOS/squashfs.img": squash(t, map[string]string{"LiveOS/rootfs.img": disk})}
		}, "LiveOS/squashfs.img:LiveOS/rootfs.img"},
		"older Fedora's": {func(disk string) map[string]string {
			return map[string]string{"LiveOS/squashfs.img": squash(t, map[string]string{"LiveOS/ext3fs.img": disk})}
		}, "LiveOS/squashfs.img:LiveOS/ext3fs.img"},
		"in the ISO": {func(disk string) map[string]string { return map[string]string{"LiveOS/rootfs.img": disk} }, "LiveOS/rootfs.img"},
	} {
		t.Run(name, func(t *testing.T) {
			s := smalliso.Debian()
			s.RootFile = ""
			maps.Copy(s.Files, tt.make(ext4(t, s.Root)))
			file := write(t, s)
			img := open(t, file)
			require.NoError(t, img.RootErr)
			assert.Equal(t, tt.file, img.Root.File)
			found := results(t, ofISO(file))
			onlyBroken(t, found, nil)
			assert.Equal(t, check.Holds, found["image-autologin"].Outcome)
		})
	}
}

// TestRootsOfOtherKinds: what cannot be read is unknown, once, and breaks
// nothing.
func TestRootsOfOtherKinds(t *testing.T) {
	zeros := func(at int, magic string) string {
		return strings.Repeat("\x00", at) + magic + strings.Repeat("\x00", 2<<20)
	}
	for name, tt := range map[string]struct {
		file, text, says string
	}{
		"EROFS":          {"LiveOS/squashfs.img", zeros(1024, "\xe2\xe1\xf5\xe0"), "LiveOS/squashfs.img is of the kind EROFS, which cannot be looked into"},
		"XFS":            {"live/filesystem.xfs", zeros(0, "XFSB"), "of the kind XFS"},
		"btrfs":          {"root.img", zeros(64<<10+64, "_BHRfS_M"), "of the kind btrfs"},
		"cramfs":         {"root.img", zeros(0, "\x45\x3d\xcd\x28"), "of the kind cramfs"},
		"LUKS":           {"root.img", zeros(0, "LUKS\xba\xbe"), "of the kind LUKS"},
		"XFS, wrapped":   {"LiveOS/squashfs.img", squash(t, map[string]string{"LiveOS/rootfs.img": zeros(0, "XFSB")}), "LiveOS/squashfs.img has the root file system in LiveOS/rootfs.img, which is of the kind XFS"},
		"other features": {"root.img", zeros(1024+0x38, "\x53\xef") + "", "root.img: ext4: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := smalliso.Debian()
			s.RootFile = ""
			s.Files[tt.file] = tt.text
			found := results(t, ofISO(write(t, s)))
			root := found["image-root-filesystem"]
			assert.Contains(t, root.Detail, tt.says)
			if name == "other features" { // is none
				assert.Equal(t, check.Broken, root.Outcome)
				return
			}
			assert.Equal(t, check.Unknown, root.Outcome, root.Detail)
			for id, f := range found {
				assert.NotEqual(t, check.Broken, f.Outcome, "%s: %s", id, f.Detail)
			}
			assert.NotContains(t, found, "image-commands", "it is not tried")
		})
	}
}

// TestOtherKindBesideTheRoot: what is in another folder, or smaller, does not
// count; what would be stacked and cannot be read does.
func TestOtherKindBesideTheRoot(t *testing.T) {
	s := smalliso.Debian()
	s.Files["install/small.xfs"] = "XFSB" + strings.Repeat("\x00", 1<<20)
	s = s.Edit("isolinux/isolinux.cfg", "loglevel=4", "boot=live").Edit("boot/grub/grub.cfg", "loglevel=4", "boot=live")
	onlyBroken(t, results(t, ofISO(write(t, s))), nil)

	s.Files["live/upper.ext4"] = ext4(t, map[string]string{"etc/upper": "x"})
	img := open(t, write(t, s))
	require.NoError(t, img.RootErr)
	assert.Equal(t, "live/filesystem.squashfs + live/upper.ext4", img.Root.File)
	assert.True(t, img.Root.Exists("/etc/upper"))

	s.Files["live/more.xfs"] = "XFSB" + strings.Repeat("\x00", 1<<20)
	assert.ErrorContains(t, open(t, write(t, s)).RootErr, "live/more.xfs is of the kind XFS")
}
