// Package squashfs reads a squashfs 4.0 image, which may be hostile: what it
// claims is checked against its size, and no block decompresses to more than
// its kind may hold.
//
// It stands beside go-diskfs because that library cannot read lz4 (it wants
// frames where squashfs has bare blocks) and decompresses without bounds.
package squashfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
)

// FS is an opened image. It is not safe for concurrent use.
type FS struct {
	r    io.ReaderAt
	size int64

	blockSize  uint32
	fragments  uint32
	compressor uint16
	unpack     unpacker
	root       uint64
	inodes     int64 // where the tables start
	folders    int64
	frags      int64
	attributes int64 // negative where there are none

	meta  map[int64]metaBlock
	block struct { // the fragment block that was unpacked last
		at   int64
		data []byte
	}
}

// Kind is what an entry is.
type Kind uint16

// Kinds of entries; others are block devices, pipes and sockets.
const (
	Folder Kind = 1
	File   Kind = 2
	Link   Kind = 3
	Char   Kind = 5 // a character device
)

// Entry is a name in a folder.
type Entry struct {
	Name string
	Kind Kind
	ref  uint64 // where its inode is
}

const (
	magic      = 0x73717368
	headerSize = 96
	metaSize   = 8 << 10
	none       = 0xffffffff
	// maxMeta bounds the cache of unpacked metadata, to 4 MiB.
	maxMeta = 512
	// maxFolder and maxEntries bound one folder; a NixOS store has some
	// thousand entries.
	maxFolder  = 8 << 20
	maxEntries = 100_000
	maxName    = 256     // bytes, as Linux has it
	maxLink    = 4 << 10 // bytes, as Linux has it
)

// Open reads the header of the image that r holds in its first size bytes. The
// error is an [errors.ErrUnsupported] where the image may be sound but is
// compressed in a way that cannot be read.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	h := make([]byte, headerSize)
	if size < headerSize {
		return nil, fmt.Errorf("squashfs: %d bytes are too few", size)
	}
	if _, err := r.ReadAt(h, 0); err != nil {
		return nil, fmt.Errorf("squashfs: header: %w", err)
	}
	le := binary.LittleEndian
	if le.Uint32(h) != magic {
		return nil, fmt.Errorf("squashfs: starts with % x, not with hsqs", h[:4])
	}
	if major, minor := le.Uint16(h[28:]), le.Uint16(h[30:]); major != 4 || minor != 0 {
		return nil, fmt.Errorf("squashfs: version %d.%d, and only 4.0 can be read", major, minor)
	}
	f := &FS{
		r: r, size: size,
		blockSize: le.Uint32(h[12:]), fragments: le.Uint32(h[16:]), compressor: le.Uint16(h[20:]),
		root: le.Uint64(h[32:]), inodes: int64(le.Uint64(h[64:])), folders: int64(le.Uint64(h[72:])), frags: int64(le.Uint64(h[80:])),
		attributes: int64(le.Uint64(h[56:])),
		meta:       map[int64]metaBlock{},
	}
	if used := int64(le.Uint64(h[40:])); used > size || used < 0 {
		return nil, fmt.Errorf("squashfs: truncated: %d bytes in use, %d there", used, size)
	}
	if f.blockSize < 4<<10 || f.blockSize > 1<<20 {
		return nil, fmt.Errorf("squashfs: blocks of %d bytes", f.blockSize)
	}
	var err error
	if f.unpack, err = newUnpacker(f.compressor); err != nil {
		return nil, fmt.Errorf("squashfs: %w", err)
	}
	if _, err := f.inode(f.root); err != nil {
		return nil, fmt.Errorf("squashfs: root: %w", err)
	}
	return f, nil
}

// Root is the top folder.
func (f *FS) Root() Entry { return Entry{Name: ".", Kind: Folder, ref: f.root} }

