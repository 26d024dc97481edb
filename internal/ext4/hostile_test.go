package ext4

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// tiny is an image of few files in 1K blocks, and where an inode of it is.
func tiny(t testing.TB, kind string, args ...string) []byte {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "one/two"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one/file"), bytes.Repeat([]byte("x"), 300<<10), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "other"), 0o755))
	require.NoError(t, os.Symlink(strings.Repeat("l", 100), filepath.Join(dir, "link")))
	for i := range 6 { // pieces, so that the extents need a node of their own
		f, err := os.OpenFile(filepath.Join(dir, "sparse"), os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("x"), int64(i)*40<<10)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	data, err := os.ReadFile(image(t, dir, 1, append([]string{"-t", kind, "-b", "1024", "-O", "^has_journal,^resize_inode", "-N", "32", "-E", "lazy_itable_init=0"}, args...)...))
	require.NoError(t, err)
	return data
}

// inodeAt is where the inode of a name is.
func inodeAt(t testing.TB, data []byte, name string) int64 {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	info, err := f.Lstat(name)
	require.NoError(t, err)
	number := info.Sys().(*Owner).Inode - 1
	table, err := f.inodeTable(uint64(number / f.inodesPer))
	require.NoError(t, err)
	return int64(table)*f.block + int64(number%f.inodesPer)*f.inodeSize
}

// walk reads all that is in an image.
func walk(data []byte) error {
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	return fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
		case d.Type().IsRegular():
			_, err = f.ReadFile(name)
		case d.Type() == fs.ModeSymlink:
			_, err = f.ReadLink(name)
		}
		return err
	})
}

func TestHostile(t *testing.T) {
	old, extents := tiny(t, "ext2"), tiny(t, "ext4")
	require.NoError(t, walk(old))
	require.NoError(t, walk(extents))
	le := binary.LittleEndian
	oldFile, oldOne := inodeAt(t, old, "one/file"), inodeAt(t, old, "one")
	file, sparse, link, two := inodeAt(t, extents, "one/file"), inodeAt(t, extents, "sparse"), inodeAt(t, extents, "link"), inodeAt(t, extents, "one/two")
	node := int64(le.Uint32(extents[sparse+0x28+12+4:])) * 1024
	require.Equal(t, uint16(0xf30a), le.Uint16(extents[node:]), "the extents need no node of their own")
	one := int64(le.Uint32(extents[inodeAt(t, extents, "one")+0x28+12+8:])) * 1024
	number := func(name string) uint32 {
		f, err := Open(bytes.NewReader(extents), int64(len(extents)))
		require.NoError(t, err)
		info, err := f.Lstat(name)
		require.NoError(t, err)
		return info.Sys().(*Owner).Inode
	}
	entry := func(name string) int64 { return one + int64(bytes.Index(extents[one:one+1024], []byte(name))) - 8 }
	for _, tt := range []struct {
		name, want string
		image      []byte
		change     func(b []byte)
	}{
		{"a block outside", "leads to block 4294967295 of 1024", old, func(b []byte) { le.PutUint32(b[oldFile+0x28:], 0xffffffff) }},
		{"a map outside", "of block 4294967295 of 1024", old, func(b []byte) { le.PutUint32(b[oldFile+0x28+48:], 0xffffffff) }},
		{"a map in itself", "comes back to block", old, func(b []byte) {
			double := le.Uint32(b[oldFile+0x28+52:])
			le.PutUint32(b[int64(double)*1024:], double)
		}},
		{"a map twice", "comes back to block", old, func(b []byte) { le.PutUint32(b[oldFile+0x28+52:], le.Uint32(b[oldFile+0x28+48:])) }},
		{"a folder of 3 bytes more", "a folder claims 1027 bytes", old, func(b []byte) { le.PutUint32(b[oldOne+4:], 1027) }},
		{"a folder of 4 GiB", "a folder claims 4294966272 bytes", old, func(b []byte) { le.PutUint32(b[oldOne+4:], 0xfffffc00) }},

		{"a file of 8 EiB", "claims 18446744073709551615 bytes", extents, func(b []byte) {
			le.PutUint32(b[file+4:], 0xffffffff)
			le.PutUint32(b[file+0x6c:], 0xffffffff)
		}},
		{"a link of 1 GiB", "a link of 1073741824 bytes", extents, func(b []byte) { le.PutUint32(b[link+4:], 1<<30) }},
		{"no tree", "starts with 00 00", extents, func(b []byte) { le.PutUint16(b[file+0x28:], 0) }},
		{"a tree too high", "is of level 6", extents, func(b []byte) { le.PutUint16(b[file+0x28+6:], 6) }},
		{"a tree of many", "has 5 entries", extents, func(b []byte) { le.PutUint16(b[file+0x28+2:], 5) }},
		{"a tree outside", "of block 4294967295 of 1024", extents, func(b []byte) { le.PutUint32(b[sparse+0x28+16:], 0xffffffff) }},
		{"a tree in itself", "is of level 1", extents, func(b []byte) { le.PutUint16(b[node+6:], 1) }},
		{"an empty node", "has 0 entries", extents, func(b []byte) { le.PutUint16(b[node+2:], 0) }},
		{"a node of many", "has 85 entries", extents, func(b []byte) { le.PutUint16(b[node+2:], 85) }},
		{"a tree that comes back", "comes back to block 0", extents, func(b []byte) { le.PutUint32(b[node+24:], 0) }},
		{"an extent outside", "leads to block", extents, func(b []byte) { le.PutUint32(b[node+12+8:], 1023); le.PutUint16(b[node+12+4:], 2) }},
		{"an extent of nothing", "an extent of no blocks", extents, func(b []byte) { le.PutUint16(b[node+12+4:], 0) }},
		{"an encrypted file", "is encrypted", extents, func(b []byte) { b[file+0x21] |= 8 }},
		{"inline data that is not there", "claims 307200 bytes, and has 60", extents, func(b []byte) { b[file+0x23] |= 0x10 }},

		{"a short entry", "an entry of 4 bytes", extents, func(b []byte) { le.PutUint16(b[entry("file")+4:], 4) }},
		{"an entry of nothing", "an entry of 0 bytes", extents, func(b []byte) { le.PutUint16(b[entry("file")+4:], 0) }},
		{"an entry beyond", "an entry of 2048 bytes", extents, func(b []byte) { le.PutUint16(b[entry("file")+4:], 2048) }},
		{"a long name", "with a name of 255", extents, func(b []byte) { b[entry("file")+6] = 255 }},
		{"a path for a name", `has the name "a/bc"`, extents, func(b []byte) { copy(b[entry("file")+8:], "a/bc") }},
		{"an inode outside", "inode 99 of 32", extents, func(b []byte) { le.PutUint32(b[entry("file"):], 99) }},
		{"a free inode", "is free", extents, func(b []byte) { le.PutUint32(b[entry("file"):], 31) }},
		{"a folder in itself", "the same folder as one", extents, func(b []byte) { le.PutUint32(b[entry("two"):], number("one")) }},
		{"a folder of two", "the same folder as o", extents, func(b []byte) { le.PutUint32(b[entry("two"):], number("other")) }},
		{"a file for a folder", "not a folder", extents, func(b []byte) { le.PutUint16(b[two:], 0x81a4) }},

		{"no magic", "has 0x0 where 0xef53", extents, func(b []byte) { le.PutUint16(b[1024+0x38:], 0) }},
		{"compression", "has the features 0x1: unsupported", extents, func(b []byte) { b[1024+0x60] |= 1 }},
		{"blocks", "blocks of 2^4294967305 bytes", extents, func(b []byte) { le.PutUint32(b[1024+0x18:], 0xffffffff) }},
		{"truncated", "truncated: ", extents, func(b []byte) { le.PutUint32(b[1024+4:], 1025) }},
		{"all blocks", "blocks", extents, func(b []byte) { le.PutUint32(b[1024+0x150:], 0xffffffff) }},
		{"no groups", "groups of 0 blocks", extents, func(b []byte) { le.PutUint32(b[1024+0x20:], 0) }},
		{"no inodes", "inodes", extents, func(b []byte) { le.PutUint32(b[1024+0x28:], 0) }},
		{"inodes of 3", "inodes of 3 bytes", extents, func(b []byte) { le.PutUint16(b[1024+0x58:], 3) }},
		{"descriptors of 3", "descriptors of 3 bytes", extents, func(b []byte) { le.PutUint16(b[1024+0xfe:], 3) }},
		{"first block", "starts at block 7", extents, func(b []byte) { le.PutUint32(b[1024+0x14:], 7) }},
		{"descriptor", "root: inode 2: ", extents, func(b []byte) { le.PutUint32(b[2048+8:], 0xffffff) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(tt.image)
			tt.change(b)
			assert.ErrorContains(t, walk(b), tt.want)
		})
	}
}

