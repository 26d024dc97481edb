package iso

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// label is the entry that a command's first word names.
func (p *syslinux) label(command string) *raw {
	name, _ := cutWord(command)
	at := slices.IndexFunc(p.raws, func(r *raw) bool { return r.ID == name && name != "" })
	if at < 0 {
		return nil
	}
	return p.raws[at]
}

// chosen is what is booted by itself: DEFAULT may carry arguments of its own
// after the label, and whichsys.c32 goes on with the label for the medium.
func (p *syslinux) chosen() string {
	def := cmp.Or(p.onTimeout, p.marked, p.def)
	for range maxNested {
		r := p.label(def)
		if r == nil || !strings.HasSuffix(strings.ToLower(r.program), "whichsys.c32") {
			break
		}
		medium := "-sys-"
		if strings.HasPrefix(strings.ToLower(path.Base(p.menu.File)), "isolinux") {
			medium = "-iso-"
		}
		_, after, _ := strings.Cut(" "+r.append+" ", " "+medium+" ")
		def = strings.TrimSpace(after)
	}
	return def
}

// first is the label that the menu programs start on where the default names
// none, as menu.c32 was seen to; nil where that is a submenu.
func (p *syslinux) first() *raw {
	for i, r := range p.raws {
		if p.submenu > 0 && i >= p.submenu-1 {
			break
		}
		if r.depth == 0 && !r.hidden {
			return r
		}
	}
	return nil
}

// make makes the menu of what was read.
func (p *syslinux) make() error {
	if p.total > 0 && p.menu.Timeout == 0 {
		p.menu.Timeout = p.total
	}
	p.menu.Waits = p.menu.Timeout == 0 && (p.prompt || p.ui)
	p.menu.Default = -1
	command := p.chosen()
	chosen := p.label(command)
	if chosen == nil && p.ui {
		chosen = p.first()
	}
	if chosen != nil && chosen.config != "" {
		p.leads = chosen
		if chosen.dir = p.dir; chosen.appended {
			dir, err := p.path(chosen.append)
			if err != nil {
				return err
			}
			chosen.dir = dir
		}
	}
	if chosen == nil && !p.ui {
		if err := p.unlabelled(command); err != nil {
			return err
		}
	}
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
		if r == chosen {
			p.menu.Default = len(p.menu.Entries)
		}
		p.menu.Entries = append(p.menu.Entries, r.Entry)
	}
	if p.menu.Default < 0 && chosen != nil {
		p.menu.boots = chosen.Title
	}
	return nil
}

// unlabelled makes an entry of a command that names a kernel, not a label.
func (p *syslinux) unlabelled(command string) error {
	name, args := cutWord(command)
	file, err := p.path(name)
	if err != nil || name == "" {
		return err
	}
	if _, dir, err := p.stat(file); err != nil || dir {
		return nil
	}
	if err := p.reading.entry(p.menu.File); err != nil {
		return err
	}
	line, err := p.split(strings.TrimSpace(p.global + " " + args))
	if err != nil {
		return err
	}
	name = name[:min(len(name), maxTitle)]
	p.menu.Default = len(p.menu.Entries)
	p.menu.Entries = append(p.menu.Entries, Entry{ID: name, Title: name, Kernel: file, Initrds: line.initrds, Args: line.args, File: p.menu.File, Line: p.defLine})
	return p.spend(line.cost)
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
