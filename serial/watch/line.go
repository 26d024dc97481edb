package watch

import (
	"bytes"
	"regexp"
	"strings"

	"bootaudit/internal/screen"
	"bootaudit/internal/verdict"
)

// line looks at a line that has ended.
func (w *Watch) line(l screen.Line) {
	w.seen, w.stale = 0, 0
	text := bytes.TrimRight(l.Text, " \t")
	if len(text) == 0 {
		return
	}
	w.expect(text, l.Offset)
	w.progress(text)
	w.last = append(w.last[:0], text[:min(len(text), maxTripLine)]...)
	w.read(text, l)
	for _, a := range w.cfg.Alarms {
		if !w.tripped[a.ID] && a.Pattern.Match(text) {
			row := Tripwire{ID: a.ID, Means: a.Means, Remedy: a.Remedy}
			w.touch(row.trip(w, l.Offset, string(text)))
			return
		}
	}
}

// read looks at a line, which may be open.
func (w *Watch) read(text []byte, l screen.Line) {
	open := l.End == screen.Open && !w.closed
	w.reader.Quote(w.asked || w.command)
	asks := w.asking
	w.asking, w.open = nil, open
	if open {
		w.reader.Open(l.Offset, l.Text)
	} else {
		w.reader.Line(0, l.Offset, l.Text)
	}
	again := w.reader.Starts() != w.starts
	if again {
		w.starts = w.reader.Starts()
		w.restart()
	}
	switch a := w.asking; {
	case a != nil:
		a.since = w.heard
		// What the kernel or a spinner writes into the line answers nothing.
		a.answered = !a.rescue && (l.End == screen.CRLF || l.End == screen.LF) && !stamped.Match(text)
		if asks != nil && asks.sign.ID == a.sign.ID && asks.sign.Line.Offset == l.Offset {
			a.since = asks.since
		}
	case asks != nil && Stage(w.reader.Stage()) == asks.stage && (asks.rescue || isNoise(text)):
		w.asking = asks // it stands above
		if asks.rescue {
			asks.since = w.heard
		}
	}
	found := kinds(text)
	if !isNoise(text) {
		w.resting = found.has(rest) && rests(text)
		w.entered = w.entered || found.has(rest) && enters.Match(text)
	}
	if end, ok := PromptEnd(l.Text); ok {
		w.prompt(l, end)
	}
	w.move(l, text)
	if again && w.reader.Loops() {
		w.touch(rebootLoop.trip(w, l.Offset, string(text)))
	}
	if found.has(loops) && !w.stage.Reached(Shell) && !open && l.End != screen.Cut && loginAgain.Match(text) {
		if w.counts++; w.counts > logins {
			w.touch(loginLoop.trip(w, l.Offset, string(text)))
		}
	}
}

// isNoise is true of what the kernel or a spinner prints under a prompt that waits.
func isNoise(text []byte) bool {
	if len(text) > 3 && text[0] == '<' && text[2] == '>' {
		text = text[3:] // a level
	}
	if text[0] != '[' {
		return false
	}
	// Each line of a kernel's log comes here: a pattern is too slow.
	i := 1
	for i < len(text) && (text[i] == ' ' || text[i] >= '0' && text[i] <= '9') {
		i++
	}
	if i+7 < len(text) && text[i] == '.' {
		return text[i+7] == ']'
	}
	spins := 1
	for spins < len(text) && (text[spins] == ' ' || text[spins] == '*') {
		spins++
	}
	return spins == 7 && len(text) > 7 && text[7] == ']'
}

// stamped matches a kernel's message that begins within a line.
var stamped = re(`\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? .*$`)

// rests is true of a line after which nothing comes before somebody types: the
// kernel may have ended it.
func rests(text []byte) bool {
	if bytes.Contains(text, []byte("press Enter to activate this console")) {
		return true
	}
	if bytes.HasSuffix(text, []byte("login:")) {
		return true
	}
	at := stamped.FindIndex(text)
	return at != nil && waits.Match(bytes.TrimRight(text[:at[0]], " "))
}

