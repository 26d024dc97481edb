package iso

import "path"

// ReadFile is the first limit bytes of the file at an absolute path, links
// followed.
func (r *Root) ReadFile(name string, limit int64) (data []byte, err error) {
	err = r.img.do(func() error {
		data, err = r.readFile(name, limit)
		return err
	})
	return data, err
}

// readFile is ReadFile for callers inside do, as exists, names and find are.
func (r *Root) readFile(name string, limit int64) ([]byte, error) {
	_, e, err := r.resolve(name)
	if err != nil {
		return nil, err
	}
	return r.fs.read(e, limit)
}

// Exists reports whether the absolute path leads to something, links followed.
func (r *Root) Exists(name string) (ok bool) {
	err := r.img.do(func() error {
		ok = r.exists(name)
		return nil
	})
	return ok && err == nil
}

func (r *Root) exists(name string) bool {
	_, _, err := r.resolve(name)
	return err == nil
}

// List is the names in the folder at an absolute path, sorted; none when
// there is no such folder.
func (r *Root) List(name string) (names []string) {
	_ = r.img.do(func() error {
		names = r.names(name)
		return nil
	})
	return names
}

func (r *Root) names(name string) []string {
	at, _, err := r.resolve(name)
	if err != nil {
		return nil
	}
	entries, err := r.list(at)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.name)
	}
	return names
}

// Find is the absolute paths below the folder dir for which match holds on
// the base name, at most limit of them. Links are not followed.
func (r *Root) Find(dir string, limit int, match func(base string) bool) (found []string) {
	_ = r.img.do(func() error {
		found = r.find(dir, limit, match)
		return nil
	})
	return found
}

func (r *Root) find(dir string, limit int, match func(base string) bool) []string {
	at, _, err := r.resolve(dir)
	if err != nil {
		return nil
	}
	var found []string
	left := maxEntries // a folder may contain itself
	var visit func(at, name string, depth int) error
	visit = func(at, name string, depth int) error {
		entries, err := r.list(at)
		if err != nil || depth > maxDepth {
			return err
		}
		for _, e := range entries {
			if left--; left < 0 || len(found) >= limit {
				return nil
			}
			if e.kind == folder {
				if err := visit(path.Join(at, e.name), path.Join(name, e.name), depth+1); err != nil {
					return err
				}
			} else if match(e.name) {
				found = append(found, path.Join(name, e.name))
			}
		}
		return nil
	}
	_ = visit(at, dir, 0) // what can be read counts
	return found
}
