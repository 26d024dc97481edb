package ext4

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tool runs one of e2fsprogs.
func tool(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
			if _, e := os.Stat(dir + args[0]); e == nil {
				path, err = dir+args[0], nil
			}
		}
	}
	if err != nil {
		t.Skipf("no %s; install e2fsprogs", args[0])
	}
	out, err := exec.CommandContext(t.Context(), path, args[1:]...).CombinedOutput()
	if args[0] != "e2fsck" { // says with its status that it changed something
		require.NoError(t, err, "%v: %s", args, out)
	}
	return string(out)
}

// sparse are the places of a file that are not a hole.
var sparse = []int64{0, 5000, 11 << 10, 12 << 10, 200 << 10, 300 << 10, 5 << 20, 66 << 20, 70<<20 - 1}

// tree is a folder of what an image may hold.
func tree(t testing.TB, many int) string {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		require.NoError(t, os.Chmod(name, mode))
	}
	write("usr/lib/os-release", "ID=x\n", 0o644)
	write("usr/bin/sudo", strings.Repeat("program ", 20000), 0o755|os.ModeSetuid)
	write("boot/vmlinuz", strings.Repeat("kernel\n", 300000), 0o644)
	write("empty", "", 0o600)
	for _, n := range []int{59, 60, 61, 100, 150, 160, 1023, 1024, 1025} {
		write(fmt.Sprintf("sizes/%d", n), strings.Repeat("s", n), 0o600)
		if n < 1024 { // what mke2fs can copy
			require.NoError(t, os.Symlink(strings.Repeat("l", n), filepath.Join(dir, fmt.Sprintf("sizes/link%d", n))))
		}
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	require.NoError(t, os.Symlink("../usr/lib/os-release", filepath.Join(dir, "etc/os-release")))
	require.NoError(t, os.Symlink("/usr/bin/sudo", filepath.Join(dir, "etc/sudo")))
	require.NoError(t, os.Link(filepath.Join(dir, "boot/vmlinuz"), filepath.Join(dir, "boot/again")))
	for i := range many {
		write(fmt.Sprintf("many/%04d-an-entry-with-a-name", i), "", 0o600)
	}
	f, err := os.Create(filepath.Join(dir, "sparse"))
	require.NoError(t, err)
	for _, at := range sparse {
		if testing.Short() && at > 10<<20 {
			break // 66 MiB need a third level of maps, and time
		}
		_, err := f.WriteAt([]byte("x"), at)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	return dir
}

// image is made by mke2fs of the files in dir.
func image(t testing.TB, dir string, mib int, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	args = append([]string{"mke2fs", "-q", "-d", dir, "-L", "A LABEL", "-U", "12345678-1234-5678-9abc-123456789abc"}, args...)
	tool(t, append(args, name, fmt.Sprintf("%dM", mib))...)
	return name
}

func open(t testing.TB, name string) *FS {
	t.Helper()
	r, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	info, err := r.Stat()
	require.NoError(t, err)
	f, err := Open(r, info.Size())
	require.NoError(t, err)
	return f
}

// same says that all of dir is in the image, and nothing else.
func same(t *testing.T, dir string, f *FS) {
	t.Helper()
	found := 0
	require.NoError(t, fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err, name)
		if name == "lost+found" {
			return fs.SkipDir
		}
		found++
		want, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := f.Lstat(name)
		require.NoError(t, err)
		if name != "." {
			assert.Equal(t, want.Mode(), got.Mode(), name)
			assert.Equal(t, want.ModTime().Unix(), got.ModTime().Unix(), name)
		}
		assert.Equal(t, want.Mode().Type(), d.Type(), name)
		switch {
		case want.Mode().IsRegular():
			assert.Equal(t, want.Size(), got.Size(), name)
			a, err := os.Open(filepath.Join(dir, name))
			require.NoError(t, err)
			defer a.Close()
			b, err := f.Open(name)
			require.NoError(t, err)
			equal(t, a, b, name)
		case want.Mode().Type() == fs.ModeSymlink:
			to, err := os.Readlink(filepath.Join(dir, name))
			require.NoError(t, err)
			target, err := f.ReadLink(name)
			require.NoError(t, err)
			assert.Equal(t, to, target)
		}
		return nil
	}))
	want := 0
	require.NoError(t, filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { want++; return nil }))
	assert.Equal(t, want, found)
}

func equal(t *testing.T, a, b io.Reader, name string) {
	t.Helper()
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		require.Equal(t, errA, errB, name)
		require.True(t, bytes.Equal(x[:n], y[:m]), name)
		if errA != nil {
			return
		}
	}
}

