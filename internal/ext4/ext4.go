package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"bootaudit/internal/nodefs"
)

// FS is an opened file system: an [fs.ReadDirFS], [fs.StatFS], [fs.ReadLinkFS] and
// [fs.ReadFileFS]. A FileInfo's Sys is an [*Owner]. It is safe for concurrent use.
type FS struct {
	nodefs.FS
	Kind  string // ext2, ext3 or ext4
	Label string
	UUID  string
	Size  int64 // in bytes
	// NeedsRecovery says that it was not unmounted: the journal holds what was
	// written last, and is not replayed here.
	NeedsRecovery bool

	r          io.ReaderAt
	block      int64 // bytes
	blocks     uint64
	firstBlock uint64 // of the first group
	perGroup   uint64 // blocks
	inodes     uint32
	inodesPer  uint32 // of a group
	inodeSize  int64
	descriptor int64 // bytes
	metaFrom   uint64
	compat     uint32
	incompat   uint32
	roCompat   uint32
	backups    [2]uint32 // groups that have a copy of the header, of sparse_super2

	mu    sync.Mutex
	cache map[uint64][]byte
}

// Features, by the kernel's names.
const (
	compatJournal      = 0x4
	compatSparseSuper2 = 0x200

	incompatFileType   = 0x2
	incompatRecover    = 0x4
	incompatMetaGroups = 0x10
	incompat64bit      = 0x80
	// What more there is than ext3 has is ext4's.
	incompatExt3 = incompatFileType | incompatRecover | incompatMetaGroups
	// All but compression, a journal without files, and data in folders, which no
	// kernel has.
	incompatRead = 0x3e7d6

	roSparseSuper = 0x1
	roExt3        = 0x7

	maxCache = 4 << 20 // bytes
)

// Open reads the header of the file system that r holds in its first size bytes,
// and its root folder. The error is an [errors.ErrUnsupported] where the image may
// be sound but has what cannot be read.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	h := make([]byte, 1024)
	if size < 2048 {
		return nil, fmt.Errorf("ext4: %d bytes are too few", size)
	}
	if n, err := r.ReadAt(h, 1024); n < len(h) {
		return nil, fmt.Errorf("ext4: header: %w", err)
	}
	f := &FS{r: r, cache: map[uint64][]byte{}}
	if err := f.header(h); err != nil {
		return nil, fmt.Errorf("ext4: %w", err)
	}
	if f.Size > size {
		return nil, fmt.Errorf("ext4: truncated: %d bytes in use, %d there", f.Size, size)
	}
	root, err := f.node("", 2)
	if err != nil {
		return nil, fmt.Errorf("ext4: root: %w", err)
	}
	if !root.IsDir() {
		return nil, errors.New("ext4: the root is not a folder")
	}
	f.Root = root
	return f, nil
}

