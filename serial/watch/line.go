package watch

import (
	"bytes"
	"strconv"
	"time"

	"bootaudit/internal/screen"
)

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
	w.progress(text)
	w.last = append(w.last[:0], text[:min(len(text), maxTripLine)]...)
	found := tables.find(l.Text)
	w.milestone(milestoneOf(l.Text, found, w.reached), l)
	w.trip(text, l, found)
	for _, a := range w.cfg.Alarms {
		if !w.tripped[a.ID] && a.Pattern.Match(text) {
			row := Tripwire{ID: a.ID, Means: a.Means, Remedy: a.Remedy}
			w.touch(row.trip(w, l.Offset, string(text)))
			return
		}
	}
}

// endless matches systemd's spinner where it turns for a job that has no limit,
// with how long that has run. One that has a limit ends, and says so. Systemd
// cuts the middle out of a line that is too long.
var endless = re(`A (?:start|stop) job is .*\((?:(\d{1,4})h )?(?:(\d{1,2})min )?(?:(\d{1,2})s )?/ no limit\)`)

// progress notes when the boot last got on: with any line but the spinner of an
// endless job, and with the start of such a job.
func (w *Watch) progress(text []byte) {
	job := endless.FindSubmatch(text)
	w.spins = job != nil
	if !w.spins {
		w.moved = w.heard
		return
	}
	var ran time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(string(job[i+1])) // "" is none
		ran += time.Duration(n) * unit
	}
	if began := w.heard.Add(-ran); began.After(w.moved) {
		w.moved = began
	}
}

var restarting = re(`^(?:\[ *\d+\.\d{6}\] )?(?:reboot: |Rebooting in |sysrq: Resetting)`)

func (w *Watch) milestone(i int, l screen.Line) {
	if i < 0 {
		return
	}
	if milestones[i].stage == Shell {
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
	m := milestones[i]
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
	r := Reached{Stage: m.stage, Milestone: m.name, At: w.heard, Line: string(l.Text), Offset: l.Offset}
	if w.cfg.OnStage != nil && m.stage != w.stage {
		w.events = append(w.events, func() { w.cfg.OnStage(r) })
	}
	if w.cfg.OnMilestone != nil {
		w.events = append(w.events, func() { w.cfg.OnMilestone(r) })
	}
	if m.stage != w.stage {
		w.moved = w.heard
	}
	w.reached, w.stage = i, m.stage
	if w.stage == Shell {
		clear(w.counts)
	}
}

func (w *Watch) trip(text []byte, l screen.Line, found rows) {
	if found == (rows{}) {
		return
	}
	for i := range tripwires {
		t := &tripwires[i]
		if !found.has(len(milestones)+i) || w.tripped[t.ID] ||
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
		if w.touch(t.trip(w, l.Offset, string(text))) {
			return // the first row that matches a line names it
		}
	}
}

// touch delivers a trip, unless it must be held.
func (w *Watch) touch(trip Trip) (delivered bool) {
	if w.asked || w.command {
		if len(w.held) < len(tripwires) {
			w.held = append(w.held, trip)
		}
		return false
	}
	w.deliver(trip)
	return true
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
