package iso

import (
	"cmp"
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
}

type raw struct {
	Entry
	append   string
	appended bool
}

// parseSyslinux reads an ISOLINUX, SYSLINUX or EXTLINUX configuration. What was
// read before an error comes with it.
func parseSyslinux(name string, r *reading) (Menu, error) {
	r.menu()
	p := &syslinux{reading: r, dir: path.Dir(name), menu: Menu{File: name, Loader: "syslinux"}}
	err := p.file(name, p.text)
	if err != nil {
		r.out = 0 // what was read before is made, too, within a bound of its own
	}
	if madeErr := p.make(); err == nil {
		err = madeErr
	}
	return p.menu, err
}

// make makes the menu of what was read.
func (p *syslinux) make() error {
	p.menu.Waits = p.menu.Timeout == 0 && (p.prompt || p.ui)
	p.menu.Default = -1
	// DEFAULT may carry arguments of its own after the label.
	def, _, _ := strings.Cut(cmp.Or(p.onTimeout, p.marked, p.def), " ")
	var global *commandLine
	for _, r := range p.raws {
		if r.Kernel == "" {
			continue
		}
		p.open, p.line = []string{r.File}, r.Line
		var line *commandLine
		var err error
		if r.appended {
			line, err = p.split(r.append)
		} else {
			if global == nil {
				global, err = p.split(p.global)
			}
			line = global
		}
		if err == nil {
			// What reads the menu goes through them for each entry, shared or not.
			err = p.spend(line.cost)
		}
		if err != nil {
			return err
		}
		if len(r.Initrds)+len(line.initrds) > maxInitrds {
			return p.over("more than %d initrds", maxInitrds)
		}
		r.Initrds = append(r.Initrds, line.initrds...)
		r.Args = line.args
		if r.ID == def {
			p.menu.Default = len(p.menu.Entries)
		}
		p.menu.Entries = append(p.menu.Entries, r.Entry)
	}
	if p.menu.Default < 0 && def == "" && p.ui && len(p.menu.Entries) > 0 {
		p.menu.Default = 0 // the menu programs start on their first entry
	}
	return nil
}

// commandLine is what an APPEND says.
type commandLine struct {
	args, initrds []string
	cost          int
}

func (p *syslinux) split(text string) (*commandLine, error) {
	line := &commandLine{}
	if text == "-" {
		return line, nil
	}
	for arg := range strings.FieldsSeq(text) {
		line.cost += wordCost + len(arg)
		if value, ok := strings.CutPrefix(arg, "initrd="); ok {
			initrds, err := p.names(value)
			if err != nil {
				return nil, err
			}
			line.initrds = append(line.initrds, initrds...)
			continue
		}
		if len(arg) > maxWord {
			return nil, p.over("a word of %d bytes, more than %d", len(arg), maxWord)
		}
		line.args = append(line.args, arg)
	}
	line.args, line.initrds = slices.Clip(line.args), slices.Clip(line.initrds)
	return line, nil
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
		if tenths, err := strconv.Atoi(rest); err == nil && tenths >= 0 {
			p.menu.Timeout = time.Duration(tenths) * time.Second / 10
		}
	case "prompt":
		p.prompt = rest != "0"
	case "ui":
		p.ui = true
	case "default":
		// An old way to name the menu program, in place of UI.
		if strings.HasSuffix(rest, ".c32") {
			p.ui = true
		} else if p.depth == 0 {
			p.def = rest
		}
	case "ontimeout":
		p.onTimeout = rest
	case "label":
		file := p.open[len(p.open)-1]
		if err := p.reading.entry(file); err != nil {
			return err
		}
		rest = rest[:min(len(rest), maxTitle)]
		p.entry = &raw{Entry: Entry{ID: rest, Title: rest, File: file, Line: line}}
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
	case "menu default":
		if p.depth == 0 {
			p.marked = p.entry.ID
		}
	case "kernel", "linux":
		// KERNEL also starts menu modules and boot sectors.
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
