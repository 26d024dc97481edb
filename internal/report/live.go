package report

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
)

// Live tells a person what happens while a stream is read.
type Live struct {
	Out io.Writer
	// Width is the terminal's, in columns. 0 is no terminal: no status line,
	// but a line each 15 s in which nothing else was said.
	Width int
	// Colour is for terminals: outcomes that need attention are red or yellow.
	Colour bool

	started map[*Test]time.Time
	notes   map[*Test]noted
	boots   map[string]boot
	counts  map[check.Outcome]int
	begin   time.Time
	spoke   time.Time
	line    string // the status line as it was last written
	shown   bool   // it stands on the terminal's last row
}

type boot struct {
	stage string
	since time.Time
}

// noted is what a test wrote last and when, and when a line of it was shown.
type noted struct {
	text        string
	said, shown time.Time
}

// noteEvery is how often a test's lines are shown: a flood must not hide the
// findings, and is in events.json anyway.
const noteEvery = 5 * time.Second

// silence is how long nothing is said before a line says what runs.
const silence = 15 * time.Second

// grace is how long a stream may go on after an interrupt: go test is told by
// the same Ctrl-C, and its last events are worth having.
const grace = 5 * time.Second

// Follow reads in to its end, or until ctx ends and [grace] is over, and shows
// what happens. The Run it returns has ended.
func (l *Live) Follow(ctx context.Context, name string, in io.Reader) *Run {
	l.started, l.boots, l.counts = map[*Test]time.Time{}, map[string]boot{}, map[check.Outcome]int{}
	l.notes = map[*Test]noted{}
	l.begin = time.Now()
	l.spoke = l.begin
	run := NewRun(name)
	lines := make(chan Line)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(lines)
		for line := range Lines(in) {
			select {
			case lines <- line:
			case <-stop:
				return
			}
		}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	interrupted := ctx.Done()
	var over <-chan time.Time
	for {
		select {
		case line, more := <-lines:
			if !more {
				l.clear()
				run.End()
				return run
			}
			l.show(run.Add(line))
		case <-tick.C:
			l.tick(run)
		case <-interrupted:
			interrupted = nil
			run.Interrupted("an interrupt")
			l.say("interrupted: waiting %s for the last events", grace)
			over = time.After(grace)
		case <-over:
			l.clear()
			run.End()
			return run
		}
	}
}

func (l *Live) show(n News) {
	switch {
	case n.Finding != nil:
		f := n.Finding
		l.counts[f.Outcome]++
		detail := 600
		if l.Width > 0 && !bad(f.Outcome) { // a line for what needs no attention
			detail = max(20, l.Width-54)
		}
		l.say("%s %-32s %6s  %s", l.paint(f), cleanLine(l.id(n.Test, f), 60), seconds(f.Seconds), cleanLine(f.Detail, detail))
	case n.Progress != nil:
		l.progress(n.Progress)
	case n.Note != "":
		text := cleanLine(n.Note, 200)
		note := l.notes[n.Test]
		note.text, note.said = text, time.Now()
		if note.said.Sub(note.shown) >= noteEvery || strings.HasPrefix(text, "vm ") {
			note.shown = note.said
			l.say("%-10s %s", "log", text)
		}
		l.notes[n.Test] = note
	case n.VM != nil:
		delete(l.boots, cleanLine(n.VM.Name, 60))
	case n.Package != nil:
		if n.Package.Status == "fail" || len(n.Package.Tests) > 0 {
			l.say("%-10s %-32s %6s", n.Package.Status, cleanLine(local(n.Package.Name), 60), seconds(n.Package.Elapsed))
		}
	case n.Ended:
		delete(l.started, n.Test)
		delete(l.notes, n.Test)
		if t := n.Test; len(t.Findings) == 0 && t.failedItself() {
			l.say("%-10s %-32s %6s  %s", "FAILED", cleanLine(t.Name, 60), seconds(t.Elapsed), cleanLine(t.words(), 300))
		}
	case n.Test != nil:
		l.started[n.Test] = time.Now()
	case n.Text != "":
		l.say("go         %s", cleanLine(n.Text, 500))
	}
}

