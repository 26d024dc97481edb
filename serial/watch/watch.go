package watch

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"bootaudit/internal/screen"
)

// Config says who is told. The callbacks are called from Write, Idle and
// Close, one at a time, in the order of what they tell, and with no lock held:
// they may call the watch. While one is being called, a Write of another
// goroutine returns at once, and what it has to tell comes after.
type Config struct {
	Now     func() time.Time // nil is time.Now
	OnStage func(Reached)    // each stage, once per boot
	OnTrip  func(Trip)       // each tripwire, once per boot
	// OnMilestone is told of every milestone, of which a stage may have several.
	OnMilestone func(Reached)
	// Alarms are what this image in particular prints when it is in trouble.
	Alarms []Alarm
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
	cfg Config

	mu      sync.Mutex
	lines   screen.Lines
	stage   Stage
	reached int       // the last milestone, by its place; -1 is none
	heard   time.Time // when the last byte came
	silent  bool      // Idle has reported this silence
	moved   time.Time // when the boot last got on, a job that has no limit apart
	spins   bool      // the last line was of such a job
	last    []byte    // that line, or its beginning
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

	events  []func()
	telling bool // somebody calls them
}

// heldFor is the silence after which a trip in a command's output is believed:
// the command's prompt did not come back.
const heldFor = 3 * time.Second

// New starts to watch a console from its first byte.
func New(cfg Config) *Watch {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Patience == 0 {
		cfg.Patience = 1
	}
	w := &Watch{cfg: cfg, tripped: map[string]bool{}, counts: map[string]int{}, reached: -1, heard: cfg.Now()}
	w.moved = w.heard
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

// ShellAnswered tells the watch that a shell has answered, whatever its prompt
// looks like.
func (w *Watch) ShellAnswered() {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stage.Reached(Shell) {
		w.reach(len(milestones)-1, w.lines.Open())
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
	quiet, still := now.Sub(w.heard), now.Sub(w.moved)
	w.peek(true)
	if quiet >= heldFor && len(w.held) > 0 {
		trip := w.held[0]
		w.release()
		return &trip
	}
	if w.waiting {
		return nil
	}
	for _, t := range tripwires {
		limit := time.Duration(float64(t.silence) * w.cfg.Patience)
		lasted, what := quiet, "nothing"
		if t.spins {
			lasted, what = still, "no progress"
		}
		if limit == 0 || t.silent != w.stage || lasted < limit || t.spins && (!w.spins || quiet > spinnerStops) {
			continue
		}
		if w.stage == "" && w.lines.Offset() > 0 {
			return nil // it talks, in words that are not known
		}
		open := w.lines.Open()
		line := open.Text
		if len(bytes.TrimSpace(line)) == 0 {
			line = w.last
		}
		trip := t.trip(w, open.Offset, fmt.Sprintf("%s for %s; last line: %s", what, limit.Round(time.Second), line))
		trip.At = now.Add(-lasted)
		if !w.silent {
			w.silent = true
			w.deliver(trip)
		}
		return &trip
	}
	return nil
}

// spinnerStops is the silence after which systemd's spinner, which turns every
// second at least, does no longer.
const spinnerStops = 10 * time.Second

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

// tell calls back what has happened, once the lock is free.
func (w *Watch) tell() {
	for event := w.next(true); event != nil; event = w.next(false) {
		event()
	}
}

// next is what is to be told next, or nil. Whoever is telling already goes on
// with what others begin to tell.
func (w *Watch) next(begins bool) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if begins && w.telling {
		return nil
	}
	if w.telling = len(w.events) > 0; !w.telling {
		w.events = nil
		return nil
	}
	event := w.events[0]
	w.events = w.events[1:]
	return event
}
