package iso

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"bootaudit/internal/squashfs"
)

// rootFS is a file system that a root is read from.
type rootFS interface {
	top() node
	// entries is what is in a folder, sorted by name.
	entries(n node) ([]node, error)
	target(n node) (string, error)
	read(n node, limit int64) ([]byte, error)
}

// node is a name in a folder of a root file system.
type node struct {
	name string
	kind kind
	ref  any // the file system's own
}

type kind byte

const (
	other kind = iota // a device, a pipe or a socket
	folder
	file
	link
	whiteout // takes away what the layers below have of the name
)

func search(entries []node, name string) (int, bool) {
	return slices.BinarySearchFunc(entries, name, func(n node, s string) int { return strings.Compare(n.name, s) })
}

// squashed is a squashfs as a root file system.
type squashed struct{ fs *squashfs.FS }

func (s squashed) top() node { return node{".", folder, s.fs.Root()} }

func (s squashed) entries(n node) ([]node, error) {
	entries, err := s.fs.Entries(n.ref.(squashfs.Entry))
	all := make([]node, len(entries))
	for i, e := range entries {
		all[i] = node{e.Name, other, e}
		switch e.Kind {
		case squashfs.Folder:
			all[i].kind = folder
		case squashfs.File:
			all[i].kind = file
		case squashfs.Link:
			all[i].kind = link
		case squashfs.Char:
			switch number, err := s.fs.Device(e); {
			case err != nil:
				return nil, err
			case number == 0:
				all[i].kind = whiteout
			}
		}
	}
	return all, err
}

func (s squashed) target(n node) (string, error) { return s.fs.Target(n.ref.(squashfs.Entry)) }

func (s squashed) read(n node, limit int64) ([]byte, error) {
	return s.fs.ReadFile(n.ref.(squashfs.Entry), limit)
}

// opaque says that a folder hides those of its name in the layers below, as
// overlayfs has it.
func (s squashed) opaque(n node) (bool, error) {
	value, err := s.fs.Attribute(n.ref.(squashfs.Entry), "trusted.overlay.opaque")
	return value == "y", err
}

// plain is a file system of package io/fs as a root file system.
type plain struct{ fs.FS }

func (p plain) top() node { return node{".", folder, "."} }

func (p plain) entries(n node) ([]node, error) {
	at := n.ref.(string)
	entries, err := fs.ReadDir(p.FS, at)
	if err != nil {
		return nil, err
	}
	var all []node
	for _, e := range entries {
		n := node{e.Name(), other, path.Join(at, e.Name())}
		switch e.Type() {
		case fs.ModeDir:
			n.kind = folder
		case 0:
			n.kind = file
		case fs.ModeSymlink:
			n.kind = link
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b node) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func (p plain) target(n node) (string, error) { return fs.ReadLink(p.FS, n.ref.(string)) }

func (p plain) read(n node, limit int64) ([]byte, error) {
	if n.kind != file {
		return nil, fmt.Errorf("%s is not a file", n.name)
	}
	f, err := p.Open(n.ref.(string))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, errors.Join(err, f.Close())
}
