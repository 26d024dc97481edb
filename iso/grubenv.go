package iso

import (
	"maps"
	"strconv"
	"strings"
)

// value is what a variable or a word says; why is why that cannot be told, and
// "" where it can.
type value struct{ text, why string }

// environment is what GRUB calls a context: the variables of a menu.
type environment struct {
	vars      map[string]value
	exported  map[string]bool
	functions map[string]snippet
}

// features are the variables of GRUB 2.02 and later that say y.
var features = []string{"chainloader_bpb", "ntldr", "platform_search_hint", "default_font_path", "all_video_module",
	"menuentry_id", "menuentry_options", "200_final", "nativedisk_cmd", "timeout_style"}

// start is the environment that GRUB starts with.
func (p *grub) start(device, platform, cpu string) *environment {
	e := &environment{vars: map[string]value{}, exported: map[string]bool{}, functions: map[string]snippet{}}
	for name, v := range map[string]value{
		"root": {device, whichDevice}, "prefix": {p.dir, whichDevice}, "config_directory": {p.dir, whichDevice},
		"grub_platform": {text: platform}, "grub_cpu": {text: cpu},
		"cmdpath": {why: whichDevice}, "net_default_server": {why: whichDevice}, "net_default_ip": {why: whichDevice},
	} {
		e.vars[name], e.exported[name] = v, true
	}
	for _, name := range features {
		e.vars["feature_"+name], e.exported["feature_"+name] = value{text: "y"}, true
	}
	return e
}

// whichDevice is why nobody can tell what GRUB calls the device that it comes from.
// Files on it can be found all the same.
const whichDevice = "what GRUB calls the image's device"

// inner is the environment of a submenu or of a configfile: it sees what is
// exported, and sets what is its own.
func (p *grub) inner() (*environment, error) {
	e := &environment{vars: map[string]value{}, exported: map[string]bool{}, functions: maps.Clone(p.env.functions)}
	size := entryCost * len(e.functions)
	for name := range p.env.exported {
		e.vars[name], e.exported[name] = p.env.vars[name], true
		size += entryCost
	}
	return e, p.spend(size)
}

// get is what a variable says. One that is not set is empty.
func (p *grub) get(name string) value {
	switch {
	case name == "?":
		return value{why: p.says("what $? is")}
	case name == "#":
		return value{text: strconv.Itoa(max(0, len(p.args)-1))}
	case name == "@" || name == "*":
		var all value
		for i, v := range p.args[min(1, len(p.args)):] {
			if i > 0 {
				all.text += " "
			}
			all.text, all.why = all.text+v.text, or(all.why, v.why)
			if len(all.text) > maxWord { // too long in any case
				break
			}
		}
		return all
	case name != "" && name[0] >= '0' && name[0] <= '9':
		if n, err := strconv.Atoi(name); err == nil && n < len(p.args) {
			return p.args[n]
		}
		return value{}
	}
	return p.env.vars[name]
}

// set gives a variable a value. What a branch changed that may not be run is
// kept, to be undone.
func (p *grub) set(name string, v value) error {
	if name == "root" { // with or without parentheses
		v.text = strings.TrimSuffix(strings.TrimPrefix(v.text, "("), ")")
	}
	for i := len(p.frames) - 1; i >= 0; i-- {
		if f := p.frames[i]; (f.why != "" || f.keeps) && f.env == p.env {
			if _, kept := f.before[name]; !kept {
				if f.before == nil {
					f.before = map[string]value{}
				}
				f.before[name] = p.env.vars[name]
			}
			break
		}
	}
	if len(v.text) > maxWord {
		return p.over("a variable of %d bytes, more than %d", len(v.text), maxWord)
	}
	p.env.vars[name] = v
	return p.spend(wordCost + len(name))
}
