package squashfs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// inode is what is needed of one.
type inode struct {
	kind       Kind
	size       uint64
	start      int64
	offset     uint32 // in the fragment, or in the folder's first block
	fragment   uint32
	blocks     uint64 // how many
	target     string
	device     uint32
	attributes uint32  // which list of them; only of folders
	words      *stream // stands before the words of the blocks
}

// nextBlock is the size and kind of the file's next block.
func (in inode) nextBlock() (uint32, error) {
	var b [4]byte
	err := in.words.read(b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (f *FS) inode(ref uint64) (inode, error) {
	s := &stream{f: f, at: f.inodes + int64(ref>>16), skip: int(ref & 0xffff), left: maxFolder}
	le := binary.LittleEndian
	var h [16]byte
	if err := s.read(h[:]); err != nil {
		return inode{}, fmt.Errorf("squashfs: inode: %w", err)
	}
	kind := le.Uint16(h[:])
	var in inode
	var err error
	body := func(n int) []byte {
		b := make([]byte, n)
		if e := s.read(b); err == nil {
			err = e
		}
		return b
	}
	switch kind {
	case 1:
		b := body(16)
		in = inode{kind: Folder, start: int64(le.Uint32(b)), size: uint64(le.Uint16(b[8:])), offset: uint32(le.Uint16(b[10:])), attributes: none}
	case 8:
		b := body(24)
		in = inode{kind: Folder, size: uint64(le.Uint32(b[4:])), start: int64(le.Uint32(b[8:])), offset: uint32(le.Uint16(b[18:])), attributes: le.Uint32(b[20:])}
	case 2:
		b := body(16)
		in = inode{kind: File, start: int64(le.Uint32(b)), fragment: le.Uint32(b[4:]), offset: le.Uint32(b[8:]), size: uint64(le.Uint32(b[12:]))}
	case 9:
		b := body(40)
		in = inode{kind: File, start: int64(le.Uint64(b)), size: le.Uint64(b[8:]), fragment: le.Uint32(b[28:]), offset: le.Uint32(b[32:])}
	case 3, 10:
		b := body(8)
		n := le.Uint32(b[4:])
		if n > maxLink {
			return inode{}, fmt.Errorf("squashfs: a link of %d bytes", n)
		}
		in = inode{kind: Link, size: uint64(n), target: string(body(int(n)))}
	case 5, 12:
		in.kind, in.device = Char, le.Uint32(body(8)[4:])
	case 0, 15, 16:
		return inode{}, fmt.Errorf("squashfs: inode of type %d", kind)
	}
	if err != nil {
		return inode{}, fmt.Errorf("squashfs: inode: %w", err)
	}
	if in.kind != File {
		return in, nil
	}
	count := in.size / uint64(f.blockSize)
	if in.fragment == none && in.size%uint64(f.blockSize) > 0 {
		count++
	}
	// A file of holes may be larger than the image, within reason.
	if count > 1<<20 {
		return inode{}, fmt.Errorf("squashfs: a file claims %d bytes", in.size)
	}
	in.blocks, in.words = count, s
	return in, nil
}

// stream reads unpacked metadata from the block at on.
type stream struct {
	f    *FS
	at   int64
	skip int // bytes of the first block
	left int64
	data []byte
}

var errEnd = errors.New("ends too early")

func (s *stream) read(b []byte) error {
	if int64(len(b)) > s.left {
		return errEnd
	}
	s.left -= int64(len(b))
	for len(b) > 0 {
		if len(s.data) == 0 {
			m, err := s.f.metadata(s.at)
			if err != nil {
				return err
			}
			s.at = m.next
			if s.skip > len(m.data) {
				return errEnd
			}
			s.data, s.skip = m.data[s.skip:], 0
			if len(m.data) == 0 {
				return errEnd
			}
			continue
		}
		n := copy(b, s.data)
		b, s.data = b[n:], s.data[n:]
	}
	return nil
}

type metaBlock struct {
	data []byte
	next int64
}

func (f *FS) metadata(at int64) (metaBlock, error) {
	if m, ok := f.meta[at]; ok {
		return m, nil
	}
	var h [2]byte
	if _, err := f.readAt(h[:], at); err != nil {
		return metaBlock{}, err
	}
	word := binary.LittleEndian.Uint16(h[:])
	size := int64(word &^ (1 << 15))
	if size > metaSize {
		return metaBlock{}, fmt.Errorf("metadata of %d bytes at byte %d", size, at)
	}
	b := make([]byte, size)
	if _, err := f.readAt(b, at+2); err != nil {
		return metaBlock{}, err
	}
	if word&(1<<15) == 0 {
		var err error
		if b, err = f.unpack(b, metaSize); err != nil {
			return metaBlock{}, fmt.Errorf("metadata at byte %d: %w", at, err)
		}
	}
	m := metaBlock{b, at + 2 + size}
	if len(f.meta) >= maxMeta {
		clear(f.meta)
	}
	f.meta[at] = m
	return m, nil
}

func (f *FS) readAt(b []byte, at int64) (int, error) {
	if at < 0 || at > f.size-int64(len(b)) {
		return 0, fmt.Errorf("%d bytes at byte %d of %d", len(b), at, f.size)
	}
	n, err := f.r.ReadAt(b, at)
	if n == len(b) {
		err = nil
	}
	return n, err
}
