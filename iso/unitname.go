package iso

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// alias is the unit that an entry of a unit folder is another name of: a link
// to a name in one of the folders (systemd.unit(5), "Description": aliases).
// One that leads elsewhere is a unit whose file lies there.
func (r *Root) alias(folder string, e node) (string, error) {
	if e.kind != link {
		return "", nil
	}
	target, err := r.fs.target(e)
	if err != nil {
		return "", err
	}
	if !path.IsAbs(target) {
		target = path.Join(folder, target)
	}
	base := path.Base(target)
	if base == e.name || path.Ext(base) != path.Ext(e.name) || !slices.Contains(unitFolders, path.Dir(target)) {
		return "", nil
	}
	return base, nil
}

// otherNames adds the aliases of a unit to the names that led to it.
func (r *Root) otherNames(names []string) ([]string, error) {
	aliases, err := r.aliases()
	if err != nil {
		return nil, err
	}
	main := names[len(names)-1]
	ids := []string{main, template(main)}
	for range maxAliases {
		for _, a := range aliases {
			if slices.Contains(ids, a.to) && !slices.Contains(ids, a.from) {
				if ids = append(ids, a.from); len(ids) > maxNames {
					return nil, fmt.Errorf("%s has more than %d names", main, maxNames)
				}
			}
		}
	}
	for _, id := range ids[2:] {
		if id = instance(id, main); !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	return names, nil
}

type unitLink struct{ from, to string }

// aliases are the links of the unit folders from one unit to another, those of
// the first folder that has the name.
func (r *Root) aliases() ([]unitLink, error) {
	if r.unitLinks != nil {
		return r.unitLinks, nil
	}
	links := []unitLink{}
	seen := map[string]bool{}
	for _, folder := range unitFolders {
		at, _, err := r.resolve(folder)
		if err != nil {
			continue
		}
		entries, err := r.list(at)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if seen[e.name] {
				continue
			}
			if seen[e.name] = true; len(seen) > maxUnitLink {
				return nil, fmt.Errorf("more than %d names in %s", maxUnitLink, strings.Join(unitFolders, ", "))
			}
			to, err := r.alias(folder, e)
			if err != nil {
				return nil, err
			}
			if to != "" {
				links = append(links, unitLink{e.name, to})
			}
		}
	}
	r.unitLinks = links
	return links, nil
}

// template is the template of an instance's name; "" for other units.
func template(name string) string {
	if before, after, ok := strings.Cut(name, "@"); ok && !strings.HasPrefix(after, ".") {
		return before + "@" + path.Ext(name)
	}
	return ""
}

// instance is the unit that a name means where the unit like is meant: of a
// template, the instance that like is one of.
func instance(name, like string) string {
	_, of, ok := strings.Cut(like, "@")
	if before, ext, isTemplate := strings.Cut(name, "@."); isTemplate && ok && template(like) != "" {
		return before + "@" + strings.TrimSuffix(of, path.Ext(like)) + "." + ext
	}
	return name
}
