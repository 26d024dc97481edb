package iso

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Menu is one boot loader's menu.
type Menu struct {
	File    string // the configuration file in the ISO
	Loader  string // syslinux or grub
	Serial  string // what sets the menu up on the serial port; "" when nothing does
	Timeout time.Duration
	Waits   bool // for a key, for ever: there is no timeout
	Default int  // index into Entries; -1 when nothing is booted by itself
	Entries []Entry
}

// Entry is one choice of a menu that boots a Linux kernel.
type Entry struct {
	ID      string // what the menu's default names it by
	Title   string
	Kernel  string // path in the ISO
	Initrds []string
	Args    []string // the kernel's command line
	File    string   // where it is written
	Line    int
}

// Where is the entry's place, for an error.
func (e Entry) Where() string { return fmt.Sprintf("%s:%d", e.File, e.Line) }

// Consoles are the console= arguments in order, without their options; the
// last is what /dev/console writes to.
func (e Entry) Consoles() []string {
	var all []string
	for _, value := range e.values("console") {
		device, _, _ := strings.Cut(value, ",")
		all = append(all, device)
	}
	return all
}

// Label is the volume that root=LABEL= names.
func (e Entry) Label() string {
	for _, value := range e.values("root") {
		for _, prefix := range []string{"LABEL=", "live:LABEL=", "live:CDLABEL="} {
			if label, ok := strings.CutPrefix(value, prefix); ok {
				return unescape(label)
			}
		}
		if label, ok := strings.CutPrefix(value, "/dev/disk/by-label/"); ok {
			return unescape(label)
		}
	}
	return ""
}

var escape = regexp.MustCompile(`\\x[0-9a-fA-F]{2}`)

// unescape undoes udev's \x20.
func unescape(label string) string {
	return escape.ReplaceAllStringFunc(label, func(s string) string {
		b, _ := hex.DecodeString(s[2:]) // two hexadecimal digits, says the pattern
		return string(b)
	})
}

func (e Entry) values(name string) []string {
	var all []string
	for _, arg := range e.Args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			all = append(all, value)
		}
	}
	return all
}

// maxTitle is where what names an entry is cut, in bytes.
const maxTitle = 200

// findMenus parses each boot menu of the ISO. A folder's main configuration
// stands for those that it includes. The menus before an error, and what was
// read of the one that has it, come with it.
func findMenus(img *Image) ([]Menu, error) {
	r := &reading{
		load: func(name string) ([]byte, error) { return img.read(name, maxConfig+1) },
		late: img.file.late,
	}
	var menus []Menu
	seen := map[string]bool{}
	for _, name := range img.tree.paths {
		var parse func(string, *reading) (Menu, error)
		switch base := strings.ToLower(path.Base(name)); {
		case slices.Contains([]string{"isolinux.cfg", "syslinux.cfg", "extlinux.conf"}, base):
			parse = parseSyslinux
		case base == "grub.cfg":
			parse = parseGRUB
		default:
			continue
		}
		m, err := parse(name, r)
		// Of two files, one may be there to be read by the other.
		if slices.ContainsFunc(m.Entries, func(e Entry) bool { return !seen[e.Where()] }) {
			menus = append(menus, m)
		}
		if err == nil && len(menus) > maxMenus {
			err = fmt.Errorf("%s: more than %d boot menus", name, maxMenus)
		}
		if err != nil {
			return menus, err
		}
		for _, e := range m.Entries {
			seen[e.Where()] = true
		}
	}
	if len(menus) == 0 {
		return nil, errors.New("no boot menu: no isolinux.cfg, syslinux.cfg, extlinux.conf or grub.cfg with an entry that boots Linux")
	}
	return menus, nil
}
