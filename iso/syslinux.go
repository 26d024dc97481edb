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
	menu      Menu
	load      loader
	dir       string // relative names are relative to it
	includes  int
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

// parseSyslinux reads an ISOLINUX, SYSLINUX or EXTLINUX configuration.
func parseSyslinux(name string, load loader) (Menu, error) {
	p := &syslinux{load: load, dir: path.Dir(name), menu: Menu{File: name, Loader: "syslinux"}}
	if err := p.file(name); err != nil {
		return Menu{}, err
	}
	p.menu.Waits = p.menu.Timeout == 0 && (p.prompt || p.ui)
	p.menu.Default = -1
	def := p.def
	if p.marked != "" {
		def = p.marked
	}
	if p.onTimeout != "" {
		def = p.onTimeout
	}
	// DEFAULT may carry arguments of its own after the label.
	def, _, _ = strings.Cut(def, " ")
	for _, r := range p.raws {
		args := r.append
		if !r.appended {
			args = p.global
		}
		if args == "-" {
			args = ""
		}
		for _, arg := range strings.Fields(args) {
			if value, ok := strings.CutPrefix(arg, "initrd="); ok {
				r.Initrds = append(r.Initrds, p.names(value)...)
				continue
			}
			r.Args = append(r.Args, arg)
		}
		if r.Kernel == "" {
			continue
		}
		if r.ID == def {
			p.menu.Default = len(p.menu.Entries)
		}
		p.menu.Entries = append(p.menu.Entries, r.Entry)
	}
	if p.menu.Default < 0 && def == "" && p.ui && len(p.menu.Entries) > 0 {
		p.menu.Default = 0 // the menu programs start on their first entry
	}
	return p.menu, nil
}

func (p *syslinux) file(name string) error {
	if p.includes++; p.includes > maxIncludes {
		return nil
	}
	text, err := p.load(name)
	if err != nil {
		return err
	}
	help := false
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		key, rest := strings.ToLower(words[0]), strings.Join(words[1:], " ")
		if key == "menu" && len(words) > 1 {
			key += " " + strings.ToLower(words[1])
			rest = strings.Join(words[2:], " ")
		}
		// TEXT HELP ... ENDTEXT is prose.
		if help = (help || key == "text") && key != "endtext"; help {
			continue
		}
		if err := p.directive(key, rest, name, i+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *syslinux) directive(key, rest, file string, line int) error {
	switch key {
	case "menu begin":
		p.depth, p.entry = p.depth+1, nil
	case "menu end":
		p.depth, p.entry = max(0, p.depth-1), nil
	case "include", "menu include":
		// Menus may name files that the ISO lacks; the loader skips them.
		name, _, _ := strings.Cut(rest, " ")
		if _, err := p.load(p.name(name)); err == nil {
			return p.file(p.name(name))
		}
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
			p.entry.Kernel = p.name(rest)
		}
	case "initrd":
		p.entry.Initrds = append(p.entry.Initrds, p.names(rest)...)
	}
	return nil
}

func (p *syslinux) name(s string) string {
	if path.IsAbs(s) {
		return strings.TrimPrefix(path.Clean(s), "/")
	}
	return path.Join(p.dir, s)
}

func (p *syslinux) names(list string) []string {
	var all []string
	for _, s := range strings.Split(list, ",") {
		if s != "" {
			all = append(all, p.name(s))
		}
	}
	return all
}
