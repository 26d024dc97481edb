package fat

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counter counts the bytes that are read.
type counter struct {
	r io.ReaderAt
	n int64
}

func (c *counter) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(b, at)
	c.n += int64(n)
	return n, err
}

// entry is where the slot of a short name is.
func entry(t testing.TB, data []byte, name string) int {
	t.Helper()
	at := bytes.Index(data, []byte(name))
	require.GreaterOrEqual(t, at, 0, name)
	return at
}

func TestHostile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ONE/TWO"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "OTHER"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ONE/FILE"), bytes.Repeat([]byte("x"), 5000), 0o600))
	sound := image(t, dir, 16384, "-F", "16", "-s", "1")
	le := binary.LittleEndian
	table := int64(open(t, sound).table)
	first := func(name string) int64 { return int64(le.Uint16(sound[entry(t, sound, name)+26:])) }
	walk := func(data []byte) error {
		f, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return err
		}
		return fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = f.ReadFile(name)
			}
			return err
		})
	}
	require.NoError(t, walk(sound))
	for _, tt := range []struct {
		name, want string
		change     func(b []byte)
	}{
		{"a file's chain comes back", "comes back to cluster", func(b []byte) {
			c := first("FILE    ")
			le.PutUint16(b[table+2*(c+3):], uint16(c))
		}},
		{"a folder's chain comes back", "comes back to cluster", func(b []byte) {
			c := first("ONE     ")
			le.PutUint16(b[table+2*c:], uint16(c))
		}},
		{"a chain leaves", "leads to cluster 65000 of", func(b []byte) { le.PutUint16(b[table+2*first("FILE    "):], 65000) }},
		{"a chain leads to a free cluster", "to a free one", func(b []byte) { le.PutUint16(b[table+2*first("FILE    "):], 0) }},
		{"a chain leads to a bad cluster", "to a bad one", func(b []byte) { le.PutUint16(b[table+2*first("FILE    "):], 0xfff7) }},
		{"a chain is short", "a chain of 1 clusters, not 10", func(b []byte) { le.PutUint16(b[table+2*first("FILE    "):], 0xffff) }},
		{"a size lies", "claims 50331648 bytes", func(b []byte) { le.PutUint32(b[entry(t, b, "FILE    ")+28:], 48<<20) }},
		{"a size lies less", "a chain of 10 clusters, not 98", func(b []byte) { le.PutUint32(b[entry(t, b, "FILE    ")+28:], 50000) }},
		{"a folder in itself", "the same folder as ONE", func(b []byte) { le.PutUint16(b[entry(t, b, "TWO     ")+26:], uint16(first("ONE     "))) }},
		{"a folder is the root", "the same folder as .", func(b []byte) { le.PutUint16(b[entry(t, b, "TWO     ")+26:], 0) }},
		{"a folder of two", "the same folder as O", func(b []byte) { le.PutUint16(b[entry(t, b, "OTHER   ")+26:], uint16(first("TWO     "))) }},
		{"two of a name", `two entries have the name "ONE"`, func(b []byte) { copy(b[entry(t, b, "OTHER   "):], "ONE     ") }},
		{"a path for a name", `has the name "../../X"`, func(b []byte) { copy(b[entry(t, b, "OTHER   "):], "../../X ") }},
		{"sectors", "sectors of 513 bytes", func(b []byte) { b[11] = 1 }},
		{"no cluster", "0 sectors in a cluster", func(b []byte) { b[13] = 0 }},
		{"clusters of 3", "3 sectors in a cluster", func(b []byte) { b[13] = 3 }},
		{"no table", "0 allocation tables", func(b []byte) { b[16] = 0 }},
		{"a table of all", "the tables take", func(b []byte) { le.PutUint16(b[22:], 0xffff) }},
		{"no sectors", "0 sectors", func(b []byte) { copy(b[19:21], "\x00\x00") }},
		{"no reserved sector", "no reserved sector", func(b []byte) { b[14] = 0 }},
		{"a medium", "a medium of type 0x1", func(b []byte) { b[21] = 1 }},
		{"something else", "has no boot signature", func(b []byte) { b[0], b[510] = 0, 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(sound)
			tt.change(b)
			assert.ErrorContains(t, walk(b), tt.want)
		})
	}
	// FAT32 of 2 TiB in an image of 2 MiB.
	wide := image(t, "", 65536, "-F", "32")
	le.PutUint32(wide[32:], 0xffffffff)
	le.PutUint32(wide[36:], 0x01000000)
	_, err := Open(bytes.NewReader(wide[:2<<20]), 2<<20)
	assert.ErrorContains(t, err, "truncated: its files start at byte")
}

// TestTruncated: an image that ends early is an error where that is read, and
// what is there is read.
func TestTruncated(t *testing.T) {
	dir, want := files(t)
	for _, args := range [][]string{{"-F", "12"}, {"-F", "16", "-s", "1"}, {"-F", "32", "-s", "1"}} {
		data := image(t, dir, map[string]int{"12": 16384, "16": 16384, "32": 40000}[args[1]], args...)
		f := open(t, data)
		for n := 0; n < int(f.data)+4096; n += 509 {
			f, err := Open(bytes.NewReader(data[:n]), int64(n))
			if err != nil {
				assert.ErrorContains(t, err, "fat: ")
				continue
			}
			_, err = f.ReadFile("EFI/BOOT/BOOTX64.EFI")
			assert.Error(t, err, "%d bytes", n)
		}
		half := int(f.data) + 100<<10
		f = open(t, data[:half])
		assert.Greater(t, f.Size, int64(half))
		failed := 0
		for name, text := range want {
			got, err := f.ReadFile(name)
			if err != nil {
				failed++
				continue
			}
			assert.Equal(t, text, string(got))
		}
		assert.Less(t, failed, len(want))
		assert.Positive(t, failed)
	}
}

// TestSecondTableDiffers: the first one counts, or the one that the header names.
func TestSecondTableDiffers(t *testing.T) {
	dir, want := files(t)
	data := image(t, dir, 40000, "-F", "32", "-s", "1")
	f := open(t, data)
	size := int64(binary.LittleEndian.Uint32(data[36:])) * 512
	clear(data[f.table+size : f.table+2*size])
	got, err := open(t, data).ReadFile("EFI/BOOT/grub.cfg")
	require.NoError(t, err)
	assert.Equal(t, want["EFI/BOOT/grub.cfg"], string(got))
	data[40] = 0x81
	_, err = Open(bytes.NewReader(data), int64(len(data)))
	assert.ErrorContains(t, err, "to a free one")
}
