package iso

import (
	"fmt"
	"slices"
)

// truth is whether a condition holds; maybe is that nobody can tell without the
// machine.
type truth int

const (
	yes truth = iota
	no
	maybe
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return maybe
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// frame is an if, a loop, or an inversion that is being read.
type frame struct {
	kind  string // if, while, until or for
	body  bool   // else its condition is read
	live  bool   // what is read now is run
	outer bool   // what is around it is run
	taken truth  // whether a branch before this one was
	why   string // nobody can tell whether what is read now is run; "" for sure
	first string // the why of the first branch in doubt
	env   *environment

	keeps    bool             // what it changes is put back
	before   map[string]value // what variables said that this branch changed
	joined   map[string]join  // what the branches before left
	branches int

	items     []value // of a for, that are still to come
	name      string
	pos, line int // where its body begins
}

// join is what some branches made of a variable, and how many.
type join struct {
	value
	count int
}

// words that open, part and close a frame.
var opens, parts, closes = []string{"if", "while", "until", "for"}, []string{"then", "elif", "else", "do"}, []string{"fi", "done"}

func (p *grub) isFrame(w word, within bool) bool {
	return w.plain && (slices.Contains(opens, w.text) || within && (slices.Contains(parts, w.text) || slices.Contains(closes, w.text)))
}

// dead says whether what is read is not run.
func (p *grub) dead() bool { return len(p.frames) > 0 && !p.frames[len(p.frames)-1].live }

// doubt is why nobody can tell whether what is read is run.
func (p *grub) doubt() string {
	for _, f := range p.frames {
		if f.why != "" {
			return f.why
		}
	}
	return ""
}

// says puts a place before what cannot be told.
func (p *grub) says(what string) string {
	return fmt.Sprintf("%s:%d: %s", p.open[len(p.open)-1], p.reading.line, what)
}

func (p *grub) structure(words []word, s *scanner) error {
	kind := words[0].text
	if slices.Contains(opens, kind) {
		return p.begin(words)
	}
	f := p.frames[len(p.frames)-1]
	switch kind {
	case "then":
		if f.kind == "if" && !f.body {
			p.decide(f, p.result, p.why)
		}
	case "do":
		f.pos, f.line = s.pos, s.line
		switch {
		case f.kind == "for" && !f.body:
			f.body = true
			return p.next(f, s)
		case !f.body && f.live:
			result := p.result
			if f.kind == "until" {
				result = result.not()
			}
			if result == yes {
				result = maybe // it comes to an end, and nobody can tell when
			}
			p.decide(f, result, p.says("how often the loop goes round"))
		}
		f.body = true
	case "elif", "else":
		p.branch(f)
		f.live, f.why, f.body = f.outer && f.taken != yes, "", kind == "else"
		if f.taken == maybe {
			f.why = f.first
		}
		if kind == "else" && f.live {
			f.taken = yes
		}
	case "done":
		if f.kind == "for" && f.outer && len(f.items) > 0 && p.stop == goesOn {
			f.live = true
			return p.next(f, s)
		}
		p.close()
	case "fi":
		p.close()
	}
	return nil
}

// begin opens a frame.
func (p *grub) begin(words []word) error {
	if len(p.frames) == maxBraces {
		return p.over("more than %d conditions in one another", maxBraces)
	}
	f := &frame{kind: words[0].text, live: !p.dead(), outer: !p.dead(), taken: no, env: p.env}
	if f.kind == "for" && f.live {
		for i, w := range words[1:] {
			switch {
			case i == 0:
				f.name = w.text
			case i == 1 && w.text == "in":
			case w.why != "" || w.glob:
				f.why = or(w.why, p.says("what "+w.text+" stands for"))
			default:
				f.items = append(f.items, w.value)
			}
		}
		if f.why != "" {
			f.items = []value{{why: f.why}}
		}
	}
	p.frames = append(p.frames, f)
	return p.spend(entryCost)
}

// decide ends a condition. One that may not be come to stays in doubt, whatever
// it says; where it says no, what it changed is not kept.
func (p *grub) decide(f *frame, result truth, why string) {
	f.body = true
	switch {
	case !f.live:
	case result == no:
		p.undo(f)
		f.live, f.why = false, ""
	case result == yes:
		f.taken = yes
	default:
		f.taken, f.why = maybe, or(f.why, why)
		f.first = f.why
	}
}

// undo puts back what the frame's branch changed.
func (p *grub) undo(f *frame) {
	for name, old := range f.before {
		f.env.vars[name] = old
	}
	f.before = nil
}

// next starts a for's body with its next word.
func (p *grub) next(f *frame, s *scanner) error {
	if len(f.items) == 0 {
		f.live = false
		return nil
	}
	v := f.items[0]
	f.items = f.items[1:]
	if f.live {
		if err := p.spend(wordCost + s.pos - f.pos); err != nil { // what is read once more
			return err
		}
		s.pos, s.line = f.pos, f.line
		return p.set(f.name, v)
	}
	return nil
}

// branch ends a branch that may be run: what it changed is put back, and joined
// with what others changed.
func (p *grub) branch(f *frame) {
	if !f.live || f.why == "" {
		return
	}
	f.branches++
	for name, old := range f.before {
		is := f.env.vars[name]
		f.env.vars[name] = old
		j, there := f.joined[name]
		if f.joined == nil {
			f.joined = map[string]join{}
		}
		switch {
		case !there:
			j = join{is, 1}
		case j.value != is:
			j = join{value{why: f.why}, j.count + 1}
		default:
			j.count++
		}
		if f.kind != "if" {
			j.value = value{why: f.why}
		}
		f.joined[name] = j
	}
	f.before = nil
}

// close ends a frame: a variable that not every way through it leaves with the
// same value is in doubt.
func (p *grub) close() {
	f := p.frames[len(p.frames)-1]
	why := f.why
	p.branch(f)
	p.frames = p.frames[:len(p.frames)-1]
	every := f.kind == "if" && f.taken == yes
	for name, j := range f.joined {
		if (!every || j.count < f.branches) && j.value != f.env.vars[name] {
			j.value = value{why: or(f.first, why)}
		}
		if f.env == p.env {
			_ = p.set(name, j.value) // its growth was counted when it was set first
		}
	}
}

// skip ends a loop, or what is left of its body.
func (p *grub) skip(how string) {
	at := len(p.frames) - 1
	for at >= 0 && (p.frames[at].kind == "if" || p.frames[at].kind == "entry") {
		at--
	}
	if at < 0 {
		return
	}
	if why := p.doubt(); why != "" {
		p.level.doubt = or(p.level.doubt, why)
		return
	}
	for _, f := range p.frames[at+1:] {
		f.live, f.outer = false, false
	}
	f := p.frames[at]
	f.live = false
	if how == "break" {
		f.items = nil
	}
}
