package serial

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"bootaudit/internal/screen"
)

// Trip is a tripwire that was touched.
type Trip struct {
	ID, Means, Remedy string
	Fatal             bool
	Line              string // the line that touched it, or what was silent
	Stage             Stage
	At                time.Time
	Offset            int64 // of the line's first byte in the stream
}

// TripError is a fatal trip as the error that ends a wait.
type TripError struct{ Trip Trip }

func (e *TripError) Error() string {
	return fmt.Sprintf("%s (%s, in stage %q): %q; %s", e.Trip.Means, e.Trip.ID, e.Trip.Stage, e.Trip.Line, e.Trip.Remedy)
}

// Reached is a stage, with the line that showed it.
type Reached struct {
	Stage     Stage
	Milestone string // which of the stage's [Milestones] it was
	At        time.Time
	Line      string
	Offset    int64
}

// WatchConfig says who is told. The callbacks are called from Write, Asked,
// Idle and Close, one at a time and with no lock held.
type WatchConfig struct {
	Now     func() time.Time // nil is time.Now
	OnStage func(Reached)    // each stage, once per boot
	OnTrip  func(Trip)       // each tripwire, once per boot
	// OnMilestone is told of every milestone, of which a stage may have several.
	OnMilestone func(Reached)
	// Patience multiplies every silence limit; 0 is 1. The limits in the table
	// are for an emulated CPU.
	Patience float64
}

// Watch reads a console as it goes by: which stage the boot has reached, and
// whether a line is one of [Tripwires]. It is a writer of the console's raw
// bytes, never fails, and keeps one line of them.
//
// What a command prints is not news: dmesg repeats old warnings. From a
// command typed at a prompt to the next prompt, trips are held; the prompt
// drops them. If no prompt comes they were real: Idle or Close deliver them.
type Watch struct {
	cfg WatchConfig

	mu      sync.Mutex
	lines   screen.Lines
	stage   Stage
	reached int       // the last milestone, by its place; -1 is none
	heard   time.Time // when the last byte came
	silent  bool      // Idle has reported this silence
	asked   bool      // Asked(true)
	command bool      // a command was typed at a prompt that has not come back
	held    []Trip
	tripped map[string]bool
	counts  map[string]int
	closed  bool
	// restarts: the kernel has said that the machine will start again. Without
	// that, a bootloader's banner in a command's output is only a text.
	restarts bool
	waiting  bool // the open line is a prompt that waits for us
	seen     int  // bytes of the open line that peek has looked at

	events []func()
}

// HeldFor is the silence after which a trip in a command's output is believed:
// the command's prompt did not come back.
const HeldFor = 5 * time.Second

// NewWatch starts to watch a console from its first byte.
func NewWatch(cfg WatchConfig) *Watch {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Patience == 0 {
		cfg.Patience = 1
	}
	w := &Watch{cfg: cfg, tripped: map[string]bool{}, counts: map[string]int{}, reached: -1, heard: cfg.Now()}
	w.lines.Each = w.line
	w.lines.Sequence = w.sequence
	return w
}

// Write reads console bytes.
func (w *Watch) Write(p []byte) (int, error) {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard, w.silent = w.cfg.Now(), false
	w.lines.Write(p)
	w.peek(false)
	return len(p), nil
}

// Asked tells the watch that what is printed from now on was asked for by a
// command, until Asked(false). Prompts need not be told: Watch sees them.
func (w *Watch) Asked(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = on
	if !on {
		w.command, w.held = false, nil
	}
}

// Skip counts n bytes of the file that the console did not print, so that
// offsets stay those of the file.
func (w *Watch) Skip(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines.Skip(n)
}

// Stage is the stage reached.
func (w *Watch) Stage() Stage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stage
}

// Idle is the trip of a silence that has lasted too long for the stage reached,
// or nil. It is to be called from time to time.
func (w *Watch) Idle(now time.Time) *Trip {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := now.Sub(w.heard)
	w.peek(true)
	if quiet >= HeldFor && len(w.held) > 0 {
		trip := w.held[0]
		w.release()
		return &trip
	}
	if w.waiting {
		return nil
	}
	for _, t := range Tripwires {
		limit := time.Duration(float64(t.silence) * w.cfg.Patience)
		if limit == 0 || t.silent != w.stage || quiet < limit {
			continue
		}
		if w.stage == "" && w.lines.Offset() > 0 {
			return nil // it talks, in words that are not known
		}
		open := w.lines.Open()
		trip := t.trip(w, open.Offset, fmt.Sprintf("nothing for %s; last line: %s", quiet.Round(time.Second), open.Text))
		if !w.silent {
			w.silent = true
			w.deliver(trip)
		}
		return &trip
	}
	return nil
}

// Close ends the stream: the last line counts as it is, and what was held is
// delivered, since no prompt came after it.
func (w *Watch) Close() error {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.lines.Flush()
	w.release()
	return nil
}

// maxTripLine bounds what is kept of a line, in bytes.
const maxTripLine = 500

