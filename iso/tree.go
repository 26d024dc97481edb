package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// tree indexes the files of the ISO by path, without leading slash. Names are
// those of Rock Ridge where the ISO has them.
//
// go-diskfs reads such a tree too, but allocates what a hostile image claims,
// up to 4 GiB at a time, and follows continuations in a circle.
type tree struct {
	byPath map[string]entry
	links  map[string]string // symbolic links, of Rock Ridge
	folded map[string]string // lower-case path to path
	paths  []string          // in the order of the walk
}

// entry is a file or folder; its bytes are contiguous.
type entry struct {
	at, size int64
	dir      bool
}

const (
	maxEntries = 50_000
	maxDepth   = 24
	// maxListing is more than a folder of a boot image ever takes.
	maxListing = 4 << 20
	// maxListings is more than all of them take.
	maxListings = 64 << 20
	maxName     = 1 << 10 // bytes; Linux has 255
	maxPath     = 4 << 10 // bytes; as Linux has it
	// maxPaths bounds the bytes of all paths: each folder repeats the names
	// above it. Of a small image, they are no more than four times its size.
	maxPaths = 16 << 20
)

// walk indexes the tree below root. A folder that is its own ancestor is an
// error. Folders, and what their names continue in, stand in the image once
// each: what is read of them is no more than the image has.
func walk(r io.ReaderAt, size int64, root entry) (tree, error) {
	w := newWalker(r, size)
	err := w.visit("", root, 0)
	return w.tree, err
}

func newWalker(r io.ReaderAt, size int64) *walker {
	return &walker{
		r: r, size: size, tree: tree{byPath: map[string]entry{}, folded: map[string]string{}}, above: map[int64]bool{},
		left: min(size, maxListings) + sector, names: min(4*size+slack, maxPaths),
	}
}

type walker struct {
	link string // of the record whose name was read last
	r    io.ReaderAt
	size int64
	tree
	above map[int64]bool // the folders being visited
	skip  int            // bytes before Rock Ridge's fields
	left  int64          // bytes of listings that may still be read
	names int64          // bytes of paths that may still be made
}

// read reads n bytes of a listing, or of what a name continues in.
func (w *walker) read(n, at int64) ([]byte, error) {
	if w.left -= n; w.left < 0 {
		return nil, errors.New("malformed: its folders and names have more bytes than the image")
	}
	data := make([]byte, n)
	_, err := w.r.ReadAt(data, at)
	return data, err
}

