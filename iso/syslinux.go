package iso

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// syslinux holds the state of one menu being read.
type syslinux struct {
	*reading
	menu      Menu
	dir       string // relative names are relative to it
	global    string // APPEND before the first LABEL
	def       string
	onTimeout string
	depth     int // of MENU BEGIN; a submenu's default is not what boots by itself
	prompt    bool
	ui        bool
	entry     *raw
	raws      []*raw
	marked    string // by MENU DEFAULT
	submenu   int    // how many labels stand before the first one, and 1; 0 for none
	total     time.Duration
	defLine   int
	leads     *raw // what the default is, where that is another configuration
}

type raw struct {
	Entry
	append   string
	appended bool
	depth    int // of MENU BEGIN
	hidden   bool
	program  string // a module of the loader's, in place of a kernel
	config   string // another configuration, in place of a kernel
	dir      string // what is relative there is relative to it
}

// parseSyslinux reads an ISOLINUX, SYSLINUX or EXTLINUX configuration, and that
// which its default leads to. What was read before an error comes with it.
func parseSyslinux(name string, r *reading) (Menu, error) {
	r.menu()
	p := &syslinux{reading: r, dir: path.Dir(name), menu: Menu{File: name, Loader: "syslinux"}}
	m, err := p.read(name)
	for n := 0; err == nil && p.leads != nil && n < maxNested; n++ {
		before := m
		r.open = nil
		p = &syslinux{reading: r, dir: p.leads.dir, menu: Menu{File: p.leads.config, Loader: "syslinux", Serial: before.Serial}}
		if m, err = p.read(p.menu.File); len(m.Entries) == 0 && p.leads == nil {
			return before, nil // nothing there boots
		}
		m.Timeout, m.Waits = m.Timeout+before.Timeout, m.Waits || before.Waits
	}
	return m, err
}

func (p *syslinux) read(name string) (Menu, error) {
	err := p.file(name, p.text)
	if err != nil {
		p.out = 0 // what was read before is made, too, within a bound of its own
	}
	if madeErr := p.make(); err == nil {
		err = madeErr
	}
	return p.menu, err
}

func (p *syslinux) text(text string) error {
	help, n := false, 0
	for line := range strings.Lines(text) {
		n++
		if err := p.at(n); err != nil {
			return err
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest := cutWord(line)
		// TEXT HELP ... ENDTEXT is prose.
		key = strings.ToLower(key[:min(len(key), maxTitle)])
		if help = (help || key == "text") && key != "endtext"; help {
			continue
		}
		if len(line) > maxCommand {
			return p.over("a line of %d bytes, more than %d", len(line), maxCommand)
		}
		if key == "menu" && rest != "" {
			word, more := cutWord(rest)
			key, rest = key+" "+strings.ToLower(word), more
		}
		if err := p.directive(key, strings.Join(strings.Fields(rest), " "), n); err != nil {
			return err
		}
	}
	return nil
}

// tenths is a time in tenths of a second; what is none changes nothing.
func tenths(s string, is time.Duration) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 1<<20 {
		return time.Duration(n) * time.Second / 10
	}
	return is
}

// cutWord is the first word of a line that starts with one, and what follows.
func cutWord(line string) (word, rest string) {
	i := strings.IndexAny(line, " \t\v\f\r\u0085\u00a0")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimSpace(line[i:])
}

func (p *syslinux) directive(key, rest string, line int) error {
	switch key {
	case "menu begin":
		if p.depth == 0 && p.submenu == 0 {
			p.submenu = len(p.raws) + 1
		}
		p.depth, p.entry = p.depth+1, nil
	case "menu end":
		p.depth, p.entry = max(0, p.depth-1), nil
	case "include", "menu include":
		name, _, _ := strings.Cut(rest, " ")
		name, err := p.path(name)
		if err != nil {
			return err
		}
		return p.file(name, p.text)
	case "serial":
		p.menu.Serial = "serial " + rest
	case "timeout":
		p.menu.Timeout = tenths(rest, p.menu.Timeout)
	case "totaltimeout":
		p.total = tenths(rest, p.total)
	case "prompt":
		p.prompt = rest != "0"
	case "ui":
		p.ui = true
	case "default":
		// An old way to name the menu program, in place of UI.
		if strings.HasSuffix(rest, ".c32") {
			p.ui = true
		} else if p.depth == 0 {
			p.def, p.defLine = rest, line
		}
	case "ontimeout":
		p.onTimeout = rest
	case "label":
		file := p.open[len(p.open)-1]
		if err := p.reading.entry(file); err != nil {
			return err
		}
		rest = rest[:min(len(rest), maxTitle)]
		p.entry = &raw{Entry: Entry{ID: rest, Title: rest, File: file, Line: line}, depth: p.depth}
		p.raws = append(p.raws, p.entry)
	case "append":
		if p.entry == nil {
			p.global = rest
		} else {
			p.entry.append, p.entry.appended = rest, true
		}
	}
	if p.entry == nil {
		return nil
	}
	switch key {
	case "menu label":
		title := strings.ReplaceAll(rest, "^", "")
		p.entry.Title = title[:min(len(title), maxTitle)]
	case "menu hide":
		p.entry.hidden = true
	case "menu default":
		if p.depth == 0 {
			p.marked = p.entry.ID
		}
	case "com32":
		p.entry.program = rest
	case "config":
		name, _ := cutWord(rest)
		var err error
		p.entry.config, err = p.path(name)
		return err
	case "kernel", "linux":
		// KERNEL also starts menu modules and boot sectors.
		p.entry.program = rest
		name := strings.ToLower(rest)
		if !slices.ContainsFunc([]string{".c32", ".com", ".bin", ".bss", ".0"}, func(s string) bool { return strings.HasSuffix(name, s) }) {
			var err error
			p.entry.Kernel, err = p.path(rest)
			return err
		}
	case "initrd":
		initrds, err := p.names(rest)
		p.entry.Initrds = append(p.entry.Initrds, initrds...)
		if err == nil && len(p.entry.Initrds) > maxInitrds {
			err = p.over("more than %d initrds", maxInitrds)
		}
		return err
	}
	return nil
}

// path is where in the ISO a name leads.
func (p *syslinux) path(s string) (string, error) {
	if path.IsAbs(s) {
		return strings.TrimPrefix(path.Clean(s), "/"), p.word(len(s))
	}
	if err := p.word(len(p.dir) + 1 + len(s)); err != nil {
		return "", err
	}
	return path.Join(p.dir, s), nil
}

func (p *syslinux) names(list string) ([]string, error) {
	var all []string
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		if len(all) == maxInitrds {
			return all, p.over("more than %d initrds", maxInitrds)
		}
		name, err := p.path(s)
		if err != nil {
			return all, err
		}
		all = append(all, name)
	}
	return all, nil
}
