package iso

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// grub runs one configuration as GRUB does when it starts: what is sure is done,
// and what depends on what only the machine has is done both ways, so that a
// variable, a menu's entry or the menu itself then is in doubt.
type grub struct {
	*reading
	menu  Menu
	dir   string // device and folder of the first file
	env   *environment
	level *level // the menu that is read
	entry *Entry // the entry that is run
	sub   *level // the menu that the entry shows

	frames []*frame
	args   []value // of the function or entry that is run: $0, $1 and so on
	calls  int
	result truth // of the last command
	why    string
	invert bool // the next one's
	stop   stop
	loose  *Entry   // what is loaded outside of entries
	sought []string // by search, and not found
	away   string   // what another device than the image's may add
}

// stop is how far the reading of commands is over.
type stop int

const (
	goesOn  stop = iota
	returns      // from a function
	ends         // of a menu
)

// level is a menu that GRUB shows: the outermost, or a submenu.
type level struct {
	env   *environment
	items []item
	doubt string // why its items cannot be told
}

// item is one line of a menu.
type item struct {
	title, id string
	why       string // nobody can tell whether it is shown; "" for one that is
	snippet          // what it runs
	args      []value
	submenu   bool

	made  bool   // it was run
	at    int    // index into the menu's entries; -1 for one that boots no Linux
	level *level // the menu that it leads to
	doubt string // why what it boots cannot be told
}

// loads says whether GRUB has something to boot.
func (e *Entry) loads() bool { return e != nil && e.Kernel != "" }

// snippet is text that is run later, or more than once.
type snippet struct {
	text, file string
	line       int
}

// parseGRUB reads a GRUB 2 configuration as GRUB of a platform does: pc or efi,
// and i386, x86_64 or arm64. What was read before an error comes with it.
func parseGRUB(name, platform, cpu string, r *reading) (Menu, error) {
	r.menu()
	v, rest := r.volumes.find(name)
	device := deviceOf(v)
	p := &grub{reading: r, menu: Menu{File: name, Loader: "grub"}, dir: "(" + device + ")" + path.Dir("/"+rest)}
	p.env = p.start(device, platform, cpu)
	p.level = &level{env: p.env}
	top := p.level
	err := p.file(name, p.text)
	if p.level != top { // a configfile took the first one's place
		top = p.level
	}
	if err != nil {
		r.out = 0 // what was read before is made, too, within a bound of its own
	}
	if madeErr := p.make(top, "", 0); err == nil {
		err = madeErr
	}
	p.choose(top)
	return p.menu, err
}

// waits is how long a menu waits: for ever without a timeout.
func waits(timeout string) (bool, time.Duration) {
	seconds, err := strconv.Atoi(timeout)
	if err != nil || seconds < 0 || seconds > 1<<20 {
		return true, 0
	}
	return false, time.Duration(seconds) * time.Second
}

// text runs the commands of a file, a function or a menu's entry.
func (p *grub) text(text string) error {
	return p.commands(&scanner{text: text, line: 1, reading: p.reading})
}

// script runs one as the part of its file that it is.
func (p *grub) script(s snippet) error {
	line := p.reading.line
	p.open, p.reading.line = append(p.open, s.file), s.line
	if err := p.spend(len(s.text)); err != nil {
		return err
	}
	if err := p.run(s); err != nil {
		return err // where it happened stays what is being read
	}
	p.open, p.reading.line = p.open[:len(p.open)-1], line
	return nil
}

func (p *grub) run(s snippet) error {
	return p.commands(&scanner{text: s.text, line: s.line, reading: p.reading})
}

func (p *grub) commands(s *scanner) error {
	outside := len(p.frames)
	for p.stop == goesOn {
		if err := p.at(s.line); err != nil {
			return err
		}
		line := s.line
		get := p.get
		if p.dead() {
			get = nil
		}
		words, end, err := s.command(get)
		if err != nil {
			return err
		}
		p.reading.line = line
		if end == ' ' && words[0].text == "!" {
			p.invert = !p.invert
		} else if len(words) > 0 && p.isFrame(words[0], len(p.frames) > outside) {
			err = p.structure(words, s)
		} else if end == '{' && len(words) > 0 {
			err = p.braces(words, s, line)
		} else if len(words) > 0 && !p.dead() {
			err = p.command(words, line)
		}
		if err != nil {
			return err
		}
		if end == 0 {
			break
		}
	}
	for len(p.frames) > outside { // not closed, or left
		p.close()
	}
	return nil
}

// braces keeps what stands between braces for later: a function's commands, or
// those of a menu's entry. No other command runs what it has there.
func (p *grub) braces(words []word, s *scanner, line int) error {
	kind := words[0].text
	words = append([]word(nil), words...)
	text, first := s.block()
	body := snippet{text: text, file: p.open[len(p.open)-1], line: first}
	if p.dead() {
		return nil
	}
	switch kind {
	case "menuentry", "hiddenentry", "submenu":
	case "function":
		if len(words) > 1 {
			p.env.functions[words[1].text] = body
		}
		return p.spend(entryCost)
	default:
		return p.command(words, line)
	}
	if p.entry != nil {
		return nil // GRUB shows it in no menu that boots by itself
	}
	if err := p.reading.entry(body.file); err != nil {
		return err
	}
	title, id, args := titleAndID(words[1:])
	if kind == "hiddenentry" {
		title.why = or(title.why, p.says("whether this GRUB knows "+kind)) // that of SUSE does
	}
	it := item{title: title.text, id: id.text, snippet: body, args: args, submenu: kind == "submenu", at: -1, why: or(p.doubt(), or(title.why, id.why))}
	it.title = it.title[:min(len(it.title), maxTitle)]
	it.id = it.id[:min(len(it.id), maxTitle)]
	p.level.items = append(p.level.items, it)
	return nil
}

// titleAndID are those of a menu entry's words, and what $0, $1 and so on say
// in it: options may stand before the title, and some take a word of their own.
func titleAndID(words []word) (title, id value, args []value) {
	args = []value{{}}
	for i := 0; i < len(words); i++ {
		switch name, text, joined := strings.Cut(words[i].text, "="); name {
		case "--id", "--class", "--hotkey", "--users", "--source":
			v := value{text: text, why: words[i].why}
			if !joined && i+1 < len(words) {
				i++
				v = words[i].value
			}
			if name == "--id" {
				id = v
			}
		default:
			if strings.HasPrefix(words[i].text, "--") {
				continue
			}
			if len(args) == 1 {
				title = words[i].value
			}
			args = append(args, words[i].value)
		}
	}
	return title, id, args
}
