package disk

import (
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// patched reads with some bytes changed.
type patched struct {
	io.ReaderAt
	bytes map[int64]byte
}

func (p patched) ReadAt(b []byte, at int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, at)
	for where, c := range p.bytes {
		if where >= at && where < at+int64(n) {
			b[where-at] = c
		}
	}
	return n, err
}

// FuzzLook: whatever a disk's table and its file systems claim, looking at it
// reads a bounded part of it. Each four bytes of changes are a place, of the disk's
// beginning or of that of a partition, and what stands there.
func FuzzLook(f *testing.F) {
	disk, err := os.Open(gptDisk(f, uefi, linux))
	require.NoError(f, err)
	defer disk.Close()
	f.Add([]byte{0, 4, 32, 1, 1, 0, 13, 3, 2, 4, 0x18, 5})
	f.Add([]byte{1, 0, 13, 3})
	f.Add([]byte{2, 4, 0x18, 5, 2, 4, 0x60, 6})
	f.Fuzz(func(t *testing.T, changes []byte) {
		p := patched{disk, map[int64]byte{}}
		for ; len(changes) >= 4 && len(p.bytes) < 64; changes = changes[4:] {
			at := []int64{0, 1 << 20, 5 << 20}[changes[0]%3]
			p.bytes[at+int64(changes[1])<<8+int64(changes[2])] = changes[3]
		}
		r := &counter{r: p}
		d := &Disk{ReaderAt: r, Identity: Identity{Format: Raw}, Size: 16 << 20}
		if err := d.look(); err != nil {
			return
		}
		// A head and a root folder each, and the table.
		if limit := int64(len(d.Volumes))*(headSize+3<<20) + 4<<20; r.n > limit {
			t.Errorf("%d bytes read of %d volumes", r.n, len(d.Volumes))
		}
		for _, v := range d.Volumes {
			if v.FS != nil {
				_, _ = fs.ReadDir(v.FS, ".")
			}
			if v.Err != nil && v.FS != nil {
				t.Errorf("%+v is opened, and has an error", v)
			}
		}
	})
}
