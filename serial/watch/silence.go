package watch

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"bootaudit/internal/screen"
	"bootaudit/internal/verdict"
)

const (
	// heldFor is the silence after which a trip in a command's output is believed:
	// the command's prompt did not come back.
	heldFor = 3 * time.Second
	// standsFor is how long a prompt must stand to be one that nobody answers: a
	// script's commands are echoed behind a prompt, and clevis or a TPM gives a
	// passphrase that is asked for.
	standsFor = 10 * time.Second
	// spinnerStops is the silence after which systemd's spinner, which turns every
	// second at least, does no longer.
	spinnerStops = 10 * time.Second
)

// asking is a prompt that waits for a person, so long as nothing but the kernel
// and a spinner has said anything after it.
type asking struct {
	sign     verdict.Sign
	stage    Stage
	since    time.Time
	rescue   bool // it is a rescue shell's, and stands whatever is printed under it
	answered bool // Enter was pressed, or what looks like it
}

// Idle is the trip of a silence that has lasted too long for the stage reached, or
// of a prompt that nobody answers, or nil. It is to be called from time to time.
func (w *Watch) Idle(now time.Time) *Trip {
	defer w.tell()
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := now.Sub(w.heard)
	w.peek(true)
	if open := w.lines.Open(); quiet >= heldFor && len(open.Text) > w.stale {
		// Some last words have no line end.
		w.stale = len(open.Text)
		if text := bytes.TrimRight(open.Text, " "); len(text) > 0 {
			open.End = screen.Cut
			w.read(text, open)
		}
	}
	if quiet >= heldFor && len(w.held) > 0 {
		trip := w.held[0]
		w.release()
		return &trip
	}
	if w.seek(); w.expected {
		return nil
	}
	if trip := w.stands(now); trip != nil {
		return trip
	}
	if trip := w.questions(now); trip != nil {
		return trip
	}
	w.found(now, quiet)
	if (w.waiting || w.resting) && w.stage.Reached(Init) || w.stage == Login && !w.entered {
		return nil
	}
	return w.silence(now)
}

// found takes a line for a prompt that nobody knows and that waits long enough: an
// init of somebody's own may end in any kind of shell. Who asks it will see.
func (w *Watch) found(now time.Time, quiet time.Duration) {
	if !w.stage.Reached(KernelLoad) || w.stage.Reached(Login) || w.asking != nil || quiet < w.patient(standsFor) {
		return
	}
	open := w.lines.Open()
	if text := bytes.TrimRight(open.Text, " "); (shellLike.Match(text) || loginKey.Match(text)) && !stamped.Match(text) {
		w.reach(Login, open)
	}
}

// shellLike matches an open line that ends as prompts do, and as no progress bar.
var shellLike = re(`^(?:.{0,79}[^$#>%=\d])?[$#>%]$`)

// loginKey matches a console that waits for a key, and gives a login or a shell then.
var loginKey = re(`(?i)press <?enter>? to (?:log ?in|activate|start a shell|get a shell)`)

func (w *Watch) patient(limit time.Duration) time.Duration {
	return time.Duration(float64(limit) * max(1, w.cfg.Patience))
}

// stands is the trip of a prompt that has stood too long.
func (w *Watch) stands(now time.Time) *Trip {
	a := w.asking
	if a == nil || a.answered || w.asked || w.command || now.Sub(a.since) < w.patient(standsFor) {
		return nil
	}
	return w.told(w.prompted(a))
}

func (w *Watch) prompted(a *asking) Trip {
	row := Tripwire{ID: a.sign.ID, Means: a.sign.Means, Remedy: a.sign.Remedy, Fatal: a.sign.Final != "", Class: a.sign.Class}
	line := a.sign.Line
	if v := w.reader.Verdict(); row.Fatal && v.Verdict == verdict.Fails {
		row.ID, row.Means, row.Remedy, row.Class, line = v.ID, v.Means, v.Remedy, v.Class, v.Cause
	}
	trip := row.trip(w, line.Offset, line.Text)
	trip.At = a.since
	return trip
}

// told delivers a trip once in a silence, and returns it if it is fatal.
func (w *Watch) told(t Trip) *Trip {
	if !w.silent {
		w.silent = true
		w.deliver(t)
	}
	if !t.Fatal {
		return nil
	}
	return &t
}

func (w *Watch) silence(now time.Time) *Trip {
	quiet, still := now.Sub(w.heard), now.Sub(w.moved)
	for _, t := range silences {
		limit := time.Duration(float64(t.silence) * w.cfg.Patience)
		lasted, what := quiet, "nothing"
		if t.spins {
			lasted, what = still, "no progress"
		}
		if t.silent != w.stage || lasted < limit || t.spins && (!w.spins || quiet > spinnerStops) || t.silent == KernelLoad && t.spoken != w.reader.Spoken() || t.silent == Init && !t.spins && t.settled != w.reader.Settled() {
			continue
		}
		open := w.lines.Open()
		line := open.Text
		if len(bytes.TrimSpace(line)) == 0 {
			line = w.last
		}
		said := fmt.Sprintf("%s for %s; last line: %s", what, limit.Round(time.Second), line)
		// What was noticed on the way is why.
		v := w.reader.Verdict()
		if w.stage == "" && w.lines.Offset() > 0 && v.Verdict != verdict.Fails {
			return nil // it talks, in words that are not known
		}
		if v.Verdict == verdict.Fails && v.ID != t.ID {
			t.ID, t.Means, t.Remedy, t.Class = v.ID, v.Means, v.Remedy, v.Class
			if v.Cause.Text != "" {
				said = fmt.Sprintf("%s for %s; shown by: %s; last line: %s", what, limit.Round(time.Second), v.Cause.Text, line)
			}
		}
		if (t.silent == KernelLoad || t.silent == Initrd) && (w.cfg.Quiet || w.reader.Quiet()) {
			t.Fatal = false // it was told to be
		}
		trip := t.trip(w, open.Offset, said)
		trip.At = now.Add(-lasted)
		return w.told(trip)
	}
	return nil
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
