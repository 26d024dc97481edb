package iso

import (
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
	if err := img.ask(img.rootless); err != nil {
		return false, err
	}
	root, _, _ := img.system()
	if root == nil {
		return false, nil
	}
	err = img.ask(func() error {
		paths := m.Root
		if m.Unit != "" {
			for _, folder := range unitFolders {
				paths = append(paths, folder+"/"+m.Unit)
			}
		}
		for _, name := range paths {
			if there, err = root.hasPath(name); there || err != nil {
				return err
			}
		}
		return nil
	})
	return there && err == nil, err
}

// rootless says why nobody can tell what is in the image's root file system. An
// image that boots into its initrd has none.
func (img *Image) rootless() error {
	if !errors.Is(img.RootErr, errNoSquashfs) {
		return img.RootErr
	}
	for _, m := range img.Menus {
		for _, e := range m.Entries {
			if root := e.wantsRoot(); root != "" {
				return fmt.Errorf("%w, and %s boots into %s", img.RootErr, e.Where(), root)
			}
		}
	}
	return nil
}

// wantsRoot is the argument that tells an entry's initrd to look for a root file
// system, on the CD or on a disk; "" where none does, or where it is fetched.
func (e Entry) wantsRoot() string {
	for _, name := range []string{"fetch", "httpfs", "ftpfs", "netboot", "nfsroot", "url", "iso-url", "archiso_http_srv", "archiso_nfs_srv", "archiso_nbd_srv"} {
		if e.values(name) != nil {
			return ""
		}
	}
	for _, name := range []string{"root", "boot", "archisobasedir", "misobasedir"} {
		for _, value := range e.values(name) {
			switch {
			case value == "", name == "root" && strings.HasPrefix(value, "/dev/ram"), name == "boot" && value != "live" && value != "casper":
			default:
				return name + "=" + value
			}
		}
	}
	return ""
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
		if ok, _ := path.Match(glob, e.name); ok {
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
