package iso

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"bootaudit/internal/fat"
)

const (
	// maxVolumeFiles is more than an EFI boot image ever has, and maxVolumeDepth
	// folders in one another.
	maxVolumeFiles = 5000
	maxVolumeDepth = 8
)

// fileSystem is one that lies in the image, as its reader has it. Its files are
// [io.ReaderAt].
type fileSystem interface {
	fs.ReadDirFS
	fs.StatFS
}

// fatVolume opens the FAT file system in r.
func fatVolume(name string, r *io.SectionReader, guard *guarded) (*volume, error) {
	f, err := fat.Open(r, r.Size())
	if err != nil {
		return nil, err
	}
	v := &volume{name: name, label: f.Label, uuid: f.Serial}
	return v, v.of(f, r.Size(), guard)
}

// of makes a volume of a file system of size bytes. What lies too deep, or beyond
// a bound of their number or bytes, is not among its paths.
func (v *volume) of(f fileSystem, size int64, guard *guarded) error {
	v.stat = func(file string) (int64, bool, error) {
		info, err := f.Stat(fsPath(file))
		if err != nil {
			return 0, false, v.missing(file, err)
		}
		return info.Size(), info.IsDir(), nil
	}
	v.open = func(file string) (io.ReaderAt, int64, error) {
		o, err := f.Open(fsPath(file))
		if err != nil {
			return nil, 0, v.missing(file, err)
		}
		info, err := o.Stat()
		if at, ok := o.(io.ReaderAt); ok && err == nil && !info.IsDir() {
			return at, info.Size(), nil
		}
		return nil, 0, fmt.Errorf("%s is a directory", v.in(file))
	}
	left, names := maxVolumeFiles, 4*size+slack
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		entries, err := f.ReadDir(fsPath(dir))
		if err != nil {
			return err
		}
		if err := guard.list(len(entries)); err != nil {
			return err
		}
		for _, e := range entries {
			if dir == "" && v.top != nil && e.IsDir() && !slices.Contains(v.top, e.Name()) {
				continue
			}
			name := path.Join(dir, e.Name())
			left, names = left-1, names-int64(len(name))
			if left < 0 || names < 0 {
				return nil
			}
			v.paths = append(v.paths, name)
			if e.IsDir() && depth < maxVolumeDepth {
				_ = walk(name, depth+1) // a folder that cannot be read has nothing for a loader
			}
		}
		return nil
	}
	return walk("", 0)
}

// fsPath is a name as package fs has it.
func fsPath(name string) string {
	if name = path.Clean("/" + name)[1:]; name == "" {
		return "."
	}
	return name
}

// missing is the error of a file that cannot be opened.
func (v *volume) missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there", v.in(name))
	}
	return fmt.Errorf("%s: %w", v.in(name), err)
}
