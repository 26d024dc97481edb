package iso

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"bootaudit/internal/squashfs"
)

// unitFolders are where systemd looks for units, the first having precedence.
var unitFolders = []string{
	"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// Unit is a systemd unit with its drop-ins, as the image has it.
type Unit struct {
	Name    string
	Files   []string // that it is made of, the main one first
	Masked  bool
	WantsIn []string // targets whose .wants or .requires folder links to it
	options []*unit.UnitOption
}

// maxUnit bounds a unit file, which is text of some hundred bytes.
const maxUnit = 256 << 10

// Unit reads a unit of the image; an instance such as getty@tty1.service is
// made of its template and its own drop-ins.
func (r *Root) Unit(name string) (Unit, error) {
	u := Unit{Name: name}
	names := []string{name}
	if before, after, ok := strings.Cut(name, "@"); ok && !strings.HasPrefix(after, ".") {
		names = append(names, before+"@"+path.Ext(name))
	}
	for _, n := range names {
		for _, folder := range unitFolders {
			file := folder + "/" + n
			if r.masked(file) {
				u.Masked, u.Files = true, []string{file}
				return u, nil
			}
			if r.Exists(file) && u.Files == nil {
				if err := u.read(r, file); err != nil {
					return u, err
				}
			}
		}
	}
	if u.Files == nil {
		return u, fmt.Errorf("%s %w: looked in %s", name, errNotThere, strings.Join(unitFolders, ", "))
	}
	// Drop-ins apply in the order of their names, the instance's after the
	// template's of the same folder.
	for _, n := range slices.Backward(names) {
		seen := map[string]bool{}
		var dropIns []string
		for _, folder := range unitFolders {
			for _, base := range r.List(folder + "/" + n + ".d") {
				if strings.HasSuffix(base, ".conf") && !seen[base] {
					seen[base] = true
					dropIns = append(dropIns, folder+"/"+n+".d/"+base)
				}
			}
		}
		slices.SortFunc(dropIns, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
		for _, file := range dropIns {
			if err := u.read(r, file); err != nil {
				return u, err
			}
		}
	}
	for _, folder := range unitFolders {
		for _, base := range r.List(folder) {
			for _, kind := range []string{".wants", ".requires"} {
				if target, ok := strings.CutSuffix(base, kind); ok && slices.Contains(r.List(folder+"/"+base), name) {
					u.WantsIn = append(u.WantsIn, target)
				}
			}
		}
	}
	return u, nil
}

func (u *Unit) read(r *Root, file string) error {
	text, err := r.ReadFile(file, maxUnit)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	options, err := unit.DeserializeOptions(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	u.Files = append(u.Files, file)
	u.options = append(u.options, options...)
	return nil
}

// masked reports whether a unit file is a link to /dev/null.
func (r *Root) masked(file string) (masked bool) {
	_ = r.img.do(func() error {
		at, _, err := r.resolve(path.Dir(file))
		if err != nil {
			return err
		}
		entries, err := r.list(at)
		if err != nil {
			return err
		}
		if i, ok := search(entries, path.Base(file)); ok && entries[i].Kind == squashfs.Link {
			target, err := r.fs.Target(entries[i])
			masked = target == "/dev/null"
			return err
		}
		return nil
	})
	return masked
}

// All is every value of a setting that may be repeated; an empty one clears
// those before it.
func (u Unit) All(section, name string) []string {
	var all []string
	for _, o := range u.options {
		if o.Section != section || o.Name != name {
			continue
		}
		value := strings.ReplaceAll(o.Value, "\\\n", " ")
		if strings.TrimSpace(value) == "" {
			all = nil
			continue
		}
		all = append(all, strings.TrimSpace(value))
	}
	return all
}

// Last is the value of a setting that counts once.
func (u Unit) Last(section, name string) string {
	if all := u.All(section, name); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// Words is the words of all values of a setting that lists them.
func (u Unit) Words(section, name string) []string {
	var all []string
	for _, value := range u.All(section, name) {
		all = append(all, words(value)...)
	}
	return all
}

// Environment is the variables that the unit sets for its programs.
func (u Unit) Environment() map[string]string {
	env := map[string]string{}
	for _, w := range u.Words("Service", "Environment") {
		if name, value, ok := strings.Cut(w, "="); ok {
			env[name] = value
		}
	}
	return env
}

// words splits a value as systemd does: at blanks outside quotes.
func words(s string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	started, escaped := false, false
	for _, c := range s {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '"' || c == '\'':
			quote, started = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if started {
				all = append(all, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if started {
		all = append(all, word.String())
	}
	return all
}
