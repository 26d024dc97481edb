package iso

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// tree indexes the files of the ISO by path, without leading slash.
type tree struct {
	byPath map[string]entry
	folded map[string]string // lower-case path to path
	paths  []string          // in the order of the walk
}

type entry struct {
	at, size int64
	dir      bool
}

const (
	maxEntries = 50_000
	maxDepth   = 24
)

// walk indexes the whole tree. A folder that is its own ancestor is an error.
func walk(disk *iso9660.FileSystem) (tree, error) {
	t := tree{byPath: map[string]entry{}, folded: map[string]string{}}
	above := map[int64]bool{}
	var visit func(dir string, depth int) error
	visit = func(dir string, depth int) error {
		entries, err := disk.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, de := range entries {
			info, err := de.Info()
			if err != nil {
				return err
			}
			stat, ok := info.Sys().(*iso9660.StatT)
			if !ok {
				return fmt.Errorf("%s: no location", de.Name())
			}
			name := path.Join(dir, de.Name())
			e := entry{at: int64(stat.Location) * sector, size: info.Size(), dir: info.IsDir()}
			t.add(name, e)
			if len(t.paths) > maxEntries {
				return fmt.Errorf("more than %d files", maxEntries)
			}
			if !e.dir || info.Mode()&fs.ModeSymlink != 0 {
				continue
			}
			if above[e.at] || depth == maxDepth {
				return fmt.Errorf("malformed: the folder %s contains itself", name)
			}
			above[e.at] = true
			if err := visit(name, depth+1); err != nil {
				return err
			}
			delete(above, e.at)
		}
		return nil
	}
	return t, visit(".", 0)
}

func (t *tree) add(name string, e entry) {
	// Without Rock Ridge a name carries a version: ISOLINUX.CFG;1.
	name, _, _ = strings.Cut(name, ";")
	name = strings.TrimSuffix(name, ".")
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
