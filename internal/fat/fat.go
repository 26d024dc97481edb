package fat

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"bootaudit/internal/nodefs"
)

// FS is an opened file system: an [fs.ReadDirFS], [fs.StatFS] and [fs.ReadFileFS]
// whose names are found whatever their case. It is safe for concurrent use.
type FS struct {
	nodefs.FS
	// Bits is 12, 16 or 32.
	Bits int
	// Label is the volume's, of its root folder or else of its header.
	Label string
	// Serial is the volume's ID as the host's tools write it, 1234-ABCD.
	Serial string
	// Size is what the file system says that it takes, in bytes. An image may end
	// before: what lies beyond cannot be read.
	Size int64

	r    io.ReaderAt
	size int64

	cluster  int64 // bytes
	clusters uint32
	table    int64 // where the first one starts
	root     int64 // of FAT12 and FAT16
	slots    int   // of the root
	data     int64 // where cluster 2 starts

	mu    sync.Mutex
	pages map[int64][]byte // of the table
}

// Open reads the header of the file system that r holds in its first size bytes,
// and its root folder.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	f := &FS{r: r, size: size, pages: map[int64][]byte{}}
	h := make([]byte, 512)
	if err := f.readAt(h, 0); err != nil {
		return nil, fmt.Errorf("fat: header: %w", err)
	}
	root, err := f.header(h)
	if err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	f.Root = node{f: f, folder: true, top: true, first: root}
	f.Match = func(e fs.DirEntry, name string) bool {
		alias := e.(node).alias
		return strings.EqualFold(e.Name(), name) || strings.EqualFold(alias, name)
	}
	list, err := f.list(node{f: f, folder: true, top: true, first: root})
	if err != nil {
		return nil, fmt.Errorf("fat: root: %w", err)
	}
	if list.label != "" {
		f.Label = list.label
	}
	return f, nil
}

func (f *FS) header(h []byte) (root uint32, err error) {
	le := binary.LittleEndian
	if h[0] != 0xeb && h[0] != 0xe9 && le.Uint16(h[510:]) != 0xaa55 {
		return 0, fmt.Errorf("starts with % x, not with a jump, and has no boot signature", h[:3])
	}
	sector := int64(le.Uint16(h[11:]))
	perCluster := int64(h[13])
	reserved, tables, slots := int64(le.Uint16(h[14:])), int64(h[16]), int64(le.Uint16(h[17:]))
	switch {
	case sector != 512 && sector != 1024 && sector != 2048 && sector != 4096:
		return 0, fmt.Errorf("sectors of %d bytes", sector)
	case perCluster == 0 || perCluster&(perCluster-1) != 0:
		return 0, fmt.Errorf("%d sectors in a cluster", perCluster)
	case reserved == 0:
		return 0, fmt.Errorf("no reserved sector")
	case tables == 0 || tables > 8:
		return 0, fmt.Errorf("%d allocation tables", tables)
	case h[21] != 0xf0 && h[21] < 0xf8:
		return 0, fmt.Errorf("a medium of type %#x", h[21])
	}
	sectors := int64(le.Uint16(h[19:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(h[32:]))
	}
	tableSectors := int64(le.Uint16(h[22:]))
	ext := h[36:] // the extended header
	wide := tableSectors == 0
	if wide {
		tableSectors = int64(le.Uint32(h[36:]))
		root = le.Uint32(h[44:]) & 0x0fffffff
		slots = 0
		ext = h[64:]
		// Bit 7 says that one table alone is kept up, the low ones which.
		if flags := le.Uint16(h[40:]); flags&0x80 != 0 && int64(flags&0xf) < tables {
			f.table = int64(flags&0xf) * tableSectors * sector
		}
	}
	rootSectors := (slots*32 + sector - 1) / sector
	before := reserved + tables*tableSectors + rootSectors
	if tableSectors == 0 || before >= sectors {
		return 0, fmt.Errorf("%d sectors, and the tables take %d", sectors, before)
	}
	f.cluster = perCluster * sector
	f.Size = sectors * sector
	f.table += reserved * sector
	f.root = (reserved + tables*tableSectors) * sector
	f.slots = int(slots)
	f.data = before * sector
	if f.data > f.size {
		return 0, fmt.Errorf("truncated: its files start at byte %d of %d", f.data, f.size)
	}
	clusters := (sectors - before) / perCluster
	switch {
	case wide:
		f.Bits = 32
	case clusters < 4085:
		f.Bits = 12
	default:
		f.Bits = 16
	}
	if room := tableSectors*sector*8/int64(f.Bits) - 2; clusters > room {
		clusters = room // as the kernel does
	}
	if clusters < 1 || clusters > 0x0ffffff5 || f.Bits == 16 && clusters > 0xfff5 {
		return 0, fmt.Errorf("%d clusters", clusters)
	}
	f.clusters = uint32(clusters)
	if ext[2] == 0x28 || ext[2] == 0x29 {
		id := le.Uint32(ext[3:])
		f.Serial = fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)
	}
	if ext[2] == 0x29 {
		if f.Label = text(ext[7:18]); f.Label == "NO NAME" {
			f.Label = ""
		}
	}
	return root, nil
}

// text is what a field of a header says: the host's tools write code page 437,
// of which ASCII is sure; other bytes stay apart from each other.
func text(b []byte) string {
	r := make([]rune, 0, len(b))
	for _, c := range b {
		if c == 0 {
			break
		}
		r = append(r, rune(c))
	}
	return strings.TrimRight(string(r), " ")
}

func (f *FS) readAt(b []byte, at int64) error {
	if at < 0 || at > f.size-int64(len(b)) {
		return fmt.Errorf("%d bytes at byte %d of %d", len(b), at, f.size)
	}
	n, err := f.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return err
}