func TestTruncated(t *testing.T) {
	data := tiny(t, "ext4")
	for n := 0; n < len(data); n += 1021 {
		_, err := Open(bytes.NewReader(data[:n]), int64(n))
		assert.ErrorContains(t, err, "ext4: ", "%d bytes", n)
		// An image whose reader ends before its size.
		f, err := Open(bytes.NewReader(data[:n]), int64(len(data)))
		if err == nil {
			err = fs.WalkDir(f, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
			if err == nil {
				_, err = f.ReadFile("one/file")
			}
		}
		if n < 300<<10 {
			assert.Error(t, err, "%d bytes", n)
		}
	}
}

// FuzzOpen: whatever an image claims, reading it costs no more than a multiple
// of what it has. Each four bytes of changes are a place and what stands there.
func FuzzOpen(f *testing.F) {
	images := [][]byte{tiny(f, "ext2"), tiny(f, "ext4"), tiny(f, "ext4", "-O", "inline_data", "-I", "256")}
	for i, data := range images {
		for _, name := range []string{"one/file", "sparse", "one"} {
			at := inodeAt(f, data, name) + 0x28
			f.Add(uint8(i), []byte{byte(at >> 16), byte(at >> 8), byte(at), 0xff, 0, 4, 0x18, 1})
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		data := bytes.Clone(images[int(which)%len(images)])
		for ; len(changes) >= 4; changes = changes[4:] {
			at := int(changes[0])<<16 + int(changes[1])<<8 + int(changes[2])
			data[at%len(data)] = changes[3]
		}
		r := &counter{r: bytes.NewReader(data)}
		fsys, err := Open(r, int64(len(data)))
		if err != nil {
			return
		}
		entries, read := 0, int64(0)
		_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if entries++; entries > 1000 {
				return fs.SkipAll
			}
			if err != nil || d.IsDir() {
				return nil
			}
			file, err := fsys.Open(name)
			if err != nil {
				return nil
			}
			n, _ := io.Copy(io.Discard, io.LimitReader(file, 4<<20))
			read += n
			return nil
		})
		// Each entry costs its inode, and a map or a listing of what is there.
		if limit := int64(entries+1) * int64(len(data)) * 2; r.n-read > limit {
			t.Errorf("%d bytes read for %d entries of an image of %d", r.n, entries, len(data))
		}
	})
}