func (w *walker) visit(dir string, e entry, depth int) error {
	where := or(dir, "/")
	switch {
	case e.size > maxListing:
		return fmt.Errorf("malformed: the folder %s claims %d bytes", where, e.size)
	case e.at < 0 || e.at+e.size > w.size:
		return fmt.Errorf("malformed: the folder %s ends at byte %d of %d", where, e.at+e.size, w.size)
	case w.above[e.at] || depth > maxDepth:
		return fmt.Errorf("malformed: the folder %s contains itself", where)
	}
	w.above[e.at] = true
	defer delete(w.above, e.at)
	data, err := w.read(e.size, e.at)
	if err != nil {
		return fmt.Errorf("folder %s: %w", where, err)
	}
	more := "" // the file that goes on in the next record
	for at := 0; at < len(data); {
		n := int(data[at])
		if n == 0 { // records do not cross sectors
			at += sector - at%sector
			continue
		}
		if n < 34 || at+n > len(data) || 33+int(data[at+32]) > n {
			return fmt.Errorf("malformed: folder %s, record at byte %d", where, at)
		}
		rec := data[at : at+n]
		at += n
		base, hidden, err := w.name(rec, dir == "")
		if err != nil {
			return fmt.Errorf("folder %s: %w", where, err)
		}
		if hidden || base == "" || base == "." || base == ".." || strings.ContainsAny(base, "/\x00") {
			continue
		}
		length := len(dir) + 1 + len(base)
		if w.names -= int64(length); w.names < 0 || length > maxPath {
			return fmt.Errorf("malformed: folder %.100s: a path of %d bytes: one may have %d KiB, all of them four times the image's bytes, or %d MiB",
				where, length, maxPath>>10, maxPaths>>20)
		}
		name := path.Join(dir, base)
		e := entry{
			at:   (int64(binary.LittleEndian.Uint32(rec[2:])) + int64(rec[1])) * sector,
			size: int64(binary.LittleEndian.Uint32(rec[10:])),
			dir:  rec[25]&2 != 0,
		}
		if more == name { // a file of 4 GiB or more
			if first := w.byPath[name]; first.at+first.size == e.at {
				first.size += e.size
				w.byPath[name] = first
			}
		} else {
			w.add(name, e)
		}
		if w.link != "" {
			if w.names -= int64(len(w.link)); w.links == nil {
				w.links = map[string]string{}
			}
			w.links[name] = w.link
		}
		more = ""
		if rec[25]&0x80 != 0 {
			more = name
		}
		if len(w.paths) > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		if e.dir {
			if err := w.visit(name, e, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// name is a record's Rock Ridge name, else its plain one; hidden is set for
// "." and "..", and for a folder that stands elsewhere in truth.
func (w *walker) name(rec []byte, root bool) (name string, hidden bool, err error) {
	w.link = ""
	n := int(rec[32])
	plain := rec[33 : 33+n]
	fields := rec[33+n:]
	if n%2 == 0 && len(fields) > 0 {
		fields = fields[1:]
	}
	if n == 1 && plain[0] <= 1 {
		if root && plain[0] == 0 && len(fields) >= 7 && string(fields[:2]) == "SP" {
			w.skip = int(fields[6])
		}
		return "", true, nil
	}
	rock, relocated, err := w.rockRidge(fields[min(w.skip, len(fields)):])
	if rock != "" || err != nil {
		return rock, relocated, err
	}
	// A plain name carries a version: ISOLINUX.CFG;1.
	name, _, _ = strings.Cut(string(plain), ";")
	return strings.TrimSuffix(name, "."), relocated, nil
}

func (w *walker) rockRidge(fields []byte) (name string, relocated bool, err error) {
	for continued := 0; ; continued++ {
		var next []byte
		for len(fields) >= 4 {
			n := int(fields[2])
			if n < 4 || n > len(fields) {
				break
			}
			f := fields[:n]
			fields = fields[n:]
			switch string(f[:2]) {
			case "NM":
				if n > 5 {
					name += string(f[5:])
				}
				if len(name) > maxName {
					return "", false, fmt.Errorf("malformed: a name of more than %d bytes", maxName)
				}
			case "RE":
				relocated = true
			case "SL":
				if n > 5 {
					w.target(f[5:])
				}
				if len(w.link) > maxPath {
					return "", false, fmt.Errorf("malformed: a link of more than %d bytes", maxPath)
				}
			case "CE":
				if n < 28 {
					return "", false, errors.New("malformed: a short continuation")
				}
				at := int64(binary.LittleEndian.Uint32(f[4:]))*sector + int64(binary.LittleEndian.Uint32(f[12:]))
				length := binary.LittleEndian.Uint32(f[20:])
				if length > 64<<10 || continued > 16 {
					return "", false, fmt.Errorf("malformed: a continuation of %d bytes, number %d", length, continued+1)
				}
				if next, err = w.read(int64(length), at); err != nil {
					return "", false, err
				}
			case "ST":
				fields = nil
			}
		}
		if next == nil {
			return name, relocated, nil
		}
		fields = next
	}
}

// target adds to the link the components of a field: flags, a length and a name
// each.
func (w *walker) target(f []byte) {
	const more, dot, dotdot, root = 1, 2, 4, 8
	for len(f) >= 2 && len(f) >= 2+int(f[1]) {
		flags, text := f[0], string(f[2:2+int(f[1])])
		f = f[2+int(f[1]):]
		switch {
		case flags&dot != 0:
			text = "."
		case flags&dotdot != 0:
			text = ".."
		case flags&root != 0:
			text = ""
		}
		w.link += text
		if flags&more == 0 {
			w.link += "/"
		}
	}
}

// follow is where the links on a path lead; nowhere else than the path where
// there are none, or too many.
func (t *tree) follow(name string) string {
	const most = 16
	is := path.Clean("/" + name)[1:]
	if len(t.links) == 0 {
		return is
	}
	for range most {
		changed := false
		for at := 1; at <= len(is) && !changed; at++ {
			if at < len(is) && is[at] != '/' {
				continue
			}
			link, ok := t.links[is[:at]]
			if !ok {
				continue
			}
			if !strings.HasPrefix(link, "/") {
				link = path.Join(path.Dir(is[:at]), link)
			}
			is, changed = path.Clean("/" + link + is[at:])[1:], true
		}
		if !changed || len(is) > maxPath {
			return is
		}
	}
	return is
}

func (t *tree) add(name string, e entry) {
	t.byPath[name] = e
	t.folded[strings.ToLower(name)] = name
	t.paths = append(t.paths, name)
}

// find looks up a path as boot loaders do: exactly, else ignoring case.
func (t *tree) find(name string) (entry, bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if e, ok := t.byPath[name]; ok {
		return e, true
	}
	e, ok := t.byPath[t.folded[strings.ToLower(name)]]
	return e, ok
}