// Entries is what is in a folder, sorted by name.
func (f *FS) Entries(e Entry) ([]Entry, error) {
	in, err := f.inode(e.ref)
	if err != nil {
		return nil, err
	}
	if in.kind != Folder {
		return nil, fmt.Errorf("squashfs: %s is not a folder", e.Name)
	}
	if in.size > maxFolder {
		return nil, fmt.Errorf("squashfs: the folder %s claims %d bytes", e.Name, in.size)
	}
	// A listing's size counts "." and "..", which are not written.
	s := &stream{f: f, at: f.folders + in.start, skip: int(in.offset), left: int64(in.size) - 3}
	var all []Entry
	for s.left > 0 {
		var h [12]byte
		if err := s.read(h[:]); err != nil {
			return nil, fmt.Errorf("squashfs: folder %s: %w", e.Name, err)
		}
		count, block := binary.LittleEndian.Uint32(h[:])+1, binary.LittleEndian.Uint32(h[4:])
		if count > 256 {
			return nil, fmt.Errorf("squashfs: folder %s: malformed", e.Name)
		}
		if len(all)+int(count) > maxEntries {
			return nil, fmt.Errorf("squashfs: folder %s: more than %d entries", e.Name, maxEntries)
		}
		for range count {
			var b [8]byte
			if err := s.read(b[:]); err != nil {
				return nil, fmt.Errorf("squashfs: folder %s: %w", e.Name, err)
			}
			length := int(binary.LittleEndian.Uint16(b[6:])) + 1
			if length > maxName {
				return nil, fmt.Errorf("squashfs: folder %s: malformed: a name of %d bytes", e.Name, length)
			}
			name := make([]byte, length)
			if err := s.read(name); err != nil {
				return nil, fmt.Errorf("squashfs: folder %s: %w", e.Name, err)
			}
			all = append(all, Entry{
				Name: string(name), Kind: Kind(binary.LittleEndian.Uint16(b[4:])),
				ref: uint64(block)<<16 | uint64(binary.LittleEndian.Uint16(b[:])),
			})
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Target is where a symbolic link leads.
func (f *FS) Target(e Entry) (string, error) {
	in, err := f.inode(e.ref)
	if err != nil {
		return "", err
	}
	if in.kind != Link {
		return "", fmt.Errorf("squashfs: %s is not a symbolic link", e.Name)
	}
	return in.target, nil
}

// Device is the number of a character device.
func (f *FS) Device(e Entry) (uint32, error) {
	in, err := f.inode(e.ref)
	if err != nil {
		return 0, err
	}
	if in.kind != Char {
		return 0, fmt.Errorf("squashfs: %s is not a character device", e.Name)
	}
	return in.device, nil
}

// ReadFile is the first limit bytes of a file. It takes no more memory than
// that, and one block.
func (f *FS) ReadFile(e Entry, limit int64) ([]byte, error) {
	in, err := f.inode(e.ref)
	if err != nil {
		return nil, err
	}
	if in.kind != File {
		return nil, fmt.Errorf("squashfs: %s is not a file", e.Name)
	}
	want := min(int64(in.size), limit)
	var data []byte
	at := in.start
	for range in.blocks {
		if int64(len(data)) >= want {
			break
		}
		word, err := in.nextBlock()
		if err != nil {
			return nil, fmt.Errorf("squashfs: %s: %w", e.Name, err)
		}
		size := int64(word &^ (1 << 24))
		length := min(int64(f.blockSize), int64(in.size)-int64(len(data)))
		keep := min(length, want-int64(len(data)))
		if size == 0 { // a hole
			data = append(data, make([]byte, keep)...)
			continue
		}
		block, err := f.unpackBlock(at, size, word&(1<<24) == 0)
		if err != nil {
			return nil, fmt.Errorf("squashfs: %s: %w", e.Name, err)
		}
		if int64(len(block)) != length {
			return nil, fmt.Errorf("squashfs: %s: a block of %d bytes, not %d", e.Name, len(block), length)
		}
		data = append(data, block[:keep]...)
		at += size
	}
	if int64(len(data)) < want && in.fragment != none {
		block, err := f.fragment(in.fragment)
		if err != nil {
			return nil, fmt.Errorf("squashfs: %s: %w", e.Name, err)
		}
		from, to := int64(in.offset), int64(in.offset)+int64(in.size)-int64(len(data))
		if to > int64(len(block)) {
			return nil, fmt.Errorf("squashfs: %s: ends at byte %d of a fragment of %d", e.Name, to, len(block))
		}
		data = append(data, block[from:min(to, from+want-int64(len(data)))]...)
	}
	if int64(len(data)) < want {
		return nil, fmt.Errorf("squashfs: %s: %d bytes instead of %d", e.Name, len(data), want)
	}
	return data, nil
}

// fragment unpacks the block that holds the ends of several files.
func (f *FS) fragment(index uint32) ([]byte, error) {
	if index >= f.fragments {
		return nil, fmt.Errorf("fragment %d of %d", index, f.fragments)
	}
	var p [8]byte
	if _, err := f.readAt(p[:], f.frags+int64(index/512)*8); err != nil {
		return nil, err
	}
	var e [16]byte
	s := &stream{f: f, at: int64(binary.LittleEndian.Uint64(p[:])), skip: int(index%512) * 16, left: 16}
	if err := s.read(e[:]); err != nil {
		return nil, err
	}
	at, word := int64(binary.LittleEndian.Uint64(e[:])), binary.LittleEndian.Uint32(e[8:])
	if f.block.data != nil && f.block.at == at {
		return f.block.data, nil
	}
	data, err := f.unpackBlock(at, int64(word&^(1<<24)), word&(1<<24) == 0)
	if err != nil {
		return nil, err
	}
	f.block.at, f.block.data = at, data
	return data, nil
}

func (f *FS) unpackBlock(at, size int64, packed bool) ([]byte, error) {
	if size > int64(f.blockSize)+metaSize {
		return nil, fmt.Errorf("a block claims %d bytes", size)
	}
	b := make([]byte, size)
	if _, err := f.readAt(b, at); err != nil {
		return nil, err
	}
	if !packed {
		return b, nil
	}
	return f.unpack(b, int(f.blockSize))
}
