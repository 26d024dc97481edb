package iso

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRockRidge(t *testing.T) {
	loop := make([]byte, sector)
	copy(loop, "CE\x1c\x01")
	loop[20] = 28 // of sector 0, from byte 0, 28 bytes: itself
	w := newWalker(bytes.NewReader(loop), sector)
	_, _, err := w.rockRidge(loop[:28])
	assert.ErrorContains(t, err, "a continuation of 28 bytes, number 18")

	long := append([]byte(nil), loop...)
	copy(long[20:], "\xff\xff\xff\xff")
	_, _, err = w.rockRidge(long[:28])
	assert.ErrorContains(t, err, "a continuation of 4294967295 bytes")

	name, relocated, err := w.rockRidge([]byte("NM\x08\x01\x01isoNM\x0a\x01\x00linuxRE\x04\x01"))
	require.NoError(t, err)
	assert.Equal(t, "isolinux", name)
	assert.True(t, relocated)
}

// TestRockRidgeLinks: where a link leads, and what is behind a link that is a
// folder.
func TestRockRidgeLinks(t *testing.T) {
	w := newWalker(bytes.NewReader(nil), sector)
	for fields, want := range map[string]string{
		"SL\x0d\x01\x00\x00\x06kernel":                       "kernel/",
		"SL\x0d\x01\x00\x08\x00\x04\x00\x00\x02vm":           "/../vm/",
		"SL\x0a\x01\x01\x01\x03vmlSL\x0a\x01\x00\x00\x03inu": "vmlinu/",
		"SL\x07\x01\x00\x02\x00":                             "./",
		"SL\x08\x01\x00\x00\xffx":                            "",
	} {
		w.link = ""
		_, _, err := w.rockRidge([]byte(fields))
		require.NoError(t, err)
		assert.Equal(t, want, w.link, "%q", fields)
	}
	links := tree{links: map[string]string{"vmlinuz": "live/vmlinuz-6.1", "debian": ".", "a": "b/", "b": "a", "out": "../../x", "live/up": "/boot/", "self": "self/x"}}
	for name, want := range map[string]string{
		"/vmlinuz": "live/vmlinuz-6.1", "debian/debian/live/x": "live/x", "live/up/k": "boot/k", "out": "x", "live/vmlinuz": "live/vmlinuz", "": "",
	} {
		assert.Equal(t, want, links.follow(name), name)
	}
	assert.NotPanics(t, func() { links.follow("a"); links.follow("self") })
}

// A record of a folder whose name continues at a byte of the image.
func record(extent, size uint32, flags byte, name, length uint32) []byte {
	rec := make([]byte, 62)
	rec[0], rec[25], rec[32], rec[33] = byte(len(rec)), flags, 1, 'A'
	binary.LittleEndian.PutUint32(rec[2:], extent)
	binary.LittleEndian.PutUint32(rec[10:], size)
	copy(rec[34:], "CE\x1c\x01")
	binary.LittleEndian.PutUint32(rec[34+4:], name/sector)
	binary.LittleEndian.PutUint32(rec[34+12:], name%sector)
	binary.LittleEndian.PutUint32(rec[34+20:], length)
	return rec
}

// TestPathsAreBounded: an image of 80 KB whose files' paths would have half a
// megabyte, and others that read their names again and again.
func TestPathsAreBounded(t *testing.T) {
	const names = 10 * sector // what every name continues with
	start := func() []byte {
		image := make([]byte, 40*sector)
		for at := names; at+255 <= len(image); at += 255 {
			copy(image[at:], "NM\xff\x01\x01"+strings.Repeat("n", 250))
		}
		return image
	}
	files := func(image []byte, rec []byte, count int) {
		for i, at := 0, 0; i < count; i++ {
			if at%sector+len(rec) > sector {
				at += sector - at%sector
			}
			at += copy(image[at:], rec)
		}
	}
	for _, tt := range []struct {
		name, want string
		make       func(image []byte) (top uint32)
	}{
		{"long names", "a name of more than 1024 bytes", func(image []byte) uint32 {
			files(image, record(0, 0, 0, names, 60_000), 300)
			return 9 * sector
		}},
		{"continuations", "its folders and names have more bytes than the image", func(image []byte) uint32 {
			files(image, record(0, 0, 0, names, 1020), 300)
			return 9 * sector
		}},
		{"folders", "all of them four times the image's bytes", func(image []byte) uint32 {
			for depth := range uint32(3) {
				copy(image[depth*sector:], record(depth+1, sector, 2, names, 1020))
			}
			plain := append([]byte{34}, make([]byte, 33)...)
			plain[32], plain[33] = 1, 'B'
			copy(image[2*sector:], record(3, 6*sector, 2, names, 1020))
			files(image[3*sector:], plain, 6*60)
			return sector
		}},
		{"a folder in many places", "its folders and names have more bytes than the image", func(image []byte) uint32 {
			rec := append([]byte{34}, make([]byte, 33)...)
			rec[32], rec[33], rec[25] = 1, 'B', 2
			rec[2], rec[11] = 8, 8 // one sector, which is empty
			files(image, rec, 60)
			return sector
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := start()
			size := tt.make(image)
			cost := allocated(func() {
				_, err := walk(bytes.NewReader(image), int64(len(image)), entry{size: int64(size), dir: true})
				assert.ErrorContains(t, err, tt.want)
			})
			assert.Less(t, cost, 4<<20)
		})
	}
}