// enters matches a login by a name, typed or not.
var enters = re(`login: [^\s\[]`)

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// saw is told of a line that tells of trouble.
func (w *Watch) saw(s verdict.Sign) {
	// A rescue's prompt that is open is waited at; its other words a person may have
	// got past by now.
	if s.Waits || s.Ends && s.Rescue && !w.open {
		if w.asked || w.command {
			return // it is read, not asked
		}
		w.asking = &asking{sign: s, stage: Stage(w.reader.Stage()), since: w.heard, rescue: s.Rescue}
		if s.Waits {
			return
		}
		s.Ends = false
	}
	row := Tripwire{ID: s.ID, Means: s.Means, Remedy: s.Remedy, Class: s.Class}
	line := s.Line
	if s.Ends {
		if v := w.reader.Verdict(); v.Verdict == verdict.Fails {
			row = Tripwire{ID: v.ID, Means: v.Means, Remedy: v.Remedy, Fatal: true, Class: v.Class}
			line = v.Cause
		}
	}
	if !row.Fatal && s.Unsaid {
		return
	}
	w.touch(row.trip(w, line.Offset, line.Text))
}

// prompt looks at a line that begins with a shell's prompt: a command behind it
// owns what is printed until the prompt is back.
func (w *Watch) prompt(l screen.Line, end int) {
	typed := bytes.TrimSpace(l.Text[end:])
	if !w.asked {
		w.forget()
	}
	// A kernel message may have been printed behind the prompt.
	if len(typed) > 0 {
		w.command = !stamp.Match(typed)
	} else if l.End == screen.Open {
		w.command = false
	}
}

// forget drops what was seen in a command's output, which was no news.
func (w *Watch) forget() {
	w.held = nil
	w.reader.Quote(false)
}

// sequence looks at a control sequence: a line editor turns bracketed paste on
// with its prompt, whatever that looks like, and off when Enter is pressed.
func (w *Watch) sequence(csi []byte) {
	switch string(csi) {
	case "?2004h":
		if w.command = false; !w.asked {
			w.forget()
		}
	case "?2004l":
		w.command = true
	}
}

// peek looks at the open line: a prompt has no line end. While more may come it
// looks only at what ends as prompts do.
func (w *Watch) peek(quiet bool) {
	open := w.lines.Open()
	w.waiting = false
	text := bytes.TrimRight(open.Text, " ")
	if len(text) == 0 || len(text) > 256 {
		return
	}
	switch text[len(text)-1] {
	case ':', '$', '#', '>', ')', ']', '?':
	default:
		if !quiet {
			return
		}
	}
	w.waiting = waits.Match(text)
	if len(open.Text) == w.seen {
		return
	}
	w.seen = len(open.Text)
	w.read(text, open)
}

// waits matches an open line that waits for a person.
var waits = re(`(?:login|[Pp]assword(?: for \S+)?):$|[$#>]$|\(END\)$`)

// early matches what systemd says before it says that it runs in an initrd.
var early = re(`systemd\[1\]: (?:systemd \d|Detected )`)

// move notes a stage that the reader has seen the boot reach.
func (w *Watch) move(l screen.Line, text []byte) {
	stage := Stage(w.reader.Stage())
	if stage == w.stage || w.stage.Reached(stage) || stage == Init && early.Match(text) {
		return
	}
	w.reach(stage, l)
}

func (w *Watch) reach(stage Stage, l screen.Line) {
	w.stage, w.moved = stage, w.heard
	if stage == Shell {
		w.counts, w.entered = 0, false
	}
	if w.cfg.OnStage != nil {
		r := Reached{Stage: stage, At: w.heard, Line: string(l.Text), Offset: l.Offset}
		w.events = append(w.events, func() { w.cfg.OnStage(r) })
	}
}

// restart begins another boot.
func (w *Watch) restart() {
	w.release()
	w.command, w.resting, w.entered = false, false, false
	w.stage, w.counts = "", 0
	loops := w.tripped[rebootLoop.ID]
	clear(w.tripped)
	w.tripped[rebootLoop.ID] = loops
}

// touch delivers a trip, unless it must be held.
func (w *Watch) touch(trip Trip) {
	if w.asked || w.command {
		if len(w.held) < maxHeld {
			w.held = append(w.held, trip)
		}
		return
	}
	w.deliver(trip)
}

// maxHeld bounds what a command's output may show.
const maxHeld = 100

func (w *Watch) release() {
	for _, t := range w.held {
		w.deliver(t)
	}
	w.held = nil
}

func (w *Watch) deliver(t Trip) {
	if x := w.cfg.Expect; x != nil && !t.Fatal && (t.Class == AsksPerson || x.MatchString(t.Line)) {
		return // where it is to come to may well ask somebody
	}
	key := t.ID
	if t.Fatal {
		key = strings.ToUpper(key) // there may have been word of it before
	}
	if w.tripped[key] {
		return
	}
	w.tripped[key] = true
	if w.cfg.OnTrip != nil {
		w.events = append(w.events, func() { w.cfg.OnTrip(t) })
	}
}
