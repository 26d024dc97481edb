package initrd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// allocated is the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// withDictionary changes what the first block of an xz stream claims.
func withDictionary(packed []byte, property byte) []byte {
	packed = bytes.Clone(packed)
	size := (int(packed[12]) + 1) * 4
	header := packed[12 : 12+size]
	header[bytes.Index(header, []byte{0x21, 1})+2] = property
	binary.LittleEndian.PutUint32(header[size-4:], crc32.ChecksumIEEE(header[:size-4]))
	return packed
}

// TestBounds: no claim is believed, and what is too much ends.
func TestBounds(t *testing.T) {
	small := archive(program("init", strings.Repeat("#!/bin/sh\n", 200)))
	lzma := compressors["lzma"](t, small)
	copy(lzma[1:], "\x00\xff\xff\xff")
	zstd := append([]byte("\x28\xb5\x2f\xfd\x00\xff"), make([]byte, 20)...)
	var deep []entry
	for range 3000 {
		deep = append(deep, link("l", strings.Repeat("l/", 1000)), file("l/x", "x"))
	}
	var deeper []entry
	for i := range 200 {
		deeper = append(deeper, dir(strings.Repeat("d/", i+1)))
	}
	for name, c := range map[string]struct {
		data []byte
		is   error
		most uint64
	}{
		"a file of 4 GiB":        {archive(entry{name: "a", mode: 0o100644, body: "x", claims: 1<<32 - 4}), nil, 1 << 20},
		"a link of 4 GiB":        {archive(entry{name: "a", mode: 0o120777, body: "x", claims: 1<<32 - 4}), nil, 1 << 20},
		"a packed file of 4 GiB": {gzipped(t, archive(entry{name: "a", mode: 0o100644, body: "x", claims: 1<<32 - 4})), nil, 1 << 20},
		"a bomb":                 {gzipped(t, archive(file("a", strings.Repeat("\x00", 40<<20)))), ErrBound, 24 << 20},
		"a bomb of NULs":         {gzipped(t, make([]byte, 40<<20)), ErrBound, 1 << 20},
		"a bomb of entries":      {gzipped(t, bytes.Repeat(appendEntries(nil, dir("a")), 300_000)), ErrBound, 128 << 20},
		"xz's dictionary":        {withDictionary(xzed(t, small, xz.CRC32), 40), errors.ErrUnsupported, 1 << 20},
		"xz's dictionaries":      {bytes.Repeat(withDictionary(xzed(t, small, xz.CRC32), 20), 200), ErrBound, 64 << 20},
		"lzma's dictionary":      {lzma, errors.ErrUnsupported, 1 << 20},
		"zstd's window":          {zstd, nil, 1 << 20},
		"streams":                {bytes.Repeat(gzipped(t, small), maxMembers+1), ErrBound, 256 << 20},
		"folders in folders":     {archive(deeper...), ErrBound, 8 << 20},
		"links to links":         {archive(deep...), ErrBound, 512 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var f *FS
			var err error
			cost := allocated(func() {
				f, err = read(t, c.data, Config{MaxUnpacked: 20 << 20, Inspect: func(string, []byte) any { return nil }})
			})
			require.NoError(t, err)
			require.NotNil(t, f.Stop)
			if c.is != nil {
				require.ErrorIs(t, f.Stop, c.is)
			}
			assert.Less(t, cost, c.most)
		})
	}
}

// TestKeptOfAll: files together are held up to a bound, the later ones not.
func TestKeptOfAll(t *testing.T) {
	body := strings.Repeat("x", 8<<20)
	var files []entry
	for i := range 10 {
		files = append(files, file(fmt.Sprintf("f%d", i), body))
	}
	f := sound(t, archive(files...), Config{Keep: all})
	kept := 0
	for i := range 10 {
		if _, err := fs.ReadFile(f, fmt.Sprintf("f%d", i)); err == nil {
			kept++
		}
	}
	assert.Equal(t, maxKept/len(body), kept)

	// What is replaced is given back.
	for i := range files {
		files[i].name = "same"
	}
	f = sound(t, archive(files...), Config{Keep: all})
	text, err := fs.ReadFile(f, "same")
	require.NoError(t, err)
	assert.Len(t, text, len(body))
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := archive(file("a", "x"))
	f, err := Read(ctx, bytes.NewReader(data), int64(len(data)), Config{})
	require.NoError(t, err)
	require.ErrorIs(t, f.Stop, context.Canceled)
}

// FuzzRead: anything ends, within what its bytes and their bound may cost, and
// what it gives is a file system.
func FuzzRead(f *testing.F) {
	main := archive(dir("etc"), program("init", "#!/bin/sh\n"), link("l", "etc"), hard("a", 3, ""), hard("b", 3, "text"), entry{name: "c", mode: 0o100644, body: "x", sum: true})
	f.Add(main)
	for _, pack := range compressors {
		f.Add(cat(main, pack(f, main)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 24 << 20
		var got *FS
		cost := allocated(func() {
			got, _ = read(t, data, Config{Keep: all, Inspect: func(string, []byte) any { return nil }, MaxUnpacked: most})
		})
		unpacked := int64(len(data))
		if got != nil {
			for _, m := range got.Members {
				assert.LessOrEqual(t, m.Offset+m.Packed, int64(len(data)))
				unpacked += m.Unpacked
			}
			assert.LessOrEqual(t, unpacked, int64(most+2*len(data)))
			seen := 0
			require.NoError(t, fs.WalkDir(got, ".", func(name string, d fs.DirEntry, err error) error {
				seen++
				assert.True(t, fs.ValidPath(name), name)
				return err
			}))
			assert.Less(t, seen, len(data)+int(unpacked)/cpioHeader+8)
		}
		assert.Less(t, cost, uint64(2*most+8<<20)+16*uint64(unpacked))
	})
}