func TestCatalogue(t *testing.T) {
	c := make([]byte, 3*sector)
	at := c[sector:]
	copy(at, "\x01\x00\x00\x00")
	copy(at[0x1c:], "\xaa\x55\x55\xaa")
	copy(at[32:], "\x88\x00\x00\x00\x00\x00\x04\x00\x02\x00\x00\x00")
	copy(at[64:], "\x90\xef\x01\x00")
	copy(at[96:], "\x88\x00\x00\x00\x00\x00\x00\x08\x01\x00\x00\x00")
	copy(at[128:], "\x91\x07\x01\x00")
	copy(at[160:], "\x00")
	sum := func() {
		at[28], at[29] = 0, 0
		var s uint16
		for i := 0; i < 32; i += 2 {
			s += uint16(at[i]) | uint16(at[i+1])<<8
		}
		at[28], at[29] = byte(-s), byte(-s>>8)
	}
	sum()
	entries, err := readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	require.NoError(t, err)
	assert.Equal(t, []BootEntry{{"bios", true, 2, 4}, {"efi", true, 1, 2048}, {"0x7", false, 0, 0}}, entries)

	at[40] = 9
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	assert.ErrorContains(t, err, "boot entry 1 (bios) points at sector 9 of 3")
	at[0] = 2
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 1)
	assert.ErrorContains(t, err, "no validation entry")
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 0)
	assert.ErrorContains(t, err, "no El Torito boot record")
	_, err = readCatalogue(bytes.NewReader(c), int64(len(c)), 99)
	assert.Error(t, err)
}

func FuzzCatalogue(f *testing.F) {
	f.Add(make([]byte, sector))
	f.Fuzz(func(t *testing.T, c []byte) {
		entries, _ := readCatalogue(bytes.NewReader(append(c, make([]byte, sector)...)), int64(len(c)), 1)
		if len(entries) > sector/32 {
			t.Errorf("%d entries of one sector", len(entries))
		}
	})
}

// counting counts what is read.
type counting struct {
	*bytes.Reader
	bytes int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += len(p)
	return c.Reader.ReadAt(p, off)
}

// FuzzTree: an image's folders, whatever they say, are read no more than once,
// and their paths are in proportion to it.
func FuzzTree(f *testing.F) {
	loop := make([]byte, 4*sector)
	copy(loop, record(0, sector, 2, 2*sector, 28))
	copy(loop[2*sector:], "CE\x1c\x01")
	f.Add(loop)
	many := make([]byte, 8*sector)
	for at := 0; at+62 <= sector; at += 62 {
		copy(many[at:], record(1, 3*sector, 2, 4*sector, 255))
	}
	copy(many[4*sector:], "NM\xff\x01\x01name")
	f.Add(many)
	f.Fuzz(func(t *testing.T, image []byte) {
		r := &counting{Reader: bytes.NewReader(image)}
		size := int64(len(image))
		tree, _ := walk(r, size, entry{size: min(size, sector), dir: true})
		if most := len(image) + 2*sector; r.bytes > most {
			t.Errorf("%d bytes read of an image of %d", r.bytes, len(image))
		}
		paths := 0
		for _, p := range tree.paths {
			paths += len(p)
		}
		if paths > 4*len(image)+slack {
			t.Errorf("paths of %d bytes in an image of %d", paths, len(image))
		}
	})
}
