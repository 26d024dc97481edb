package iso

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"bootaudit/internal/squashfs"
)

// Root is the root file system that the image boots into, a squashfs read
// where it lies in the ISO.
//
// Paths are those of the running system. In a NixOS image the squashfs holds
// the store alone; /etc and /run/current-system are then looked up in the
// system that the boot entries' init= names.
type Root struct {
	File   string // the squashfs in the ISO
	Size   int64
	System string // a NixOS system's store path, /nix/store/...; "" elsewhere

	img     *Image
	fs      *squashfs.FS
	store   string // folder of the squashfs that is /nix/store
	folders map[string][]squashfs.Entry
	cached  int // entries in folders

	unitLinks []unitLink // nil until they were read
}

const (
	maxLinks  = 40
	maxCached = 100_000
)

var errNoSquashfs = errors.New("no squashfs in the ISO: its root file system cannot be looked into")

// findRoot opens the ISO's largest squashfs, or the NixOS store.
func findRoot(img *Image) (*Root, error) {
	var found []string
	size := func(name string) int64 { return img.tree.byPath[name].size }
	for _, name := range img.tree.paths {
		e := img.tree.byPath[name]
		if e.dir || e.size < 96 {
			continue
		}
		if head, err := img.read(name, 4); err == nil && string(head) == "hsqs" {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil, errNoSquashfs
	}
	slices.SortStableFunc(found, func(a, b string) int { return int(min(max(size(b)-size(a), -1), 1)) })
	if i := slices.IndexFunc(found, func(s string) bool { return path.Base(s) == "nix-store.squashfs" }); i > 0 {
		found[0] = found[i]
	}
	name := found[0]
	at, length, err := img.locate(name)
	if err != nil {
		return nil, err
	}
	disk, err := squashfs.Open(io.NewSectionReader(img.file, at, length), length)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &Root{File: name, Size: length, img: img, fs: disk, folders: map[string][]squashfs.Entry{}}
	return r, r.findSystem()
}

var (
	storeName = regexp.MustCompile(`^[0-9a-z]{32}-`)
	initStore = regexp.MustCompile(`^/nix/store/[^/]+`)
)

// findSystem recognises a NixOS store and the system in it that is booted.
func (r *Root) findSystem() error {
	top, err := r.list(".")
	if err != nil {
		return fmt.Errorf("%s: %w", r.File, err)
	}
	isStore := func(list []squashfs.Entry) bool {
		return slices.ContainsFunc(list, func(e squashfs.Entry) bool { return storeName.MatchString(e.Name) })
	}
	switch {
	case isStore(top):
		r.store = "."
	case slices.ContainsFunc(top, func(e squashfs.Entry) bool { return e.Name == "nix" }):
		if list, err := r.list("nix/store"); err == nil && isStore(list) {
			r.store, top = "nix/store", list
		}
	}
	if r.store == "" {
		return nil
	}
	for _, m := range r.img.Menus {
		for _, e := range m.Entries {
			for _, init := range e.values("init") {
				if at := initStore.FindString(init); at != "" {
					r.System = at
					return nil
				}
			}
		}
	}
	var systems []string
	for _, e := range top {
		if strings.Contains(e.Name, "-nixos-system-") {
			systems = append(systems, e.Name)
		}
	}
	if len(systems) != 1 {
		return fmt.Errorf("%s is a NixOS store with %d systems in it, and no boot entry's init= names one", r.File, len(systems))
	}
	r.System = "/nix/store/" + systems[0]
	return nil
}

var (
	errNotThere = errors.New("is not in the image")
	// errNull is where systemd's links lead that switch something off.
	errNull = errors.New("is a link to /dev/null")
)

// resolve is the place in the squashfs of an absolute path, links followed.
func (r *Root) resolve(name string) (at string, e squashfs.Entry, err error) {
	todo := strings.Split(strings.Trim(r.place(name), "/"), "/")
	at, e = ".", r.fs.Root()
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		entries, err := r.list(at)
		if err != nil {
			return "", e, err
		}
		i, ok := search(entries, part)
		if !ok {
			return "", e, fmt.Errorf("%s %w", name, errNotThere)
		}
		e = entries[i]
		if e.Kind != squashfs.Link {
			at = path.Join(at, part)
			continue
		}
		if links++; links > maxLinks {
			return "", e, fmt.Errorf("%s: more than %d symbolic links", name, maxLinks)
		}
		target, err := r.fs.Target(e)
		if err != nil {
			return "", e, err
		}
		if dest := target; len(todo) == 0 {
			if !path.IsAbs(dest) {
				dest = path.Join("/", at, dest)
			}
			if path.Clean(dest) == "/dev/null" {
				return "", e, fmt.Errorf("%s %w", name, errNull)
			}
		}
		if path.IsAbs(target) {
			at, target = ".", r.place(target)
		}
		todo = append(strings.Split(target, "/"), todo...)
		if len(todo) > 4096 {
			return "", e, fmt.Errorf("%s: path too long", name)
		}
	}
	return at, e, nil
}

// place maps a path of the running system to one of the squashfs.
func (r *Root) place(name string) string {
	name = path.Clean("/" + name)
	if r.store == "" {
		return name
	}
	if rest, ok := strings.CutPrefix(name, "/run/current-system"); ok {
		name = r.System + rest
	} else if name == "/etc" || strings.HasPrefix(name, "/etc/") {
		name = r.System + name
	}
	if rest, ok := strings.CutPrefix(name, "/nix/store"); ok && (rest == "" || rest[0] == '/') {
		return path.Join("/", r.store, rest)
	}
	return path.Join("/no-such-folder-in-a-store", name)
}

// list is a folder's entries, sorted by name and cached.
func (r *Root) list(at string) ([]squashfs.Entry, error) {
	// What is cached is not read, and a folder may contain itself.
	if err := r.img.file.late(); err != nil {
		return nil, err
	}
	at = path.Clean(at)
	if entries, ok := r.folders[at]; ok {
		return entries, nil
	}
	folder := r.fs.Root()
	if at != "." {
		above, err := r.list(path.Dir(at))
		if err != nil {
			return nil, err
		}
		i, ok := search(above, path.Base(at))
		if !ok {
			return nil, fmt.Errorf("%s %w", at, errNotThere)
		}
		folder = above[i]
	}
	entries, err := r.fs.Entries(folder)
	if err == nil {
		err = r.img.file.list(len(entries))
	}
	if err != nil {
		return nil, err
	}
	if r.cached += len(entries); r.cached > maxCached {
		clear(r.folders)
		r.cached = len(entries)
	}
	r.folders[at] = entries
	return entries, nil
}

func search(entries []squashfs.Entry, name string) (int, bool) {
	return slices.BinarySearchFunc(entries, name, func(e squashfs.Entry, s string) int { return strings.Compare(e.Name, s) })
}
