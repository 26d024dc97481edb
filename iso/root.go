package iso

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Root is the root file system that the image boots into, read where it lies in
// the ISO: a squashfs, several that are stacked, or an ext4.
//
// Paths are those of the running system. In a NixOS image the squashfs holds
// the store alone; /etc and /run/current-system are then looked up in the
// system that the boot entries' init= names.
type Root struct {
	File   string // what it is read from in the ISO; of several, the lowest first
	Size   int64  // of all of them
	System string // a NixOS system's store path, /nix/store/...; "" elsewhere

	img     *Image
	fs      rootFS
	ram     bool   // it is an initramfs
	store   string // folder of the squashfs that is /nix/store
	folders map[string][]node
	cached  int // entries in folders

	unitLinks []unitLink // nil until they were read
}

const (
	maxLinks  = 40
	maxCached = 100_000
)

// findRoot opens what the image boots into.
func findRoot(img *Image) (*Root, error) {
	names, err := findLayers(img)
	if err != nil {
		return nil, err
	}
	r := &Root{img: img, folders: map[string][]node{}}
	var layers []rootFS
	for i, name := range names {
		disk, inside, err := img.openRoot(name)
		if err != nil {
			return nil, err
		}
		if inside != "" {
			names[i] = name + ":" + inside
		}
		layers = append([]rootFS{disk}, layers...)
		r.Size += img.tree.byPath[name].size
	}
	r.File = strings.Join(names, " + ")
	if r.fs = layers[0]; len(layers) > 1 {
		r.fs = union{layers, img.file.list}
	}
	return r, r.findSystem()
}

var (
	storeName = regexp.MustCompile(`^[0-9a-z]{32}-`)
	initStore = regexp.MustCompile(`^/nix/store/[^/]+`)
)

// topFolders are what a system has one of; Alpine's squashfs of kernel modules
// has none.
var topFolders = []string{"bin", "etc", "init", "lib", "nix", "sbin", "usr", "LiveOS"}

func someOf(entries []node) string {
	var names []string
	for _, e := range entries[:min(len(entries), 5)] {
		names = append(names, e.name)
	}
	return or(list(names), "nothing")
}

// findSystem recognises a NixOS store and the system in it that is booted.
func (r *Root) findSystem() error {
	top, err := r.list(".")
	if err != nil {
		return fmt.Errorf("%s: %w", r.File, err)
	}
	isStore := func(list []node) bool {
		return slices.ContainsFunc(list, func(e node) bool { return storeName.MatchString(e.name) })
	}
	switch {
	case isStore(top):
		r.store = "."
	case slices.ContainsFunc(top, func(e node) bool { return e.name == "nix" }):
		if list, err := r.list("nix/store"); err == nil && isStore(list) {
			r.store, top = "nix/store", list
		}
	}
	if r.store == "" {
		if !slices.ContainsFunc(top, func(e node) bool { return slices.Contains(topFolders, e.name) }) {
			return fmt.Errorf("%w (%s holds no system, but %s)", errNoSquashfs, r.File, someOf(top))
		}
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
		if strings.Contains(e.name, "-nixos-system-") {
			systems = append(systems, e.name)
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
func (r *Root) resolve(name string) (at string, e node, err error) {
	todo := strings.Split(strings.Trim(r.place(name), "/"), "/")
	at, e = ".", r.fs.top()
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
		if e.kind != link {
			at = path.Join(at, part)
			continue
		}
		if links++; links > maxLinks {
			return "", e, fmt.Errorf("%s: more than %d symbolic links", name, maxLinks)
		}
		target, err := r.fs.target(e)
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
func (r *Root) list(at string) ([]node, error) {
	// What is cached is not read, and a folder may contain itself.
	if err := r.img.file.late(); err != nil {
		return nil, err
	}
	at = path.Clean(at)
	if entries, ok := r.folders[at]; ok {
		return entries, nil
	}
	dir := r.fs.top()
	if at != "." {
		above, err := r.list(path.Dir(at))
		if err != nil {
			return nil, err
		}
		i, ok := search(above, path.Base(at))
		if !ok {
			return nil, fmt.Errorf("%s %w", at, errNotThere)
		}
		dir = above[i]
	}
	entries, err := r.fs.entries(dir)
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
