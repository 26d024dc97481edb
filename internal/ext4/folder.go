package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
)

const (
	maxFolder  = 32 << 20
	maxEntries = 100_000
)

// entry is a name in a folder. Its inode is read when it is asked for.
type entry struct {
	f     *FS
	name  string
	typ   fs.FileMode
	inode uint32
}

func (e entry) Name() string               { return e.name }
func (e entry) IsDir() bool                { return e.typ.IsDir() }
func (e entry) Type() fs.FileMode          { return e.typ }
func (e entry) Info() (fs.FileInfo, error) { return e.node() }
func (e entry) String() string             { return fs.FormatDirEntry(e) }

func (e entry) node() (*node, error) {
	n, err := e.f.node(e.name, e.inode)
	if err != nil {
		return nil, fmt.Errorf("ext4: %w", err)
	}
	return n, nil
}

// entryTypes are of a folder's entries.
var entryTypes = map[byte]fs.FileMode{
	1: 0, 2: fs.ModeDir, 3: fs.ModeDevice | fs.ModeCharDevice, 4: fs.ModeDevice, 5: fs.ModeNamedPipe, 6: fs.ModeSocket, 7: fs.ModeSymlink,
}

// Entries reads a folder from its beginning to its end: the index that a large one
// has lies in what reads as removed entries.
func (n *node) Entries() ([]fs.DirEntry, error) {
	all, err := n.entries()
	if err != nil {
		return nil, n.fail(err)
	}
	return all, nil
}

func (n *node) entries() ([]fs.DirEntry, error) {
	if n.flags&flagEncrypted != 0 {
		return nil, fmt.Errorf("is encrypted: %w", errors.ErrUnsupported)
	}
	if n.flags&flagInline != 0 {
		data, err := n.inline()
		if err != nil {
			return nil, err
		}
		// The first four bytes are the folder above; there is no entry for it.
		all, err := n.f.parse(nil, data[4:60])
		if err != nil || len(data) == 60 {
			return all, err
		}
		return n.f.parse(all, data[60:])
	}
	if n.size > maxFolder || n.size%n.f.block != 0 {
		return nil, fmt.Errorf("a folder claims %d bytes", n.size)
	}
	runs, err := n.runs()
	if err != nil {
		return nil, err
	}
	c := &content{f: n.f, runs: runs, size: n.size}
	b := make([]byte, n.f.block)
	var all []fs.DirEntry
	for _, r := range runs {
		for i := range r.count {
			at := int64(r.logical+i) * n.f.block
			if at >= n.size {
				return all, nil
			}
			if _, err := c.ReadAt(b, at); err != nil {
				return nil, err
			}
			if all, err = n.f.parse(all, b); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// parse adds the entries in a block.
func (f *FS) parse(all []fs.DirEntry, b []byte) ([]fs.DirEntry, error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, fmt.Errorf("malformed: %d bytes are left for an entry", len(b))
		}
		inode, length := le.Uint32(b), int(le.Uint16(b[4:]))
		if f.block == 64<<10 { // lengths have two more bits, in the low ones
			if length == 0 || length == 0xffff {
				length = 64 << 10
			}
			length = length&^3 | length&3<<16
		}
		name := int(b[6])
		if length < 8 || length%4 != 0 || length > len(b) || inode != 0 && name > length-8 {
			return nil, fmt.Errorf("malformed: an entry of %d bytes with a name of %d, and %d are left", length, name, len(b))
		}
		if inode != 0 {
			e := entry{f: f, name: string(b[8 : 8+name]), inode: inode}
			if e.name != "." && e.name != ".." {
				if len(all) >= maxEntries {
					return nil, fmt.Errorf("more than %d entries", maxEntries)
				}
				typ, ok := entryTypes[b[7]]
				if !ok || f.incompat&incompatFileType == 0 {
					n, err := e.node()
					if err != nil {
						return nil, err
					}
					typ = n.mode.Type()
				}
				e.typ = typ
				all = append(all, e)
			}
		}
		b = b[length:]
	}
	return all, nil
}