// progress tells how far a VM is, when that is new: the status repeats it, and
// says which check runs besides.
func (l *Live) progress(p *Progress) {
	what := "boot"
	if strings.HasPrefix(p.Stage, "tripwire ") {
		what = "TRIPWIRE"
	} else if l.boots[p.VM].stage != p.Stage {
		l.boots[p.VM] = boot{p.Stage, time.Now()}
	} else {
		return
	}
	l.say("%-10s %-32s %6s  %s", what, cleanLine(p.VM, 60), p.For, strings.TrimPrefix(p.Stage, "tripwire "))
}

// id names a finding: by its ID, and by its scenario where there are several.
func (l *Live) id(t *Test, f *check.Finding) string {
	if parts := strings.Split(t.Name, "/"); len(parts) > 2 {
		return strings.Join(parts[1:len(parts)-1], "/") + "/" + f.ID
	}
	return f.ID
}

// paint is an outcome in its column.
func (l *Live) paint(f *check.Finding) string {
	if f.Because != "" { // that one was loud
		return fmt.Sprintf("%-10s", "not tried")
	}
	text := fmt.Sprintf("%-10s", mark(f.Outcome))
	if !l.Colour {
		return text
	}
	switch f.Outcome {
	case check.Broken:
		return "\x1b[31m" + text + "\x1b[0m"
	case check.Absent, check.Unknown, check.Risk:
		return "\x1b[33m" + text + "\x1b[0m"
	case check.Holds:
		return "\x1b[32m" + text + "\x1b[0m"
	}
	return text
}

func mark(o check.Outcome) string {
	if bad(o) {
		return strings.ToUpper(string(o))
	}
	return cleanLine(string(o), 10)
}

func (l *Live) tick(run *Run) {
	if l.Width > 0 {
		l.clear()
		l.line = cleanLine(l.status(run), max(l.Width-1, 20))
		l.draw()
		return
	}
	if time.Since(l.spoke) >= silence {
		l.say("%s", l.status(run))
	}
}

// status says what runs and for how long.
func (l *Live) status(run *Run) string {
	now := time.Now()
	var parts []string
	var last noted
	for _, vm := range slices.Sorted(maps.Keys(l.boots)) {
		b := l.boots[vm]
		parts = append(parts, fmt.Sprintf("%s in %s for %s", vm, b.stage, seconds(now.Sub(b.since).Seconds())))
	}
	under := run.running()
	// A test that waits for its subtests may be the one that tells, where no
	// boot does.
	for t, note := range l.notes {
		if t.Status == "" && t.Package.Status == "" && now.Sub(note.said) < time.Minute && note.said.After(last.said) {
			last = note
		}
	}
	if last.text != "" && len(l.boots) == 0 {
		parts = append(parts, last.text)
	}
	for _, t := range under[:min(len(under), 3)] {
		name := t.Name
		if _, sub, found := strings.Cut(name, "/"); found {
			name = sub
		}
		parts = append(parts, fmt.Sprintf("%s %s", name, seconds(now.Sub(l.started[t]).Seconds())))
	}
	if len(under) > 3 {
		parts = append(parts, fmt.Sprintf("%d more", len(under)-3))
	}
	if len(parts) == 0 {
		parts = append(parts, "go test is building or waits")
	}
	bad := l.counts[check.Broken] + l.counts[check.Absent] + l.counts[check.Unknown]
	return fmt.Sprintf("... %s: %d hold, %d do not; running: %s", seconds(now.Sub(l.begin).Seconds()),
		l.counts[check.Holds], bad, strings.Join(parts, ", "))
}

// say prints a line of its own, above the status line.
func (l *Live) say(format string, args ...any) {
	l.clear()
	fmt.Fprintln(l.Out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	l.spoke = time.Now()
	l.draw()
}

func (l *Live) draw() {
	if l.line != "" {
		fmt.Fprint(l.Out, l.line)
		l.shown = true
	}
}

func (l *Live) clear() {
	if l.shown {
		fmt.Fprint(l.Out, "\r\x1b[K")
		l.shown = false
	}
}
