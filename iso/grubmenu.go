package iso

import (
	"strconv"
	"strings"
)

// make runs the entries of a menu, each from where the reading of it ended, and
// reads its submenus.
func (p *grub) make(l *level, titles string, depth int) error {
	if depth > maxNested {
		return p.over("more than %d submenus in one another", maxNested)
	}
	for i := range l.items {
		it := &l.items[i]
		if it.made {
			continue
		}
		title := below(titles, it.title)
		p.env, p.args, p.stop, p.sub, p.invert = l.env, it.args, goesOn, nil, false
		p.open, p.frames = nil, []*frame{{kind: "entry", live: true, outer: true, keeps: true, env: l.env}}
		if it.submenu {
			env, err := p.inner()
			if err != nil {
				return err
			}
			it.level = &level{env: env}
			p.level, p.env, p.entry = it.level, env, nil
			if err := p.script(it.snippet); err != nil {
				return err
			}
			it.level.within(it.why)
			if err := p.make(it.level, title, depth+1); err != nil {
				return err
			}
			continue
		}
		p.level = &level{env: l.env}
		p.entry = &Entry{ID: it.id, Title: title, File: it.file, Line: it.line, Doubt: it.why}
		if err := p.script(it.snippet); err != nil {
			return err
		}
		if p.entry.Kernel != "" {
			it.at = len(p.menu.Entries)
			p.menu.Entries = append(p.menu.Entries, *p.entry)
		} else {
			it.doubt = or(p.entry.Doubt, p.level.doubt)
		}
		kept, sub := p.frames[0], p.sub
		p.entry, p.frames = nil, nil
		p.undo(kept)
		if sub != nil && it.at < 0 {
			it.level = sub
			sub.within(it.why)
			if err := p.make(sub, title, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// within puts what a menu shows in doubt for the reason that it itself is.
func (l *level) within(why string) {
	for i := range l.items {
		l.items[i].why = or(l.items[i].why, why)
	}
}

// below is a title behind those of the submenus that it stands in, cut where
// nobody would read on.
func below(titles, title string) string {
	if titles != "" {
		title = titles + ">" + title
	}
	return title[:min(len(title), maxTitle)]
}

// choose finds what the menu boots by itself, and when.
func (p *grub) choose(top *level) {
	timeout, def := top.env.vars["timeout"], top.env.vars["default"]
	p.menu.Waits, p.menu.Timeout = waits(timeout.text)
	p.menu.Default, p.menu.Doubt = -1, or(timeout.why, def.why)
	l := top
	for p.menu.Doubt == "" {
		if l.doubt != "" || len(l.items) == 0 {
			p.menu.Doubt = or(l.doubt, p.away)
			return
		}
		first, rest := component(def.text)
		n, why := l.find(first)
		if why != "" {
			p.menu.Doubt = why
			return
		}
		it := l.items[n]
		switch {
		case it.level == nil:
			p.menu.Default, p.menu.Doubt, p.menu.boots = it.at, it.doubt, it.title
			if it.at < 0 {
				p.menu.Doubt = or(it.doubt, it.why)
			}
			return
		case it.submenu: // its own timeout is not waited for
			l, def = it.level, value{text: rest}
		default:
			l, def, timeout = it.level, it.level.env.vars["default"], it.level.env.vars["timeout"]
			if w, t := waits(timeout.text); w {
				p.menu.Waits, p.menu.Timeout = true, 0
			} else {
				p.menu.Timeout += t
			}
			p.menu.Doubt = or(timeout.why, def.why)
		}
	}
}

// component is what $default names in the outermost menu, and in the submenu
// there: more>second. Two > are one of a title.
func component(def string) (first, rest string) {
	var b strings.Builder
	for i := 0; i < len(def); i++ {
		if def[i] == '>' {
			if i+1 == len(def) || def[i+1] != '>' {
				return b.String(), def[i+1:]
			}
			i++
		}
		b.WriteByte(def[i])
	}
	return b.String(), ""
}

// find is the item that a number, a title or an id names: the first where there
// is none. Numbers count what is shown, submenus and what boots no Linux among
// it; an item that may not be shown puts them in doubt.
func (l *level) find(name string) (at int, why string) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		if n >= len(l.items) {
			return 0, ""
		}
		for _, it := range l.items[:n] {
			if it.why != "" {
				return 0, it.why
			}
		}
		return n, ""
	}
	for i, it := range l.items {
		if name != "" && (it.title == name || it.id == name) {
			return i, ""
		}
	}
	return 0, ""
}
