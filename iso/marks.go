package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"bootaudit/contract"
)

// Has says whether the image has a profile's mark, for [contract.Detect]. The
// error says why that cannot be told; a mark on the ISO itself can be without the
// root file system.
func (img *Image) Has(m contract.Mark) (there bool, err error) {
	switch {
	case m.Attribute != "":
		return false, nil // is a flake's
	case m.ISO != nil:
		return slices.ContainsFunc(m.ISO, func(name string) bool {
			_, ok := img.tree.find(name)
			return ok
		}), nil
	}
	err = img.ask(func() error {
		if err := img.rootless(); err != nil || img.Root == nil {
			return err
		}
		paths := m.Root
		if m.Unit != "" {
			for _, folder := range unitFolders {
				paths = append(paths, folder+"/"+m.Unit)
			}
		}
		for _, name := range paths {
			if there, err = img.Root.hasPath(name); there || err != nil {
				return err
			}
		}
		return nil
	})
	return there && err == nil, err
}

// rootless says why nobody can tell what is in the image's root file system. An
// image that boots into its initrd has none, and so nothing is in it.
func (img *Image) rootless() error {
	switch {
	case img.RootErr == nil:
		return img.Root.nested()
	case !errors.Is(img.RootErr, errNoSquashfs):
		return img.RootErr
	}
	for _, m := range img.Menus {
		for _, e := range m.Entries {
			for _, root := range e.values("root") {
				if root != "" && !strings.HasPrefix(root, "/dev/ram") {
					return fmt.Errorf("%w, and %s boots into root=%s", img.RootErr, e.Where(), root)
				}
			}
		}
	}
	for _, name := range img.tree.paths {
		if kind, err := img.fileSystem(name); err != nil {
			return err
		} else if kind != "" {
			return fmt.Errorf("%s is of the kind %s, and only squashfs can be looked into", name, kind)
		}
	}
	return nil
}

// smallest is what the smallest file system takes that a system fits into.
const smallest = 1 << 20

// fileSystem is the kind of file system, other than squashfs, that a file of the
// ISO is; "" where it is none that an image boots into.
func (img *Image) fileSystem(name string) (string, error) {
	e := img.tree.byPath[name]
	if e.dir || e.size < smallest {
		return "", nil
	}
	head, err := img.read(name, 2048)
	if err != nil {
		return "", err
	}
	switch {
	case string(head[:4]) == "XFSB":
		return "XFS", nil
	case string(head[:6]) == "LUKS\xba\xbe":
		return "LUKS", nil
	case binary.LittleEndian.Uint32(head[1024:]) == 0xe0f5e1e2:
		return "EROFS", nil
	case binary.LittleEndian.Uint16(head[1024+56:]) == 0xef53:
		return "ext4", nil
	}
	return "", nil
}

// nested says that the squashfs only wraps the root file system, as dracut's
// LiveOS images do.
func (r *Root) nested() error {
	if r == nil {
		return nil
	}
	top, err := r.list(".")
	if err != nil || len(top) != 1 || top[0].Name != "LiveOS" {
		return err
	}
	for _, name := range []string{"LiveOS/rootfs.img", "LiveOS/ext3fs.img"} {
		if there, err := r.hasPath("/" + name); there || err != nil {
			return errors.Join(err, fmt.Errorf("%s has the root file system in %s, which cannot be looked into", r.File, name))
		}
	}
	return nil
}

// hasPath says whether there is something at an absolute path, whose last part
// may be a glob.
func (r *Root) hasPath(name string) (bool, error) {
	dir, glob := path.Split(name)
	if !strings.ContainsAny(glob, `*?[\`) {
		_, _, err := r.resolve(name)
		return found(err)
	}
	at, _, err := r.resolve(dir)
	if ok, err := found(err); !ok {
		return false, err
	}
	entries, err := r.list(at)
	for _, e := range entries {
		if ok, _ := path.Match(glob, e.Name); ok {
			return true, nil
		}
	}
	return false, err
}

// found is what the error of a look-up says: a link to /dev/null is there as well,
// for it is how a unit is masked.
func found(err error) (bool, error) {
	switch {
	case err == nil, errors.Is(err, errNull):
		return true, nil
	case errors.Is(err, errNotThere):
		return false, nil
	}
	return false, err
}
