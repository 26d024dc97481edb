package squashfs

import (
	"fmt"
	"io"
)

// Reader reads a file at any place of it; it is no safer for concurrent use than
// its file system.
type Reader struct {
	f      *FS
	name   string
	size   int64
	blocks []fileBlock
	in     inode
	kept   []keptBlock // the last ones that were unpacked, the latest last
}

type fileBlock struct {
	at   int64
	word uint32
}

type keptBlock struct {
	index int64
	data  []byte
}

// maxKeptBlocks bounds what is kept of a file, to 4 MiB where its blocks are
// as large as they may be.
const maxKeptBlocks = 4

// Reader opens a file; its blocks' places are read at once, eight bytes for each.
func (f *FS) Reader(e Entry) (*Reader, error) {
	in, err := f.inode(e.ref)
	if err != nil {
		return nil, err
	}
	if in.kind != File {
		return nil, fmt.Errorf("squashfs: %s is not a file", e.Name)
	}
	r := &Reader{f: f, name: e.Name, size: int64(in.size), in: in}
	at := in.start
	for range in.blocks {
		word, err := in.nextBlock()
		if err != nil {
			return nil, fmt.Errorf("squashfs: %s: %w", e.Name, err)
		}
		r.blocks = append(r.blocks, fileBlock{at, word})
		at += int64(word &^ (1 << 24))
	}
	return r, nil
}

// Size is the file's.
func (r *Reader) Size() int64 { return r.size }

// ReadAt implements [io.ReaderAt].
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("squashfs: %s: byte %d", r.name, off)
	}
	for n < len(p) && off+int64(n) < r.size {
		at := off + int64(n)
		index := at / int64(r.f.blockSize)
		block, err := r.block(index)
		if err != nil {
			return n, fmt.Errorf("squashfs: %s: %w", r.name, err)
		}
		n += copy(p[n:], block[at-index*int64(r.f.blockSize):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// block is the block of that number, unpacked.
func (r *Reader) block(index int64) ([]byte, error) {
	for _, k := range r.kept {
		if k.index == index {
			return k.data, nil
		}
	}
	length := min(int64(r.f.blockSize), r.size-index*int64(r.f.blockSize))
	data, err := r.unpack(index, length)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != length {
		return nil, fmt.Errorf("a block of %d bytes, not %d", len(data), length)
	}
	if len(r.kept) == maxKeptBlocks {
		r.kept = append(r.kept[:0], r.kept[1:]...)
	}
	r.kept = append(r.kept, keptBlock{index, data})
	return data, nil
}

func (r *Reader) unpack(index, length int64) ([]byte, error) {
	if index >= int64(len(r.blocks)) {
		block, err := r.f.fragment(r.in.fragment)
		if err != nil {
			return nil, err
		}
		from := int64(r.in.offset)
		if from+length > int64(len(block)) {
			return nil, fmt.Errorf("ends at byte %d of a fragment of %d", from+length, len(block))
		}
		return block[from : from+length], nil
	}
	b := r.blocks[index]
	size := int64(b.word &^ (1 << 24))
	if size == 0 { // a hole
		return make([]byte, length), nil
	}
	return r.f.unpackBlock(b.at, size, b.word&(1<<24) == 0)
}
