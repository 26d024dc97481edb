package iso

import (
	"slices"
	"strings"
)

// call runs a function.
func (p *grub) call(f snippet, words []word) error {
	if p.calls == maxNested {
		return p.over("more than %d functions that call one another", maxNested)
	}
	args := p.args
	p.args, p.calls = nil, p.calls+1
	for _, w := range words {
		p.args = append(p.args, w.value)
	}
	err := p.script(f)
	p.args, p.calls = args, p.calls-1
	if p.stop == returns {
		p.stop = goesOn
	}
	return err
}

// eval runs its words as commands.
func (p *grub) eval(words []word, line int) error {
	if p.calls == maxNested {
		return p.over("more than %d functions that call one another", maxNested)
	}
	var text []string
	for _, w := range words[1:] {
		if w.unsure() {
			p.level.doubt = or(p.level.doubt, w.why)
			return nil
		}
		text = append(text, w.text)
	}
	p.calls++
	err := p.script(snippet{text: strings.Join(text, " "), file: p.open[len(p.open)-1], line: line})
	p.calls--
	return err
}

// leave ends a function, where it is sure that it is come to. Nothing else can be
// left so: of a file, GRUB goes on reading.
func (p *grub) leave(words []word) {
	if p.calls == 0 {
		p.result = no
		return
	}
	if why := p.doubt(); why != "" {
		p.level.doubt = or(p.level.doubt, why)
		return
	}
	p.stop = returns
	if len(words) > 1 {
		p.result = truthOf(strings.Trim(words[1].text, "0") == "")
	}
}

func (p *grub) source(words []word) error {
	if len(words) < 2 {
		return nil
	}
	name := p.name(words[1].value)
	if words[1].unsure() || elsewhere(name) {
		p.level.doubt = or(p.level.doubt, p.says("what "+joined(words)+" reads"))
		p.result, p.why = maybe, p.level.doubt
		return nil
	}
	if _, dir, err := p.stat(name); err != nil || dir {
		p.result = no
		return nil
	}
	return p.file(name, p.text)
}

// configfile shows another menu in place of the one that is read; of a menu's
// entry, it is what the entry leads to.
func (p *grub) configfile(words []word) error {
	if len(words) < 2 {
		return nil
	}
	name := p.name(words[1].value)
	if p.doubt() != "" || words[1].unsure() || slices.Contains(p.open, name) {
		if p.entry == nil && !slices.Contains(p.open, name) {
			p.level.doubt = or(p.level.doubt, or(p.doubt(), p.says("what "+joined(words)+" reads")))
			return p.source(words)
		}
		return nil
	}
	if elsewhere(name) {
		p.away = or(p.away, p.says("what "+joined(words)+" reads of another device"))
		p.result = maybe
		return nil
	}
	if _, dir, err := p.stat(name); err != nil || dir {
		p.result = no
		return nil
	}
	env, err := p.inner()
	if err != nil {
		return err
	}
	below := &level{env: env}
	above, entry, outer, frames := p.level, p.entry, p.env, p.frames
	p.level, p.entry, p.env, p.frames = below, nil, env, nil
	err = p.file(name, p.text)
	p.level, p.entry, p.env, p.frames = above, entry, outer, frames
	if len(below.items) == 0 && below.doubt == "" && err == nil {
		return nil // GRUB comes back from a menu without entries
	}
	p.stop = ends
	if entry != nil {
		p.sub = below
		return err
	}
	p.level = below
	p.menu.File = name
	return err
}