func (f *FS) header(h []byte) error {
	le := binary.LittleEndian
	if m := le.Uint16(h[0x38:]); m != 0xef53 {
		return fmt.Errorf("the header has %#x where 0xef53 should be", m)
	}
	f.compat, f.incompat, f.roCompat = le.Uint32(h[0x5c:]), le.Uint32(h[0x60:]), le.Uint32(h[0x64:])
	f.inodeSize = int64(le.Uint16(h[0x58:]))
	if le.Uint32(h[0x4c:]) == 0 { // the first revision
		f.compat, f.incompat, f.roCompat, f.inodeSize = 0, 0, 0, 128
	}
	if odd := f.incompat &^ incompatRead; odd != 0 {
		return fmt.Errorf("has the features %#x: %w", odd, errors.ErrUnsupported)
	}
	shift := le.Uint32(h[0x18:])
	if shift > 6 {
		return fmt.Errorf("blocks of 2^%d bytes", uint64(shift)+10)
	}
	f.block = 1024 << shift
	f.blocks = uint64(le.Uint32(h[4:]))
	f.descriptor = 32
	if f.incompat&incompat64bit != 0 {
		f.blocks |= uint64(le.Uint32(h[0x150:])) << 32
		f.descriptor = int64(le.Uint16(h[0xfe:]))
	}
	f.firstBlock, f.perGroup = uint64(le.Uint32(h[0x14:])), uint64(le.Uint32(h[0x20:]))
	f.inodes, f.inodesPer = le.Uint32(h[0:]), le.Uint32(h[0x28:])
	f.metaFrom = uint64(le.Uint32(h[0x104:]))
	f.backups = [2]uint32{le.Uint32(h[0x24c:]), le.Uint32(h[0x250:])}
	switch {
	case f.blocks > 1<<46:
		return fmt.Errorf("%d blocks", f.blocks)
	case f.firstBlock > 1 || f.firstBlock >= f.blocks:
		return fmt.Errorf("starts at block %d of %d", f.firstBlock, f.blocks)
	case f.perGroup == 0 || f.inodesPer == 0:
		return fmt.Errorf("groups of %d blocks and %d inodes", f.perGroup, f.inodesPer)
	case f.inodeSize < 128 || f.inodeSize > f.block || f.inodeSize&(f.inodeSize-1) != 0:
		return fmt.Errorf("inodes of %d bytes", f.inodeSize)
	case f.descriptor < 32 || f.descriptor > 1024 || f.descriptor&(f.descriptor-1) != 0:
		return fmt.Errorf("descriptors of %d bytes", f.descriptor)
	}
	f.Size = int64(f.blocks) * f.block
	f.Label, _, _ = strings.Cut(string(h[0x78:0x88]), "\x00")
	u := h[0x68:0x78]
	f.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	f.NeedsRecovery = f.incompat&incompatRecover != 0
	switch {
	case f.incompat&^incompatExt3 != 0 || f.roCompat&^roExt3 != 0:
		f.Kind = "ext4"
	case f.compat&compatJournal != 0:
		f.Kind = "ext3"
	default:
		f.Kind = "ext2"
	}
	return nil
}

// at reads n bytes from byte off of a block on, through the cache.
func (f *FS) at(block uint64, off int64, n int64) ([]byte, error) {
	if block >= f.blocks || off < 0 || off > f.block-n {
		return nil, fmt.Errorf("%d bytes at byte %d of block %d of %d", n, off, block, f.blocks)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.cache[block]
	if !ok {
		b = make([]byte, f.block)
		if got, err := f.r.ReadAt(b, int64(block)*f.block); got < len(b) {
			return nil, fmt.Errorf("block %d: %w", block, err)
		}
		if int64(len(f.cache)) >= maxCache/f.block {
			clear(f.cache)
		}
		f.cache[block] = b
	}
	return b[off : off+n], nil
}

// inodeTable is the block where a group's inodes start.
func (f *FS) inodeTable(group uint64) (uint64, error) {
	per := uint64(f.block / f.descriptor)
	block, index := uint64(1024/f.block)+1+group/per, group%per
	if f.incompat&incompatMetaGroups != 0 && group/per >= f.metaFrom {
		first := group - index
		block = f.firstBlock + first*f.perGroup
		if f.hasHeader(first) {
			block++
		}
		if first == 0 && f.block == 1024 && f.firstBlock == 0 {
			block++ // the header is in block 1
		}
	}
	d, err := f.at(block, int64(index)*f.descriptor, f.descriptor)
	if err != nil {
		return 0, fmt.Errorf("descriptor of group %d: %w", group, err)
	}
	table := uint64(binary.LittleEndian.Uint32(d[8:]))
	if f.descriptor >= 64 {
		table |= uint64(binary.LittleEndian.Uint32(d[0x28:])) << 32
	}
	return table, nil
}

// hasHeader says whether a group starts with a copy of the header.
func (f *FS) hasHeader(group uint64) bool {
	switch {
	case group == 0:
		return true
	case f.compat&compatSparseSuper2 != 0:
		return group == uint64(f.backups[0]) || group == uint64(f.backups[1])
	case group == 1 || f.roCompat&roSparseSuper == 0:
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		p := base
		for p < group {
			p *= base
		}
		if p == group {
			return true
		}
	}
	return false
}
