package iso

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// dropIns are the drop-ins of a unit that has these names, in the order in
// which they apply. systemd.unit(5), "Description": they are sorted by their
// file names, whichever folder they are in; of those with the same name, that
// in /etc counts before that in /run and /usr/lib, within a folder that of the
// unit before its template's and its prefixes', and any of them before that of
// all units of its type.
func (r *Root) dropIns(names []string) ([]string, error) {
	var folders []string
	for _, name := range names {
		for _, folder := range unitFolders {
			for _, n := range dropInNames(name) {
				folders = append(folders, folder+"/"+n+".d")
			}
		}
	}
	for _, folder := range unitFolders {
		folders = append(folders, folder+"/"+strings.TrimPrefix(path.Ext(names[0]), ".")+".d")
	}
	first := map[string]string{} // by file name
	for _, folder := range folders {
		for _, base := range r.names(folder) {
			if !strings.HasSuffix(base, ".conf") || first[base] != "" {
				continue
			}
			file := folder + "/" + base
			if _, _, err := r.resolve(file); err != nil && !errors.Is(err, errNull) {
				continue // a link that leads nowhere
			}
			if first[base] = file; len(first) > maxDropIns {
				return nil, fmt.Errorf("%s has more than %d drop-ins", names[0], maxDropIns)
			}
		}
	}
	var all []string
	for _, file := range first {
		all = append(all, file)
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return all, nil
}

// dropInNames are the names whose drop-in folders a unit has, the most
// particular first: its own, its template's, and those of its prefixes, as
// foo-bar-.service and foo-.service of foo-bar-x.service (systemd.unit(5),
// "Description").
func dropInNames(name string) []string {
	ext := path.Ext(name)
	stem, of := strings.TrimSuffix(name, ext), ""
	if i := strings.Index(stem, "@"); i >= 0 {
		stem, of = stem[:i], stem[i:]
	}
	stems := []string{stem}
	for {
		i := strings.LastIndex(strings.TrimSuffix(stem, "-"), "-")
		if i < 0 {
			break
		}
		stem = stem[:i+1]
		stems = append(stems, stem)
	}
	all := []string{name}
	if template(name) != "" {
		for _, s := range stems {
			all = append(all, s+"@"+ext)
		}
	}
	for _, s := range stems[1:] {
		all = append(all, s+of+ext)
	}
	return all
}