func TestImages(t *testing.T) {
	dir, small := tree(t, 600), tree(t, 5)
	for _, tt := range []struct {
		name, kind string
		dir        string
		args       []string
	}{
		{"ext2", "ext2", dir, []string{"-t", "ext2", "-b", "1024"}},
		{"ext2 of 4K blocks", "ext2", dir, []string{"-t", "ext2", "-b", "4096"}},
		{"ext2 of the first revision", "ext2", small, []string{"-t", "ext2", "-r", "0", "-O", "none"}},
		{"ext2 without types", "ext2", dir, []string{"-t", "ext2", "-O", "^filetype", "-b", "2048"}},
		{"ext3", "ext3", dir, []string{"-t", "ext3", "-b", "1024"}},
		{"ext4", "ext4", dir, []string{"-t", "ext4"}},
		{"ext4 of 1K blocks", "ext4", dir, []string{"-t", "ext4", "-b", "1024"}},
		{"ext4 of 64K blocks", "ext4", small, []string{"-t", "ext4", "-b", "65536", "-F"}},
		{"32 bits", "ext4", dir, []string{"-t", "ext4", "-O", "^64bit,^metadata_csum"}},
		{"small inodes", "ext4", dir, []string{"-t", "ext4", "-I", "128"}},
		{"groups of descriptors", "ext4", dir, []string{"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "1024"}},
		{"inline data", "ext4", dir, []string{"-t", "ext4", "-O", "inline_data", "-I", "256"}},
		{"clusters", "ext4", dir, []string{"-t", "ext4", "-O", "bigalloc", "-C", "16384"}},
		{"two headers", "ext4", dir, []string{"-t", "ext4", "-b", "1024", "-O", "sparse_super2,meta_bg,^resize_inode", "-g", "2048"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := image(t, tt.dir, 64, tt.args...)
			f := open(t, name)
			assert.Equal(t, tt.kind, f.Kind)
			assert.Equal(t, "A LABEL", f.Label)
			assert.Equal(t, "12345678-1234-5678-9abc-123456789abc", f.UUID)
			assert.Equal(t, int64(64<<20), f.Size)
			assert.False(t, f.NeedsRecovery)
			same(t, tt.dir, f)
			if tt.dir == dir {
				tool(t, "e2fsck", "-fyD", name) // makes an index for the large folder
				after, err := open(t, name).ReadDir("many")
				require.NoError(t, err)
				before, err := f.ReadDir("many")
				require.NoError(t, err)
				assert.Equal(t, len(before), len(after))
			}
		})
	}
	f := open(t, image(t, small, 64, "-t", "ext4"))
	assert.NoError(t, fstest.TestFS(sub(t, f, "usr"), "bin/sudo", "lib/os-release"))
	got, err := f.ReadFile("etc/os-release")
	require.NoError(t, err)
	assert.Equal(t, "ID=x\n", string(got))
}

func sub(t *testing.T, f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	require.NoError(t, err)
	return s
}

func TestOwnersAndDevices(t *testing.T) {
	name := image(t, tree(t, 1), 64, "-t", "ext4")
	for _, command := range []string{
		"sif usr/bin/sudo uid 70001", "sif usr/bin/sudo gid 80002", "mknod null c 1 3", "mknod disk b 259 300", "mknod pipe p",
		"sif usr/lib/os-release mtime 20991231000000", "feature needs_recovery",
	} {
		tool(t, "debugfs", "-w", "-R", command, name)
	}
	f := open(t, name)
	assert.True(t, f.NeedsRecovery)
	info, err := f.Stat("usr/bin/sudo")
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSetuid|0o755, info.Mode())
	o := info.Sys().(*Owner)
	assert.Equal(t, []uint32{70001, 80002}, []uint32{o.UID, o.GID})
	info, err = f.Stat("boot/again")
	require.NoError(t, err)
	assert.Equal(t, 2, info.Sys().(*Owner).Links)
	info, err = f.Stat("usr/lib/os-release")
	require.NoError(t, err)
	assert.Equal(t, "2099-12-31", info.ModTime().Format("2006-01-02"))
	for name, want := range map[string]string{"null": "Dc--------- 1:3", "disk": "D--------- 259:300", "pipe": "p--------- 0:0"} {
		info, err = f.Stat(name)
		require.NoError(t, err)
		o := info.Sys().(*Owner)
		assert.Equal(t, want, fmt.Sprintf("%v %d:%d", info.Mode().Type(), o.Major, o.Minor))
	}
}
