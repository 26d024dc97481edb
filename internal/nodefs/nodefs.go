package nodefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Node is a file, a folder or a link in an image.
type Node interface {
	fs.FileInfo
	// ID tells folders apart.
	ID() uint64
	// Entries is what is in a folder. The Info of each is a Node.
	Entries() ([]fs.DirEntry, error)
	// Content is a regular file's, which has Size bytes.
	Content() (io.ReaderAt, error)
	// Target is where a symbolic link leads.
	Target() (string, error)
}

// FS is a tree of nodes. It is safe for concurrent use where its nodes are.
type FS struct {
	Root Node
	// Match says whether an entry has a name, where that is not a matter of
	// equality; what is equal comes first.
	Match func(e fs.DirEntry, name string) bool

	mu      sync.Mutex
	folders map[uint64]place // where each one was found
	lists   map[uint64][]fs.DirEntry
	kept    int // entries in lists
}

const (
	maxLinks   = 40 // followed on one path, as Linux has it
	maxDepth   = 256
	maxFolders = 1 << 19
	maxKept    = 100_000 // entries; a NixOS store has some thousand in one folder
	maxFile    = 64 << 20
)

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
)

// Open opens a file or a folder. A file is an [io.ReaderAt] and an [io.Seeker], too.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	switch i := (info{n.Node, path.Base(name)}); {
	case n.IsDir():
		entries, err := f.list(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &folder{info: i, entries: entries}, nil
	case n.Mode().IsRegular():
		content, err := n.Content()
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &file{SectionReader: io.NewSectionReader(content, 0, n.Size()), info: i}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("neither a file nor a folder: %v", n.Mode().Type())}
}

// ReadDir is what is in a folder, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	entries, err := f.list(n)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return slices.Clone(entries), nil
}

// Stat follows a symbolic link.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat does not.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := f.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return info{n.Node, path.Base(name)}, nil
}

// ReadLink is where a symbolic link leads, as it says.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.Mode().Type() != fs.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: errors.New("not a symbolic link")}
	}
	target, err := n.Target()
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

// ReadFile is the whole of a file of no more than 64 MiB: a hole may claim any
// size. Open reads the others.
func (f *FS) ReadFile(name string) ([]byte, error) {
	n, err := f.find("read", name, true)
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: name, Err: err} }
	if !n.Mode().IsRegular() {
		return fail(errors.New("not a file"))
	}
	if n.Size() > maxFile {
		return fail(fmt.Errorf("%d bytes, and no more than %d are read at once", n.Size(), maxFile))
	}
	content, err := n.Content()
	if err != nil {
		return fail(err)
	}
	b := make([]byte, n.Size())
	if got, err := content.ReadAt(b, 0); got < len(b) {
		return fail(err)
	}
	return b, nil
}

// found is a node and where it was found.
type found struct {
	Node
	place
}

// place is a name in a folder. It is kept rather than a path, as those of a deep
// tree take more memory than the image does.
type place struct {
	above uint64
	entry string
}

// find walks along a path. Links, absolute ones too, do not lead out of the image.
func (f *FS) find(op, name string, follow bool) (found, error) {
	fail := func(err error) (found, error) { return found{}, &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	at := []found{{Node: f.Root}}
	links := 0
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		top := at[len(at)-1]
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(len(at)-1, 1)]
			continue
		}
		next, err := f.child(top, part)
		if err != nil {
			return fail(err)
		}
		if next.Mode().Type() == fs.ModeSymlink && (follow || len(rest) > 0) {
			if links++; links > maxLinks {
				return fail(fmt.Errorf("more than %d symbolic links", maxLinks))
			}
			target, err := next.Target()
			if err != nil {
				return fail(err)
			}
			if target == "" {
				return fail(fs.ErrNotExist)
			}
			if target[0] == '/' {
				at = at[:1]
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		}
		if at = append(at, next); len(at) > maxDepth {
			return fail(fmt.Errorf("more than %d folders deep", maxDepth))
		}
	}
	return at[len(at)-1], nil
}

// child is what an entry of a folder leads to.
func (f *FS) child(top found, name string) (found, error) {
	entries, err := f.list(top)
	if err != nil {
		return found{}, err
	}
	at, ok := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
	if !ok && f.Match != nil {
		at = slices.IndexFunc(entries, func(e fs.DirEntry) bool { return f.Match(e, name) })
		ok = at >= 0
	}
	if !ok {
		return found{}, fs.ErrNotExist
	}
	i, err := entries[at].Info()
	if err != nil {
		return found{}, err
	}
	n, ok := i.(Node)
	if !ok {
		return found{}, fmt.Errorf("%T is not a node", i)
	}
	return found{n, place{top.ID(), entries[at].Name()}}, nil
}

// list is what is in a folder, sorted, and without what no path can name.
func (f *FS) list(n found) ([]fs.DirEntry, error) {
	if !n.IsDir() {
		return nil, errors.New("not a folder")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch where, ok := f.folders[n.ID()]; {
	case ok && where != n.place:
		return nil, fmt.Errorf("the same folder as %s", f.path(n.ID()))
	case !ok && len(f.folders) >= maxFolders:
		return nil, fmt.Errorf("more than %d folders", maxFolders)
	case !ok && f.folders == nil:
		f.folders, f.lists = map[uint64]place{}, map[uint64][]fs.DirEntry{}
	}
	f.folders[n.ID()] = n.place
	if entries, ok := f.lists[n.ID()]; ok {
		return entries, nil
	}
	entries, err := n.Entries()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for i, e := range entries {
		if name := e.Name(); name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return nil, fmt.Errorf("an entry has the name %q", name)
		}
		if i > 0 && e.Name() == entries[i-1].Name() {
			return nil, fmt.Errorf("two entries have the name %q", e.Name())
		}
	}
	if f.kept += len(entries); f.kept > maxKept {
		clear(f.lists)
		f.kept = len(entries)
	}
	f.lists[n.ID()] = entries
	return entries, nil
}

// path is where a folder was found.
func (f *FS) path(id uint64) string {
	name := ""
	for range maxDepth {
		at := f.folders[id]
		if at.entry == "" {
			break // the root
		}
		name = path.Join(at.entry, name)
		id = at.above
	}
	return path.Clean(name)
}
