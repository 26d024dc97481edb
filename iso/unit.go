package iso

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// unitFolders are where systemd looks for units, the first having precedence
// (systemd.unit(5), "Unit File Load Path"); what only a running system has is
// left out. NixOS has all its units in /etc/systemd/system.
var unitFolders = []string{
	"/etc/systemd/system.control", "/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// Unit is a systemd unit with its drop-ins, as the image has it.
type Unit struct {
	Name    string
	Files   []string // that it is made of, the main one first
	Masked  bool
	WantsIn []string // targets whose .wants or .requires folder links to it
	options []option
}

// What a unit may be made of; an image that has more is told so.
const (
	maxUnit     = 256 << 10 // bytes of a file, which has some hundred
	maxUnits    = 1 << 20   // bytes of all of them
	maxDropIns  = 200
	maxAliases  = 8  // links from one name to the next; systemd, too, follows 8
	maxNames    = 32 // of one unit
	maxUnitLink = 20_000
)

// Unit reads a unit of the image; an instance such as getty@tty1.service is
// made of its template and the drop-ins of both.
func (r *Root) Unit(name string) (u Unit, err error) {
	err = r.img.ask(func() error {
		u, err = r.unit(name)
		return err
	})
	return u, err
}

func (r *Root) unit(name string) (Unit, error) {
	u := Unit{Name: name}
	files := &together{r, maxUnits}
	names := []string{name}
	var main fragment
	for id := name; ; {
		f, err := r.fragment(id)
		if err != nil {
			return u, err
		}
		if f.file == "" {
			return u, fmt.Errorf("%s %w: looked in %s", id, errNotThere, strings.Join(unitFolders, ", "))
		}
		if main = f; f.alias == "" {
			break
		}
		if id = f.alias; len(names) > maxAliases {
			return u, fmt.Errorf("%s: more than %d links from unit to unit", name, maxAliases)
		}
		names = append(names, id)
	}
	// A unit file that is empty, or a link to /dev/null, is masked
	// (systemd.unit(5), "Description").
	text, err := files.unit(main.file)
	if errors.Is(err, errNull) || err == nil && text == "" {
		u.Masked, u.Files = true, []string{main.file}
		return u, nil
	}
	if err == nil {
		err = u.add(main.file, text)
	}
	if err != nil {
		return u, err
	}
	if names, err = r.otherNames(names); err != nil {
		return u, err
	}
	dropIns, err := r.dropIns(names)
	if err != nil {
		return u, err
	}
	for _, file := range dropIns {
		switch text, err := files.unit(file); {
		case errors.Is(err, errNull): // switched off
		case err != nil:
			return u, err
		default:
			if err := u.add(file, text); err != nil {
				return u, err
			}
		}
	}
	u.WantsIn = r.wantedIn(names)
	return u, nil
}

// unit is the text of a unit file or a drop-in.
func (t *together) unit(file string) (string, error) {
	text, err := t.read(file, maxUnit+1)
	if err == nil && len(text) > maxUnit {
		err = fmt.Errorf("more than %d KiB", maxUnit>>10)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return text, err
}

func (u *Unit) add(file, text string) error {
	options, err := parseUnit(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if text != "" {
		u.Files = append(u.Files, file)
	}
	for i := range options {
		options[i].file = int32(len(u.Files) - 1)
	}
	u.options = append(u.options, options...)
	return nil
}

// fragment is what the unit folders have under a unit's name.
type fragment struct {
	file  string // "" when there is none
	alias string // the unit that it is a link to
}

// fragment finds a unit's own file, or its template's where it has none: of
// each, the first folder's counts (systemd.unit(5), "Unit File Load Path"), be
// it a mask.
func (r *Root) fragment(name string) (fragment, error) {
	for _, n := range []string{name, template(name)} {
		for _, folder := range unitFolders {
			e, ok := r.lookup(folder, n)
			if n == "" || !ok {
				continue
			}
			alias, err := r.alias(folder, e)
			if err != nil {
				return fragment{}, err
			}
			file := folder + "/" + n
			if _, _, err := r.resolve(file); err != nil && !errors.Is(err, errNull) {
				continue // a link that leads nowhere
			}
			return fragment{file, instance(alias, name)}, nil
		}
	}
	return fragment{}, nil
}

// lookup is a folder's entry, its link not followed.
func (r *Root) lookup(folder, name string) (node, bool) {
	at, _, err := r.resolve(folder)
	if err != nil {
		return node{}, false
	}
	entries, err := r.list(at)
	if err != nil {
		return node{}, false
	}
	i, ok := search(entries, name)
	if !ok {
		return node{}, false
	}
	return entries[i], true
}

// wantedIn are the units whose .wants or .requires folder has one of the
// names. A link to /dev/null there takes the place of those of the same name
// in later folders (systemd.unit(5), on .wants/ and .requires/).
func (r *Root) wantedIn(names []string) []string {
	var in []string
	seen := map[string]bool{}
	for _, folder := range unitFolders {
		for _, base := range r.names(folder) {
			for _, kind := range []string{".wants", ".requires"} {
				target, ok := strings.CutSuffix(base, kind)
				if !ok {
					continue
				}
				for _, name := range names {
					link := base + "/" + name
					if _, ok := r.lookup(folder+"/"+base, name); !ok || seen[link] {
						continue
					}
					seen[link] = true
					if _, _, err := r.resolve(folder + "/" + link); !errors.Is(err, errNull) && !slices.Contains(in, target) {
						in = append(in, target)
					}
				}
			}
		}
	}
	return in
}
