package squashfs

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
)

// tree is written with mksquashfs and read back.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	noise := make([]byte, 300_000)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	files := map[string]string{
		"empty":               "",
		"small":               "hello\n",
		"a/b/c/deep":          strings.Repeat("deep ", 100),
		"noise":               string(noise),
		"text":                strings.Repeat("some text that repeats itself\n", 20_000),
		"holes":               strings.Repeat("\x00", 1<<20) + "end",
		"exactly-two-blocks":  strings.Repeat("x", 2*128<<10),
		"a/name with a blank": "blank",
	}
	for i := range 700 { // more than one header of a listing
		files["many/"+strings.Repeat("n", i%40)+string(rune('a'+i%26))+string(rune('a'+i/26))] = "x"
	}
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("/nowhere/at all", filepath.Join(dir, "link")))
	return files
}

func pack(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	if testing.Short() && len(args) > 0 {
		t.Skip("-short")
	}
	name := filepath.Join(t.TempDir(), "x.squashfs")
	out, err := exec.CommandContext(t.Context(), "mksquashfs", append([]string{dir, name, "-all-root", "-quiet", "-no-progress", "-processors", "1"}, args...)...).CombinedOutput()
	if cfg, cfgErr := config.Load(); errors.Is(err, exec.ErrNotFound) && cfgErr == nil && !cfg.Require {
		t.Skip("mksquashfs is missing; install squashfs-tools")
	}
	require.NoError(t, err, "%s", out)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return data
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	files := tree(t, dir)
	for _, args := range [][]string{
		nil, {"-comp", "zstd"}, {"-comp", "xz"}, {"-comp", "lz4"}, {"-comp", "lzo"},
		{"-b", "1M"}, {"-comp", "zstd", "-b", "1M", "-Xcompression-level", "19"}, {"-comp", "xz", "-b", "1M"}, {"-comp", "lz4", "-Xhc", "-b", "1M"}, {"-no-fragments"}, {"-noI", "-noD", "-noF"}, {"-comp", "zstd", "-always-use-fragments", "-b", "4K"},
	} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			data := pack(t, dir, args...)
			f, err := Open(bytes.NewReader(data), int64(len(data)))
			require.NoError(t, err)
			seen := 0
			var visit func(e Entry, at string)
			visit = func(e Entry, at string) {
				entries, err := f.Entries(e)
				require.NoError(t, err)
				for _, e := range entries {
					name := path.Join(at, e.Name)
					switch e.Kind {
					case Folder:
						visit(e, name)
					case Link:
						target, err := f.Target(e)
						require.NoError(t, err)
						assert.Equal(t, "/nowhere/at all", target)
					case File:
						seen++
						text, err := f.ReadFile(e, 1<<30)
						require.NoError(t, err, name)
						if string(text) != files[name] {
							t.Errorf("%s differs", name)
						}
						head, err := f.ReadFile(e, 10)
						require.NoError(t, err, name)
						assert.Equal(t, files[name][:min(10, len(files[name]))], string(head))
						readAt(t, f, e, files[name])
					}
				}
			}
			visit(f.Root(), "")
			assert.Equal(t, len(files), seen)
		})
	}
}

// readAt reads a file at places of all kinds: around the ends of blocks, from
// the back, and past the end.
func readAt(t *testing.T, f *FS, e Entry, text string) {
	t.Helper()
	r, err := f.Reader(e)
	require.NoError(t, err, e.Name)
	require.Equal(t, int64(len(text)), r.Size())
	whole, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	require.NoError(t, err, e.Name)
	if string(whole) != text {
		t.Errorf("%s differs", e.Name)
	}
	block := int64(f.blockSize)
	for _, at := range []int64{r.Size() - 1, 5 * block, block - 3, 0, block, r.Size(), 3*block - 1, r.Size() + 5} {
		if at < 0 {
			continue
		}
		b := make([]byte, 10)
		n, err := r.ReadAt(b, at)
		want := ""
		if at < int64(len(text)) {
			want = text[at:min(at+10, int64(len(text)))]
		}
		assert.Equal(t, want, string(b[:n]), "%s at byte %d", e.Name, at)
		if n < len(b) {
			assert.ErrorIs(t, err, io.EOF)
		} else {
			assert.NoError(t, err)
		}
	}
	_, err = r.ReadAt(make([]byte, 1), -1)
	assert.Error(t, err)
}

