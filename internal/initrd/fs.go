package initrd

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"time"
)

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
)

// Sys is what a [fs.FileInfo] of an initramfs has beside the usual.
type Sys struct {
	UID, GID     uint32
	Major, Minor uint32 // of a device
	Links        int    // names of the file
	Inspected    any    // what [Config].Inspect returned
}

// ErrNotKept is the end of the bytes that were kept of a file, where it has
// more.
var ErrNotKept = errors.New("the rest of the file was not kept")

// lookupSteps bounds one lookup.
const lookupSteps = 1_000_000

// lookup finds a name, at its end through links or not.
func (f *FS) lookup(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	_, _, n, err := f.find(op, name, follow)
	return n, err
}

// find is lookup of any path, seen from the top folder, with the folder that it
// ends in and the name there.
func (f *FS) find(op, name string, follow bool) (dir *node, base string, n *node, err error) {
	steps := lookupSteps
	dir = f.root
	todo := name
	for range maxLinks {
		var ok bool
		if dir, base, ok = walk(f.root, dir, todo, &steps); !ok || steps <= 0 {
			break
		}
		n := dir.kids[base]
		if base == "" {
			n = dir
		}
		if n == nil {
			break
		}
		if !follow || n.kind() != typeLink {
			return dir, base, n, nil
		}
		todo = n.target
	}
	return nil, "", nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Resolve is the name of what a path leads to, absolute or seen from the top
// folder, through all links.
func (f *FS) Resolve(name string) (string, error) {
	dir, base, _, err := f.find("resolve", name, true)
	if err != nil {
		return "", err
	}
	parts := []string{base}
	for ; dir != f.root; dir = dir.above {
		for name, kid := range dir.above.kids {
			if kid == dir {
				parts = append(parts, name)
			}
		}
	}
	slices.Reverse(parts)
	return path.Join(append(parts, ".")...), nil
}

// Open opens a file or folder, links followed.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.lookup("open", name, true)
	if err != nil {
		return nil, err
	}
	info := info{path.Base(name), n}
	if n.kind() == typeDir {
		return &openDir{info: info, list: n.entries()}, nil
	}
	return &openFile{info: info}, nil
}

// Stat follows links.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	n, err := f.lookup("stat", name, true)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// Lstat does not follow a link at the name's end.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	n, err := f.lookup("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

// ReadLink is where a symbolic link leads, as it says itself.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.lookup("readlink", name, false)
	if err == nil && n.kind() != typeLink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return n.target, nil
}

// ReadDir is what is in a folder, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.lookup("readdir", name, true)
	if err == nil && n.kind() != typeDir {
		err = &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	if err != nil {
		return nil, err
	}
	return n.entries(), nil
}

func (n *node) entries() []fs.DirEntry {
	all := make([]fs.DirEntry, 0, len(n.kids))
	for _, base := range slices.Sorted(maps.Keys(n.kids)) {
		all = append(all, fs.FileInfoToDirEntry(info{base, n.kids[base]}))
	}
	return all
}

// Files is every file but folders, by name, links not followed. A folder's come
// sorted.
func (f *FS) Files() iter.Seq2[string, fs.FileInfo] {
	return func(yield func(string, fs.FileInfo) bool) { f.root.files("", yield) }
}

// files goes through the tree, where [fs.WalkDir] would look every folder up.
func (n *node) files(above string, yield func(string, fs.FileInfo) bool) bool {
	for _, base := range slices.Sorted(maps.Keys(n.kids)) {
		kid := n.kids[base]
		if kid.kind() == typeDir {
			if !kid.files(above+base+"/", yield) {
				return false
			}
		} else if !yield(above+base, info{base, kid}) {
			return false
		}
	}
	return true
}

// info is a file under one of its names.
type info struct {
	name string
	*node
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Unix(int64(i.mtime), 0) }
func (i info) IsDir() bool        { return i.kind() == typeDir }
func (i info) Sys() any {
	return &Sys{UID: i.uid, GID: i.gid, Major: i.major, Minor: i.minor, Links: i.links, Inspected: i.seen}
}

func (i info) Mode() fs.FileMode {
	m := fs.FileMode(i.mode & 0o777)
	switch i.kind() {
	case typeDir:
		m |= fs.ModeDir
	case typeLink:
		m |= fs.ModeSymlink
	case typeChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case typeBlk:
		m |= fs.ModeDevice
	case typeFIFO:
		m |= fs.ModeNamedPipe
	case typeSock:
		m |= fs.ModeSocket
	case typeFile:
	default:
		m |= fs.ModeIrregular
	}
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.mode&bit != 0 {
			m |= mode
		}
	}
	return m
}

type openFile struct {
	info
	at int64
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

func (f *openFile) Read(p []byte) (int, error) {
	if f.at >= int64(len(f.data)) {
		if f.at < f.size {
			return 0, ErrNotKept
		}
		return 0, io.EOF
	}
	n := copy(p, f.data[f.at:])
	f.at += int64(n)
	return n, nil
}

// ReadAt reads what was kept.
func (f *openFile) ReadAt(p []byte, at int64) (int, error) {
	o := &openFile{info: f.info, at: at}
	if at < 0 {
		return 0, fs.ErrInvalid
	}
	n, err := io.ReadFull(o, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

type openDir struct {
	info
	list []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.list)
	} else if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	list := d.list[:n]
	d.list = d.list[n:]
	return list, nil
}