func (t *Tripwire) trip(w *Watch, offset int64, line string) Trip {
	return Trip{ID: t.ID, Means: t.Means, Remedy: t.Remedy, Fatal: t.Fatal,
		Line: strings.ToValidUTF8(line[:min(len(line), maxTripLine)], "\uFFFD"), Stage: w.stage, At: w.heard, Offset: offset}
}

// line looks at a line that has ended.
func (w *Watch) line(l screen.Line) {
	w.seen = 0
	text := bytes.TrimRight(l.Text, " \t")
	if len(text) == 0 {
		return
	}
	if w.stage == Shell && restarting.Match(text) {
		w.restarts = true
	}
	found := tables.find(l.Text)
	w.milestone(milestoneOf(l.Text, found, w.reached), l)
	w.trip(text, l, found)
}

var restarting = re(`^(?:\[ *\d+\.\d{6}\] )?(?:reboot: |Rebooting in |sysrq: Resetting)`)

func (w *Watch) milestone(i int, l screen.Line) {
	if i < 0 {
		return
	}
	if Milestones[i].Stage == Shell {
		w.prompt(l)
	}
	w.reach(i, l)
}

// prompt looks at a line that begins with a shell's prompt: a command behind it
// owns what is printed until the prompt is back.
func (w *Watch) prompt(l screen.Line) {
	end, _ := PromptEnd(l.Text)
	typed := bytes.TrimSpace(l.Text[end:])
	if !w.asked {
		w.held = nil
	}
	// A kernel message may have been printed behind the prompt.
	if len(typed) > 0 {
		w.command = !stamp.Match(typed)
	} else if l.End == screen.Open {
		w.command = false
	}
}

// sequence looks at a control sequence: a line editor turns bracketed paste on
// with its prompt, whatever that looks like, and off when Enter is pressed.
func (w *Watch) sequence(csi []byte) {
	switch string(csi) {
	case "?2004h":
		if w.command = false; !w.asked {
			w.held = nil
		}
	case "?2004l":
		w.command = true
	}
}

var stamp = re(`^\[ *\d+\.\d{6}\]`)

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
	case ':', '$', '#', '>', ')', ']':
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
	found := tables.find(open.Text)
	w.milestone(milestoneOf(open.Text, found, w.reached), open)
	w.trip(text, open, found)
}

// waits matches an open line that waits for a person.
var waits = re(`(?:login|[Pp]assword(?: for \S+)?):$|[$#>]$|\(END\)$`)

func (w *Watch) reach(i int, l screen.Line) {
	m := Milestones[i]
	if i <= w.reached {
		if i > restart || w.stage.rank() <= Menu.rank() || (w.asked || w.command) && !w.restarts {
			return
		}
		// Back at the beginning: the machine has started again.
		w.release()
		w.command, w.restarts = false, false
		counts := w.counts["reboot-loop"]
		clear(w.tripped)
		clear(w.counts)
		w.counts["reboot-loop"] = counts
	}
	r := Reached{Stage: m.Stage, Milestone: m.Name, At: w.heard, Line: string(l.Text), Offset: l.Offset}
	if w.cfg.OnStage != nil && m.Stage != w.stage {
		w.events = append(w.events, func() { w.cfg.OnStage(r) })
	}
	if w.cfg.OnMilestone != nil {
		w.events = append(w.events, func() { w.cfg.OnMilestone(r) })
	}
	w.reached, w.stage = i, m.Stage
	if w.stage == Shell {
		clear(w.counts)
	}
}

func (w *Watch) trip(text []byte, l screen.Line, found rows) {
	if found == (rows{}) {
		return
	}
	for i := range Tripwires {
		t := &Tripwires[i]
		if !found.has(len(Milestones)+i) || w.tripped[t.ID] ||
			t.before != "" && w.stage.Reached(t.before) || !t.pattern.Match(text) || t.except != nil && t.except.Match(text) {
			continue
		}
		if l.End == screen.Open && !t.prompt && !w.closed {
			continue // it will be seen again when it has ended
		}
		if t.times > 0 {
			if w.counts[t.ID]++; w.counts[t.ID] < t.times {
				continue
			}
		}
		trip := t.trip(w, l.Offset, string(text))
		if w.asked || w.command {
			if len(w.held) < len(Tripwires) {
				w.held = append(w.held, trip)
			}
			continue
		}
		w.deliver(trip)
		return // the first row that matches a line names it
	}
}

func (w *Watch) release() {
	for _, t := range w.held {
		w.deliver(t)
	}
	w.held = nil
}

func (w *Watch) deliver(t Trip) {
	if w.tripped[t.ID] {
		return
	}
	w.tripped[t.ID] = true
	if w.cfg.OnTrip != nil {
		w.events = append(w.events, func() { w.cfg.OnTrip(t) })
	}
}

// tell calls back what has happened, once the lock is free.
func (w *Watch) tell() {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, e := range events {
		e()
	}
}

// Stamped is true of a text that begins with a kernel message's time stamp.
func Stamped(text []byte) bool { return stamp.Match(text) }
