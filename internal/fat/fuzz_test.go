package fat

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"testing"
)

// FuzzOpen: whatever an image claims, reading it costs no more than a multiple
// of what it has. Each four bytes of changes are a place and what stands there.
func FuzzOpen(f *testing.F) {
	dir, _ := files(f)
	images := [][]byte{image(f, dir, 1440), image(f, dir, 4200, "-F", "16", "-s", "1"), image(f, dir, 33600, "-F", "32", "-s", "1")}
	for i := range images {
		images[i] = images[i][:open(f, images[i]).data+200<<10]
		f.Add(uint8(i), []byte{0, 0, 11, 2, 0, 2, 3, 4})
		f.Add(uint8(i), []byte{0x80, 0, 28, 0xff})
		f.Add(uint8(i), []byte{0x40, 0, 4, 0xff})
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		data := bytes.Clone(images[int(which)%len(images)])
		starts := []int{0, int(binary.LittleEndian.Uint16(data[14:])) * 512, int(open(t, data).root), int(open(t, data).data)}
		for ; len(changes) >= 4; changes = changes[4:] {
			// The first two bits say of what.
			at := starts[changes[0]>>6] + int(changes[0]&0x3f)<<16 + int(changes[1])<<8 + int(changes[2])
			data[at%len(data)] = changes[3]
		}
		r := &counter{r: bytes.NewReader(data)}
		fsys, err := Open(r, int64(len(data)))
		if err != nil {
			return
		}
		entries, read := 0, int64(0)
		_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if entries++; entries > 2000 {
				return fs.SkipAll
			}
			if err != nil || d.IsDir() {
				return nil
			}
			if b, err := fsys.ReadFile(name); err == nil {
				read += int64(len(b))
				if len(b) > len(data) {
					t.Errorf("%d bytes of an image of %d", len(b), len(data))
				}
			}
			return nil
		})
		// Each entry costs a folder or a file at most, and each piece of a chain
		// a page of the table.
		if limit := int64(len(data))*4 + int64(entries+1)*(maxFolder+page) + read; r.n > limit {
			t.Errorf("%d bytes read for %d entries of an image of %d", r.n, entries, len(data))
		}
	})
}