// TestBCJ: what cannot be read is not called malformed.
func TestBCJ(t *testing.T) {
	dir := t.TempDir()
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program"), program[:min(len(program), 1<<20)], 0o600))
	data := pack(t, dir, "-comp", "xz", "-Xbcj", "x86")
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err == nil {
		var entries []Entry
		entries, err = f.Entries(f.Root())
		for _, e := range entries {
			_, fileErr := f.ReadFile(e, 1<<20)
			err = errors.Join(err, fileErr)
		}
	}
	if err != nil {
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
	t.Log(err)
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), bytes.Repeat([]byte("x"), 10_000), 0o600))
	good := pack(t, dir)
	edit := func(at int, b ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[at:], b)
		return bad
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"foreign", bytes.Repeat([]byte("text"), 100), "starts with"},
		{"version", edit(28, 3), "version 3.0"},
		{"cut", good[:100], "truncated"},
		{"blocks", edit(12, 1, 0, 0, 0), "blocks of 1 bytes"},
		{"compressor", edit(20, 77), "method 77"},
		{"lzma", edit(20, 2), "method 2"},
		{"root", edit(32, 0xff, 0xff, 0xff, 0xff, 0xff), "root: "},
		{"tables", edit(64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "root: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(bytes.NewReader(tt.data), int64(len(tt.data)))
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	require.NoError(f, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	require.NoError(f, os.WriteFile(filepath.Join(dir, "a/b/file"), bytes.Repeat([]byte("text"), 3000), 0o600))
	require.NoError(f, os.Symlink("b/file", filepath.Join(dir, "a/link")))
	for _, comp := range []string{"gzip", "zstd", "lz4", "xz", "lzo"} {
		name := filepath.Join(f.TempDir(), "x")
		args := []string{dir, name, "-quiet", "-no-progress", "-comp", comp, "-nopad", "-noI"}
		if out, err := exec.CommandContext(f.Context(), "mksquashfs", args...).CombinedOutput(); err != nil {
			f.Skipf("mksquashfs: %v: %s; install squashfs-tools", err, out)
		}
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add(xzFile("dictionary of 4 GiB", 40))
	f.Add(layered(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		left := 200
		var visit func(e Entry)
		visit = func(e Entry) {
			entries, _ := fs.Entries(e)
			if len(entries) > maxEntries {
				t.Errorf("%d entries", len(entries))
			}
			for _, e := range entries {
				if left--; left < 0 {
					return
				}
				if len(e.Name) > maxName {
					t.Errorf("a name of %d bytes", len(e.Name))
				}
				switch e.Kind {
				case Folder:
					if value, _ := fs.Attribute(e, "trusted.overlay.opaque"); len(value) > maxValue {
						t.Errorf("a value of %d bytes", len(value))
					}
					visit(e)
				case Char:
					_, _ = fs.Device(e)
				case Link:
					if target, _ := fs.Target(e); len(target) > maxLink {
						t.Errorf("a link of %d bytes", len(target))
					}
				case File:
					const limit = 100_000
					text, _ := fs.ReadFile(e, limit)
					if len(text) > limit || cap(text) > 4*limit+int(fs.blockSize) {
						t.Errorf("%d bytes in room for %d, of %d", len(text), cap(text), limit)
					}
					if r, err := fs.Reader(e); err == nil {
						b := make([]byte, 100)
						_, _ = r.ReadAt(b, r.Size()-50)
						if n, err := r.ReadAt(b, 0); err == nil && n == len(b) && text != nil && string(b) != string(text[:n]) {
							t.Errorf("%q and %q", b, text[:n])
						}
					}
				}
			}
		}
		visit(fs.Root())
		if len(fs.meta) > maxMeta {
			t.Errorf("%d blocks in the cache", len(fs.meta))
		}
	})
}

// FuzzXZ: whatever a block claims, it is unpacked within its limit and a
// multiple of it in memory.
func FuzzXZ(f *testing.F) {
	f.Add(xzFile("some text", 22))
	f.Add(xzFile("dictionary of 4 GiB", 40))
	f.Fuzz(func(t *testing.T, packed []byte) {
		const limit = 8 << 10
		if out, err := unpackXZ(packed, limit); err == nil && len(out) > limit {
			t.Errorf("%d bytes", len(out))
		}
	})
}
