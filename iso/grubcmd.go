package iso

import (
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// command does what one command does, as far as that can be told, and keeps
// whether it succeeds.
func (p *grub) command(words []word, line int) error {
	invert := p.invert
	p.invert = false
	p.result, p.why = yes, ""
	err := p.do(words, line)
	if invert {
		p.result = p.result.not()
	}
	return err
}

func (p *grub) do(words []word, line int) error {
	name := words[0].text
	if key, text, ok := strings.Cut(name, "="); ok && words[0].bare && variable.MatchString(key) {
		return p.set(key, value{text, words[0].why}) // what follows is not looked at
	}
	if f, ok := p.env.functions[name]; ok {
		return p.call(f, words)
	}
	switch name {
	case "set":
		if len(words) > 1 { // the others are not looked at
			if key, text, ok := strings.Cut(words[1].text, "="); ok {
				return p.set(key, value{text, words[1].why})
			}
		}
	case "unset":
		for _, w := range words[1:] {
			if err := p.set(w.text, value{}); err != nil {
				return err
			}
		}
	case "export":
		for _, w := range words[1:] {
			key, _, _ := strings.Cut(w.text, "=")
			p.env.exported[key] = true
		}
		return p.spend(entryCost)
	case "true", "echo", "export_all":
	case "false":
		p.result = no
	case "[", "test":
		p.result = p.test(words)
		if p.result == maybe {
			p.why = p.says("whether " + joined(words))
		}
	case "serial":
		if p.entry == nil {
			p.menu.Serial = joined(words)
		}
	case "search", "search.file", "search.fs_label", "search.fs_uuid":
		return p.search(words)
	case "load_env":
		return p.loadEnv(words)
	case "source", ".":
		return p.source(words)
	case "configfile":
		return p.configfile(words)
	case "return":
		p.leave(words)
	case "exit", "normal_exit", "halt", "reboot":
		if p.entry == nil {
			p.level.doubt = or(p.level.doubt, p.says("what the menu holds behind "+name))
		}
	case "break", "continue":
		p.skip(name)
	case "boot":
		p.boot()
	case "eval":
		return p.eval(words, line)
	case "blscfg", "legacy_configfile", "legacy_source", "extract_entries_source", "extract_entries_configfile":
		p.level.doubt = or(p.level.doubt, p.says("what "+name+" adds to the menu"))
	case "multiboot", "multiboot2", "xen_hypervisor":
		if p.entry != nil {
			p.entry.Doubt = or(p.entry.Doubt, p.says(name+" boots another kernel first"))
		}
	case "linux", "linux16", "linuxefi", "linux32":
		return p.linux(words, line)
	case "initrd", "initrd16", "initrdefi":
		return p.initrd(words)
	default:
		p.result, p.why = maybe, p.says("whether "+joined(words)+" succeeds")
		return p.answers(words)
	}
	return nil
}

// joined is a command in words, cut where nobody would read on.
func joined(words []word) string {
	var all []string
	n := 0
	for _, w := range words {
		if n += len(w.text); n > maxTitle {
			all = append(all, "...")
			break
		}
		all = append(all, w.text)
	}
	return strings.Join(all, " ")
}

// answers are the variables that a command such as probe or regexp sets, to
// what only the machine can tell.
func (p *grub) answers(words []word) error {
	for i, w := range words[1:] {
		key, text, joined := strings.Cut(w.text, "=")
		if key != "--set" && key != "-s" {
			continue
		}
		if !joined && i+2 < len(words) {
			text = words[i+2].text
		}
		if _, after, ok := strings.Cut(text, ":"); ok {
			text = after
		}
		if err := p.set(text, value{why: p.why}); err != nil {
			return err
		}
	}
	return nil
}

// boot starts what was loaded outside of the menu's entries.
func (p *grub) boot() {
	if p.entry != nil || !p.loose.loads() {
		return
	}
	if why := p.doubt(); why != "" {
		p.level.doubt = or(p.level.doubt, why)
		return
	}
	p.level.items = []item{{at: len(p.menu.Entries), made: true}}
	p.menu.Entries = append(p.menu.Entries, *p.loose)
	p.level.env.vars["timeout"], p.level.env.vars["default"] = value{text: "0"}, value{}
	p.stop = ends
}

func (p *grub) linux(words []word, line int) error {
	if len(words) < 2 {
		return nil
	}
	e := p.entry
	if e == nil {
		file := p.open[len(p.open)-1]
		p.loose = &Entry{File: file}
		e = p.loose
		if err := p.reading.entry(file); err != nil {
			return err
		}
	}
	e.Kernel, e.Args, e.Initrds = p.name(words[1].value), nil, nil
	e.Line, e.File = line, p.open[len(p.open)-1]
	if words[1].unsure() {
		e.Doubt = or(e.Doubt, words[1].why)
	}
	for _, w := range words[2:] {
		e.Args = append(e.Args, w.text)
		e.Doubt = or(e.Doubt, w.why)
	}
	e.Doubt = or(e.Doubt, p.doubt())
	return p.spend(wordCost*len(e.Args) + len(e.Kernel))
}

func (p *grub) initrd(words []word) error {
	e := p.entry
	if e == nil {
		e = p.loose
	}
	if e == nil {
		return nil
	}
	if len(words)-1 > maxInitrds {
		return p.over("more than %d initrds", maxInitrds)
	}
	e.Initrds = nil // GRUB has those of the last command
	for _, w := range words[1:] {
		name := p.name(w.value)
		e.Initrds = append(e.Initrds, name)
		if w.unsure() {
			e.Doubt = or(e.Doubt, w.why)
		}
		if err := p.word(len(name)); err != nil {
			return err
		}
	}
	e.Doubt = or(e.Doubt, p.doubt())
	return nil
}
