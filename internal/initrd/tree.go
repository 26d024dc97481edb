package initrd

import (
	"fmt"
	"strings"
)

// node is a file of any kind.
type node struct {
	mode, uid, gid, mtime uint32
	major, minor          uint32 // of a device
	links                 int    // names that it has
	size                  int64
	data                  []byte // its first bytes
	target                string
	kids                  map[string]*node
	above                 *node // a folder's
	depth, length         int   // of its path
	seen                  any
}

// linkKey is what the names of one file have in common.
type linkKey struct{ major, minor, ino, kind uint32 }

func newNode(h *header) *node {
	n := &node{mode: h.mode & 0o177777, uid: h.uid, gid: h.gid, mtime: h.mtime}
	switch n.kind() {
	case typeChar, typeBlk:
		n.major, n.minor = h.rmajor, h.rminor
	case typeLink:
		n.size = int64(h.size)
	}
	return n
}

// newRoot is what the kernel has before it unpacks anything
// (usr/default_cpio_list).
func newRoot() *node {
	root := &node{mode: typeDir | 0o755}
	root.above = root
	dev := &node{mode: typeDir | 0o755}
	root.add("dev", dev)
	dev.add("console", &node{mode: typeChar | 0o600, major: 5, minor: 1})
	root.add("root", &node{mode: typeDir | 0o700})
	return root
}

func (n *node) kind() uint32 { return n.mode & typeMask }

func (n *node) add(base string, kid *node) {
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	n.kids[base] = kid
	kid.links++
	if kid.kind() == typeDir {
		kid.above, kid.depth, kid.length = n, n.depth+1, n.length+1+len(base)
	}
}

const maxLinks = 40

// walk finds the folder that a name is in, seen from a folder and through links,
// and the name there, which is "" for the folder itself. Steps are counted down to 0.
func walk(root, from *node, name string, steps *int) (dir *node, base string, ok bool) {
	dir = from
	if strings.HasPrefix(name, "/") {
		dir = root
	}
	links := 0
	todo := split(name, steps)
	for len(todo) > 0 {
		if *steps--; *steps <= 0 {
			return nil, "", false
		}
		part := todo[0]
		todo = todo[1:]
		if part == ".." {
			dir = dir.above
			continue
		}
		if len(todo) == 0 {
			return dir, part, len(part) <= maxBase
		}
		kid := dir.kids[part]
		switch {
		case kid == nil:
			return nil, "", false
		case kid.kind() == typeDir:
			dir = kid
		case kid.kind() == typeLink:
			if links++; links > maxLinks {
				return nil, "", false
			}
			if strings.HasPrefix(kid.target, "/") {
				dir = root
			}
			todo = append(split(kid.target, steps), todo...)
			if *steps -= len(todo); len(todo) > maxPath {
				return nil, "", false
			}
		default:
			return nil, "", false
		}
	}
	return dir, "", true
}

// split is the parts of a path.
func split(name string, steps *int) []string {
	parts := strings.Split(name, "/")
	*steps -= len(parts) / 8
	kept := parts[:0]
	for _, p := range parts {
		if p != "" && p != "." {
			kept = append(kept, p)
		}
	}
	return kept
}

// put gives a file a name, as the kernel does: what has the name and is of
// another kind, or anything where all is set, gives way, unless it is a folder
// with something in it; what is of the same kind stays and is changed. It is
// nil where the file cannot be made.
func (u *unpacker) put(name string, n *node, all bool) (*node, error) {
	dir, base, ok := walk(u.fs.root, u.fs.root, name, &u.steps)
	if u.steps <= 0 {
		return nil, fmt.Errorf("paths and links of more than %d steps: %w", maxSteps, ErrBound)
	}
	if !ok {
		return nil, u.lose(name)
	}
	old := dir.kids[base]
	if base == "" {
		old = dir
	}
	switch {
	case old == nil:
	case !all && old.kind() == n.kind():
		old.mode, old.uid, old.gid, old.mtime = n.mode, n.uid, n.gid, n.mtime
		if old.kind() == typeFile {
			u.forget(old)
			old.size = 0
		}
		return old, nil
	case base == "" || len(old.kids) > 0:
		return nil, u.lose(name)
	default:
		delete(dir.kids, base)
		if old.links--; old.links == 0 && old != n {
			u.forget(old)
		}
	}
	if dir.depth >= maxDepth || dir.length > maxPath {
		return nil, fmt.Errorf("folders more than %d deep, or with paths of more than %d bytes: %w", maxDepth, maxPath, ErrBound)
	}
	dir.add(base, n)
	return n, nil
}

const maxLost = 20

func (u *unpacker) lose(name string) error {
	if u.fs.LostCount++; len(u.fs.Lost) < maxLost {
		u.fs.Lost = append(u.fs.Lost, name)
	}
	return nil
}

// forget drops what is kept of a file.
func (u *unpacker) forget(n *node) {
	u.kept -= int64(len(n.data))
	n.data, n.seen = nil, nil
}
