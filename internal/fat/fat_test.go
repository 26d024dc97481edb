package fat

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

// tool runs one of the host, of the Debian package that is named.
func tool(t testing.TB, pkg string, args ...string) string {
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
		t.Skipf("no %s; install %s", args[0], pkg)
	}
	cmd := exec.CommandContext(t.Context(), path, args[1:]...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
	return string(out)
}

// files are put into each image.
func files(t testing.TB) (dir string, want map[string]string) {
	want = map[string]string{
		"EFI/BOOT/BOOTX64.EFI":                   strings.Repeat("program ", 9000),
		"EFI/BOOT/grub.cfg":                      "set timeout=1\n",
		"loader/entries/A long name of it.conf":  "title x\n",
		"loader/entries/nixos-generation-1.conf": "title one\n",
		"loader/entries/nixos-generation-2.conf": "title two\n",
		"loader/Größe – naïve.txt":               "umlauts\n",
		"empty":                                  "",
	}
	for i := range 40 {
		want[fmt.Sprintf("many/entry with a long name %02d.conf", i)] = strings.Repeat("x", i*100)
	}
	dir = t.TempDir()
	for name, text := range want {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	return dir, want
}

// image is made by mkfs.vfat, of some KiB, and has the files of dir in it.
func image(t testing.TB, dir string, kib int, args ...string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	tool(t, "dosfstools", append([]string{"mkfs.vfat", "-C", "-n", "A LABEL", "-i", "1234abcd"}, append(args, name, fmt.Sprint(kib))...)...)
	if dir != "" {
		top, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		tool(t, "mtools", append([]string{"mcopy", "-s", "-m", "-i", name}, append(top, "::")...)...)
	}
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

func open(t testing.TB, data []byte) *FS {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return f
}

func TestImages(t *testing.T) {
	dir, want := files(t)
	for _, tt := range []struct {
		name string
		kib  int
		args []string
		bits int
	}{
		{"floppy", 1440, nil, 12},
		{"small", 4096, nil, 12},
		{"FAT12 of large sectors", 8192, []string{"-F", "12", "-S", "2048"}, 12},
		{"FAT16", 16384, []string{"-F", "16", "-s", "1"}, 16},
		{"FAT16 of 4K sectors", 65536, []string{"-F", "16", "-S", "4096"}, 16},
		{"FAT32", 40000, []string{"-F", "32", "-s", "1"}, 32},
		{"FAT32 of one table", 65536, []string{"-F", "32", "-f", "1"}, 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := image(t, dir, tt.kib, tt.args...)
			f := open(t, data)
			assert.Equal(t, tt.bits, f.Bits)
			assert.Equal(t, "A LABEL", f.Label)
			assert.Equal(t, "1234-ABCD", f.Serial)
			assert.InDelta(t, len(data), f.Size, 64<<10)
			var names []string
			for name, text := range want {
				names = append(names, name)
				got, err := fs.ReadFile(f, name)
				require.NoError(t, err)
				assert.Equal(t, text, string(got), name)
			}
			found := 0
			require.NoError(t, fs.WalkDir(f, ".", func(_ string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					found++
				}
				return err
			}))
			assert.Equal(t, len(want), found)
			assert.NoError(t, fstest.TestFS(f, names...))
		})
	}
}

// TestFewClusters: what the kernel takes for FAT32 is it (mtools does not, and
// cannot fill it).
func TestFewClusters(t *testing.T) {
	f := open(t, image(t, "", 8192, "-F", "32"))
	assert.Equal(t, 32, f.Bits)
	assert.Equal(t, "A LABEL", f.Label)
	entries, err := f.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestNames(t *testing.T) {
	dir, want := files(t)
	f := open(t, image(t, dir, 4096))
	for _, name := range []string{"efi/boot/bootx64.efi", "EFI/BOOT/BootX64.efi", "EFI/BOOT/BOOTX64.EFI"} {
		got, err := f.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, want["EFI/BOOT/BOOTX64.EFI"], string(got))
	}
	got, err := f.ReadFile("LOADER/ENTRIES/ALONGN~1.CON")
	require.NoError(t, err)
	assert.Equal(t, "title x\n", string(got))
	got, err = f.ReadFile("loader/GRÖSSE – naïve.txt")
	assert.ErrorIs(t, err, fs.ErrNotExist, "ß has no capital: %s", got)
	_, err = f.Open("EFI/absent")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.Open("/EFI")
	assert.ErrorIs(t, err, fs.ErrInvalid)
	_, err = f.ReadLink("EFI")
	assert.ErrorContains(t, err, "not a symbolic link")
	info, err := f.Stat("EFI/BOOT/BOOTX64.EFI")
	require.NoError(t, err)
	on, err := os.Stat(filepath.Join(dir, "EFI/BOOT/BOOTX64.EFI"))
	require.NoError(t, err)
	assert.InDelta(t, on.ModTime().Unix(), info.ModTime().Unix(), 2)
}

// TestParts: a file is read from any place on, and no more of it than is asked.
func TestParts(t *testing.T) {
	dir, want := files(t)
	data := image(t, dir, 16384, "-F", "16", "-s", "1")
	r := &counter{r: bytes.NewReader(data)}
	f, err := Open(r, int64(len(data)))
	require.NoError(t, err)
	file, err := f.Open("EFI/BOOT/BOOTX64.EFI")
	require.NoError(t, err)
	text := want["EFI/BOOT/BOOTX64.EFI"]
	before := r.n
	for _, at := range []int{0, 511, 512, 513, 70000, len(text) - 3} {
		b := make([]byte, 1000)
		n, err := file.(io.ReaderAt).ReadAt(b, int64(at))
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
		assert.Equal(t, text[at:min(at+1000, len(text))], string(b[:n]))
	}
	assert.LessOrEqual(t, r.n-before, int64(6000))
}
