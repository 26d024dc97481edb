package watch

import (
	"regexp"
	"sync"
	"time"

	"bootaudit/internal/screen"
	"bootaudit/internal/verdict"
)

// Config says who is told. The callbacks are called from Write, Idle and
// Close, one at a time, in the order of what they tell, and with no lock held:
// they may call the watch. While one is being called, a Write of another
// goroutine returns at once, and what it has to tell comes after.
type Config struct {
	Now     func() time.Time // nil is time.Now
	OnStage func(Reached)    // each stage, once per boot
	OnTrip  func(Trip)       // each tripwire, once per boot
	// Alarms are what this image in particular prints when it is in trouble.
	Alarms []Alarm
	// Expect matches the line that says that the boot has come to where it is to
	// come, printed or on the screen; OnExpect is told of the first. Nothing that asks
	// and no silence is trouble after it.
	Expect   *regexp.Regexp
	OnExpect func(Reached)
	// Quiet: the kernel was told to say little (quiet, a low loglevel), and its
	// silence ends no wait. That is also seen on a console that shows the kernel's
	// command line.
	Quiet bool
	// Screen is what a terminal shows now, and where its cursor is: a dialog is no
	// line. Nil is no terminal to look at; then only lines ask.
	Screen func() (text string, row, col int)
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

	mu       sync.Mutex
	lines    screen.Lines
	reader   verdict.Reader
	stage    Stage
	heard    time.Time // when the last byte came
	silent   bool      // Idle has reported this silence
	moved    time.Time // when the boot last got on, a job that has no limit apart
	spins    bool      // the last line was of such a job
	last     []byte    // that line, or its beginning
	asked    bool      // Asked(true)
	command  bool      // a command was typed at a prompt that has not come back
	held     []Trip
	tripped  map[string]bool
	counts   int // of logins
	starts   int // of the machine, after the first
	closed   bool
	asking   *asking
	question question
	expected bool // what was expected has come
	open     bool // the line that is being read
	waiting  bool // the open line is a prompt that waits for us
	entered  bool // somebody has logged in, and there was no shell yet
	resting  bool // the last words before the kernel's were
	seen     int  // bytes of the open line that peek has looked at
	stale    int  // and those that were read as if it had ended

	events  []func()
	telling bool // somebody calls them
}

// New starts to watch a console from its first byte.
func New(cfg Config) *Watch {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Patience == 0 {
		cfg.Patience = 1
	}
	w := &Watch{cfg: cfg, tripped: map[string]bool{}, heard: cfg.Now()}
	w.moved = w.heard
	w.reader.Saw = w.saw
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
		w.command = false
		w.forget()
	}
}

// ShellAnswered tells the watch that a shell has answered, whatever its prompt
// looks like.
func (w *Watch) ShellAnswered() {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stage.Reached(Shell) {
		open := w.lines.Open()
		w.reader.Answered()
		w.move(open, open.Text)
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

// Expected is true once what is expected has come.
func (w *Watch) Expected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expected
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
	if a := w.asking; a != nil && a.sign.Final != "" && !a.answered && !w.asked && !w.command {
		w.deliver(w.prompted(a))
	}
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
