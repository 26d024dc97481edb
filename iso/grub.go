package iso

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// grub holds the state of one menu being read. Conditions are not evaluated:
// what stands in any branch counts.
type grub struct {
	*reading
	menu    Menu
	vars    map[string]string
	entry   *Entry
	entryAt int      // how many braces were open before the entry's own
	titles  []string // of the submenus, each with those above it
	top     []int    // where each entry of the outermost menu begins in menu.Entries; -1 is one that boots no Linux
	opened  []bool   // per brace: it opened a submenu
}

// parseGRUB reads a GRUB 2 configuration. What was read before an error comes
// with it.
func parseGRUB(name string, r *reading) (Menu, error) {
	r.menu()
	p := &grub{
		reading: r,
		menu:    Menu{File: name, Loader: "grub"},
		vars:    map[string]string{"prefix": "/" + path.Dir(name), "root": "", "config_directory": "/" + path.Dir(name)},
	}
	err := p.file(name, p.text)
	p.menu.Waits, p.menu.Default = true, -1
	if s, ok := p.vars["timeout"]; ok {
		if seconds, err := strconv.Atoi(s); err == nil && seconds >= 0 {
			p.menu.Waits, p.menu.Timeout = false, time.Duration(seconds)*time.Second
		}
	}
	p.menu.Default = p.defaultEntry()
	return p.menu, err
}

// defaultEntry is the index of the entry that $default names by number, id or
// title; the first when it names none that exists, and -1 for one that boots no
// Linux. Numbers count what the outermost menu shows, submenus among it.
func (p *grub) defaultEntry() int {
	if len(p.menu.Entries) == 0 {
		return -1
	}
	def := p.vars["default"]
	if n, err := strconv.Atoi(def); err == nil && n >= 0 && n < len(p.top) {
		if at := p.top[n]; at < len(p.menu.Entries) {
			return at
		}
		return -1
	}
	for i, e := range p.menu.Entries {
		if def != "" && (e.ID == def || e.Title == def) {
			return i
		}
	}
	return 0
}

func (p *grub) text(text string) error {
	s := &scanner{text: text, line: 1, reading: p.reading}
	for {
		line := s.line
		if err := p.at(line); err != nil {
			return err
		}
		words, end, err := s.command(p.vars)
		if err == nil && len(words) > 0 {
			err = p.command(words, line)
		}
		if err != nil {
			return err
		}
		switch end {
		case '{':
			if len(p.opened) == maxBraces {
				return p.over("more than %d braces in one another", maxBraces)
			}
			p.opened = append(p.opened, len(words) > 0 && words[0] == "submenu")
		case '}':
			p.closeBrace()
		case 0:
			return nil
		}
	}
}

func (p *grub) closeBrace() {
	depth := len(p.opened) - 1
	if depth < 0 {
		return
	}
	if p.opened[depth] && len(p.titles) > 0 {
		p.titles = p.titles[:len(p.titles)-1]
	}
	p.opened = p.opened[:depth]
	if p.entry != nil && depth == p.entryAt {
		if p.entry.Kernel != "" {
			p.menu.Entries = append(p.menu.Entries, *p.entry)
		} else if len(p.titles) == 0 && len(p.top) > 0 {
			p.top[len(p.top)-1] = -1
		}
		p.entry = nil
	}
}

// beforeCommand are GRUB's words that a command may stand behind.
var beforeCommand = []string{"if", "elif", "while", "until", "then", "else", "do", "!"}

var variable = regexp.MustCompile(`^[A-Za-z_]\w*$`)

func (p *grub) command(words []string, line int) error {
	for len(words) > 1 && slices.Contains(beforeCommand, words[0]) {
		words = words[1:]
	}
	if name, value, ok := strings.Cut(words[0], "="); ok && len(words) == 1 && variable.MatchString(name) {
		p.vars[name] = value // as set has it
	}
	switch words[0] {
	case "set":
		for _, w := range words[1:] {
			if name, value, ok := strings.Cut(w, "="); ok {
				p.vars[name] = value
			}
		}
	case "serial":
		p.menu.Serial = strings.Join(words, " ")
	case "source", "configfile", ".":
		if len(words) > 1 {
			return p.file(p.name(words[1]), p.text)
		}
	case "submenu":
		title, _ := titleAndID(words[1:])
		if len(p.titles) == maxBraces {
			return p.over("more than %d submenus in one another", maxBraces)
		}
		p.shows()
		p.titles = append(p.titles, p.below(title))
	case "menuentry":
		title, id := titleAndID(words[1:])
		file := p.open[len(p.open)-1]
		p.shows()
		p.entryAt = len(p.opened)
		p.entry = &Entry{ID: id, Title: p.below(title), File: file, Line: line}
		return p.reading.entry(file)
	case "linux", "linux16", "linuxefi":
		if p.entry != nil && len(words) > 1 {
			p.entry.Kernel = p.name(words[1])
			p.entry.Args = words[2:]
			p.entry.Line = line
		}
	case "initrd", "initrd16", "initrdefi":
		if p.entry != nil {
			for _, w := range words[1:] {
				if len(p.entry.Initrds) == maxInitrds {
					return p.over("more than %d initrds", maxInitrds)
				}
				p.entry.Initrds = append(p.entry.Initrds, p.name(w))
			}
		}
	}
	return nil
}

// shows counts an entry of the outermost menu, or a submenu there.
func (p *grub) shows() {
	if len(p.titles) == 0 && len(p.top) < maxTop {
		p.top = append(p.top, len(p.menu.Entries))
	}
}

// maxTop bounds the entries that are counted: more than that no number names.
const maxTop = 10_000

// below is a title behind those of the submenus that it stands in, cut where
// nobody would read on.
func (p *grub) below(title string) string {
	title = title[:min(len(title), maxTitle)]
	if n := len(p.titles); n > 0 {
		title = p.titles[n-1] + ">" + title
	}
	return title[:min(len(title), maxTitle)]
}

// titleAndID are those of a menu entry's words: options may stand before the
// title, and some take a word of their own.
func titleAndID(words []string) (title, id string) {
	found := false
	for i := 0; i < len(words); i++ {
		switch name, value, joined := strings.Cut(words[i], "="); name {
		case "--id", "$menuentry_id_option", "--class", "--hotkey", "--users", "--source":
			if !joined && i+1 < len(words) {
				i++
				value = words[i]
			}
			if name == "--id" || name == "$menuentry_id_option" {
				id = value
			}
		default:
			if !found && !strings.HasPrefix(words[i], "--") {
				title, found = words[i], true
			}
		}
	}
	return title, id
}

// name drops GRUB's device, as in ($root)/boot/grub.
func (p *grub) name(s string) string {
	if strings.HasPrefix(s, "(") {
		if _, rest, ok := strings.Cut(s, ")"); ok {
			s = rest
		}
	}
	return strings.TrimPrefix(path.Clean("/"+s), "/")
}
