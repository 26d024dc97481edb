package iso

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// grub holds the state of one menu being read. Conditions are not evaluated:
// what stands in any branch counts.
type grub struct {
	menu     Menu
	load     loader
	vars     map[string]string
	includes int
	entry    *Entry
	depth    int // of braces
	entryAt  int // depth of the entry's own braces
	titles   []string
	opened   []bool // per brace: it opened a submenu
}

// parseGRUB reads a GRUB 2 configuration.
func parseGRUB(name string, load loader) (Menu, error) {
	p := &grub{
		load: load,
		menu: Menu{File: name, Loader: "grub"},
		vars: map[string]string{"prefix": "/" + path.Dir(name), "root": "", "config_directory": "/" + path.Dir(name)},
	}
	if err := p.file(name); err != nil {
		return Menu{}, err
	}
	p.menu.Waits, p.menu.Default = true, -1
	if s, ok := p.vars["timeout"]; ok {
		if seconds, err := strconv.Atoi(s); err == nil && seconds >= 0 {
			p.menu.Waits, p.menu.Timeout = false, time.Duration(seconds)*time.Second
		}
	}
	p.menu.Default = p.defaultEntry()
	return p.menu, nil
}

// defaultEntry is the index of the entry that $default names by number, id or
// title; the first when it names none that exists.
func (p *grub) defaultEntry() int {
	if len(p.menu.Entries) == 0 {
		return -1
	}
	def := p.vars["default"]
	if n, err := strconv.Atoi(def); err == nil && n >= 0 && n < len(p.menu.Entries) {
		return n
	}
	for i, e := range p.menu.Entries {
		if def != "" && (e.ID == def || e.Title == def) {
			return i
		}
	}
	return 0
}

func (p *grub) file(name string) error {
	if p.includes++; p.includes > maxIncludes {
		return nil
	}
	text, err := p.load(name)
	if err != nil {
		return err
	}
	s := &scanner{text: string(text), line: 1}
	for {
		line := s.line
		words, end := s.command(p.vars)
		if len(words) > 0 {
			if err := p.command(words, name, line); err != nil {
				return err
			}
		}
		switch end {
		case '{':
			p.depth++
			p.opened = append(p.opened, len(words) > 0 && words[0] == "submenu")
		case '}':
			p.closeBrace()
		case 0:
			return nil
		}
	}
}

func (p *grub) closeBrace() {
	if p.depth == 0 {
		return
	}
	if p.opened[p.depth-1] && len(p.titles) > 0 {
		p.titles = p.titles[:len(p.titles)-1]
	}
	p.depth--
	p.opened = p.opened[:p.depth]
	if p.entry != nil && p.depth == p.entryAt {
		if p.entry.Kernel != "" {
			p.menu.Entries = append(p.menu.Entries, *p.entry)
		}
		p.entry = nil
	}
}

func (p *grub) command(words []string, file string, line int) error {
	for len(words) > 1 && (words[0] == "then" || words[0] == "else" || words[0] == "do") {
		words = words[1:]
	}
	switch words[0] {
	case "set":
		for _, w := range words[1:] {
			if name, value, ok := strings.Cut(w, "="); ok {
				// Bounded, because a value may double itself on each line.
				p.vars[name] = value[:min(len(value), 4096)]
			}
		}
	case "serial":
		p.menu.Serial = strings.Join(words, " ")
	case "source", "configfile", ".":
		if len(words) > 1 {
			name := p.name(words[1])
			if _, err := p.load(name); err == nil {
				return p.file(name)
			}
		}
	case "submenu":
		title, _ := titleAndID(words[1:])
		p.titles = append(p.titles, title)
	case "menuentry":
		title, id := titleAndID(words[1:])
		title = strings.Join(append(p.titles[:len(p.titles):len(p.titles)], title), ">")
		p.entryAt = p.depth
		p.entry = &Entry{ID: id, Title: title[:min(len(title), maxTitle)], File: file, Line: line}
	case "linux", "linux16", "linuxefi":
		if p.entry != nil && len(words) > 1 {
			p.entry.Kernel = p.name(words[1])
			p.entry.Args = words[2:]
			p.entry.Line = line
		}
	case "initrd", "initrd16", "initrdefi":
		if p.entry != nil {
			for _, w := range words[1:] {
				p.entry.Initrds = append(p.entry.Initrds, p.name(w))
			}
		}
	}
	return nil
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

// scanner splits GRUB's shell language into commands.
type scanner struct {
	text string
	pos  int
	line int
}

// command is the next command's words and what ended it: newline, ';', '{',
// '}' or 0 at the end of the text.
func (s *scanner) command(vars map[string]string) (words []string, end byte) {
	var word strings.Builder
	started := false
	finish := func() {
		if started {
			words = append(words, word.String())
		}
		word.Reset()
		started = false
	}
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\n':
			s.line++
			finish()
			return words, c
		case c == ';' || c == '}' && !started:
			finish()
			return words, c
		case c == '{' && !started:
			finish()
			return words, c
		case c == ' ' || c == '\t' || c == '\r':
			finish()
		case c == '#' && !started:
			for s.pos < len(s.text) && s.text[s.pos] != '\n' {
				s.pos++
			}
		case c == '\\':
			if s.pos < len(s.text) {
				if s.text[s.pos] == '\n' {
					s.line++
				} else {
					word.WriteByte(s.text[s.pos])
					started = true
				}
				s.pos++
			}
		case c == '\'':
			started = true
			for s.pos < len(s.text) && s.text[s.pos] != '\'' {
				s.literal(&word)
			}
			s.pos++
		case c == '"':
			started = true
			for s.pos < len(s.text) && s.text[s.pos] != '"' {
				if s.text[s.pos] == '$' {
					s.pos++
					word.WriteString(s.variable(vars))
					continue
				}
				if s.text[s.pos] == '\\' && s.pos+1 < len(s.text) {
					s.pos++
				}
				s.literal(&word)
			}
			s.pos++
		case c == '$':
			if strings.HasPrefix(s.text[s.pos:], "menuentry_id_option") {
				word.WriteByte('$')
				started = true
				continue
			}
			if value := s.variable(vars); value != "" {
				word.WriteString(value)
				started = true
			}
		default:
			word.WriteByte(c)
			started = true
		}
	}
	finish()
	return words, 0
}

func (s *scanner) literal(word *strings.Builder) {
	if s.text[s.pos] == '\n' {
		s.line++
	}
	word.WriteByte(s.text[s.pos])
	s.pos++
}

// variable is the value of the name at pos: $name or ${name}. One that is not
// set, such as those that only GRUB itself knows, is empty.
func (s *scanner) variable(vars map[string]string) string {
	rest := s.text[s.pos:]
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexAny(rest, "}\n")
		if end < 0 || rest[end] == '\n' {
			return ""
		}
		s.pos += end + 1
		return vars[rest[1:end]]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'z' || rest[n] >= 'A' && rest[n] <= 'Z') {
		n++
	}
	s.pos += n
	return vars[rest[:n]]
}
