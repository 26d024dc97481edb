package verdict

import (
	"bytes"
	"slices"

	"bootaudit/internal/words"
)

// What became of a boot.
const (
	Boots   = "boots"   // a login, a shell or the system's last target was reached, and nothing took it back
	Fails   = "fails"   // something ended it, or the console ends where nothing more can come
	Unclear = "unclear" // an excerpt that shows neither
)

// None is the class where nothing was wrong.
const None = "none"

// Verdict is what became of the last boot of a console.
type Verdict struct {
	Verdict string
	Stage   string // the furthest that it truly reached; "" where no line tells
	Class   string // of what was wrong; None where the verdict is not Fails
	ID      string // of the kind of line that tells it; "" for none
	Means   string
	Remedy  string
	Cause   Line // zero for none
}

// Line is a line of the console.
type Line struct {
	Number int   // from 1
	Offset int64 // of its first byte
	Text   string
	// Around are the lines before and after it, of those that are not empty; nil
	// where it is no event's.
	Around *Around
}

// Reader reads a console, line by line. The zero value is ready.
type Reader struct {
	// Saw, if set, is told of each line that tells of trouble: the first of its
	// kind in a boot, each that is final, and each after which a person is awaited.
	Saw func(Sign)

	boot   boot
	around context
	before *boot // the boot before this one, where it did not come to a login
	boots  int   // that did not, one after the other
	lines  int   // so far
	starts int
	quoted bool
	kept   []event // what was known before it
	look   words.Look
}

// Sign is a line that tells of trouble.
type Sign struct {
	Row
	Line Line
	// Ends: nothing more can come after it. Waits: so long as it stays the last.
	Ends, Waits bool
	Rescue      bool // a person may get past it
	Unsaid      bool // healthy boots show it, too
}

// maxLine bounds what is looked at of a line, and maxText what is kept.
const (
	maxLine = 2048
	maxText = 400
)

// Line reads the next line. Text is without escape sequences, and is not kept.
func (r *Reader) Line(number int, offset int64, text []byte) {
	r.read(Line{Number: number, Offset: offset}, text, false)
}

// Open looks at a line that has not ended, and will be read once it has.
func (r *Reader) Open(offset int64, text []byte) {
	r.read(Line{Offset: offset}, text, true)
}

func (r *Reader) read(at Line, text []byte, open bool) {
	text = bytes.TrimRight(text[:min(len(text), maxLine)], " \t\r\x00")
	if len(text) == 0 {
		return
	}
	tables.Look(&r.look, text)
	if !open {
		r.lines++
		if r.again(text) {
			r.restart()
		}
	}
	b := &r.boot
	b.lines = r.lines
	b.quiet = b.quiet || r.is(hushed, text)
	if !b.kernel && r.is(begins, text) && bytes.Contains(text, []byte("Linux version")) {
		b.kernel = true
		b.pass(rank("kernel-load")) // GRUB says that it boots an entry before it fails to
	}
	b.uroot = b.uroot || r.is(uroot, text)
	b.restarts = b.restarts || r.is(restarts, text)
	// What the kernel or a spinner prints under a question is no answer.
	stands := b.final != nil && b.final.row.class == "waits-for-person" && text[0] == '[' && (stamped(text) || r.is(spins, text))
	if !stands && !r.is(secure, text) {
		b.final = nil
	}
	keep := func() Line {
		if at.Text == "" {
			at.Text = string(text[:min(len(text), maxText)])
			if !open {
				at.Around = r.around.begin()
			}
		}
		return at
	}
	was := b.stage
	r.stages(text)
	b.mark(was, keep)
	var seen []Sign
	for i := range r.look.Each(0, len(all)) {
		row := &all[i]
		known := slices.IndexFunc(b.events, func(e event) bool { return e.row == row })
		if open && !row.last && !row.rescue || b.late(row) || !r.matters(row, known >= 0) || !r.look.Match(i, text) || r.is(harmless, text) {
			continue
		}
		b.rescue = b.rescue || row.rescue
		ends := row.final != "" && (row.ends == nil || row.ends.Match(text))
		switch {
		case row.last && stands:
			continue
		case row.last:
			b.final = &event{row, keep(), r.lines, r.lines}
		case known < 0:
			b.events = append(b.events, event{row, keep(), r.lines, r.lines})
		default:
			b.events[known].last = r.lines
		}
		if r.Saw != nil && (known < 0 || ends) {
			seen = append(seen, Sign{row.Row(), keep(), ends && !row.last, row.last && (ends || row.class == "waits-for-person"), row.rescue, row.unsaid})
		}
	}
	for _, s := range seen {
		r.Saw(s) // when all that the line tells is known
	}
	if !open {
		r.around.add(at, text)
	}
}

// matters says whether a line of a row would change anything: a flood of lines
// that were seen before must stay cheap.
func (r *Reader) matters(row *row, known bool) bool {
	switch {
	case r.Saw == nil && (row.weight == hint || row.weight == trouble && !row.last && r.boot.stage >= rank("login")):
		return false
	case !known, row.last, row.class == "stall", row.class == "kernel-crash" && row.weight > hint, row.class == "waits-for-person":
		return true
	}
	return r.Saw != nil && row.final != ""
}

// is says whether the line that was looked at is one of a sign.
func (r *Reader) is(sign int, text []byte) bool {
	return r.look.Match(len(all)+len(marks)+sign, text)
}

// again says whether the machine starts again with this line.
func (r *Reader) again(text []byte) bool {
	b := &r.boot
	if b.restarts || b.panicked() && !r.quoted {
		for i := range r.look.Each(len(all), len(all)+len(marks)) {
			if ranks[i-len(all)] <= bootloader && r.look.Match(i, text) {
				return true
			}
		}
	}
	if r.quoted || !r.is(begins, text) {
		return false
	}
	kernel := bytes.Contains(text, []byte("Linux version")) || bytes.Contains(text, []byte("Booting Linux on"))
	again := b.stage >= rank("kernel-load")
	if kernel {
		// Who prints the kernel's log in a shell does not start the machine.
		again = (b.kernel || b.stage > rank("kernel-load")) && (b.stage < rank("login") || b.restarts || b.worst(end) != nil)
	}
	return again
}

// restart begins another boot. One that had come to a login was no failure.
func (r *Reader) restart() {
	r.before = nil
	if r.boot.stage < rank("login") || r.boot.worst(end) != nil {
		ended := r.boot
		r.before = &ended
		r.boots++
	} else {
		r.boots = 0
	}
	r.boot = boot{}
	r.starts++
	r.quoted, r.kept = false, nil
}

// Starts is how often the machine has started again.
func (r *Reader) Starts() int { return r.starts }

// Loops is true of a machine that starts for the third time without having come
// to a login.
func (r *Reader) Loops() bool { return r.boots >= 2 }

// Stage is how far the boot has come, by a name of those in [Verdict].
func (r *Reader) Stage() string { return stages[r.boot.stage] }

// Reached are the stages of this boot, in their order.
func (r *Reader) Reached() []Reached { return r.boot.reached }

// Quiet is true where the kernel was told to say little, as far as the console
// shows its command line.
func (r *Reader) Quiet() bool { return r.boot.quiet }

// Spoken is true where the kernel has said which it is.
func (r *Reader) Spoken() bool { return r.boot.kernel }

// Settled is true of a boot that has come to its end.
func (r *Reader) Settled() bool { return r.boot.settled }

// Answered tells that a shell has answered, whatever its prompt looks like.
func (r *Reader) Answered() {
	b := &r.boot
	b.stage, b.events, b.settled = rank("shell"), nil, true
}

// Quote tells that what is read from now on is the output of a command, which
// may show another boot's words, until Quote(false): then it is forgotten.
func (r *Reader) Quote(on bool) {
	switch {
	case on && !r.quoted:
		r.kept = slices.Clone(r.boot.events)
	case !on && r.quoted:
		r.boot.events, r.boot.restarts, r.kept = r.kept, false, nil
	}
	r.quoted = on
}

// stages notes how far the boot has come with a line.
func (r *Reader) stages(text []byte) {
	b := &r.boot
	reached := 0
	if stamped(text) {
		reached = rank("kernel-load")
	}
	for i := range r.look.Each(len(all), len(all)+len(marks)) {
		// A login shows each time that what was before is passed.
		shows := ranks[i-len(all)]
		if (shows > max(reached, b.stage) || shows == login && len(b.events) > 0) && (shows != initRank || !b.initrd) && r.look.Match(i, text) {
			reached = max(reached, shows)
		}
	}
	switch {
	case !b.switched && r.is(inInitrd, text):
		// systemd says which it is before it says where it runs.
		b.initrd, reached = true, rank("initrd")
		b.stage = min(b.stage, reached)
	case !b.switched && !b.settled && r.is(initrdFails, text):
		b.initrd, reached = true, rank("initrd")
		b.stage = min(b.stage, reached)
	case b.stage < rank("init") && r.is(initrdWork, text):
		b.initrd, reached = true, rank("initrd")
	case r.is(switches, text):
		b.initrd, b.switched = false, true
	case b.initrd && reached == rank("init"):
		reached = rank("initrd")
	}
	switch {
	case b.stage == shell && len(b.events) == 0 && !b.rescue:
	case asks(text), r.is(busybox, text) && b.stage >= login, len(text) == 1 && bare.Match(text) && b.stage >= rank("login"), b.uroot && lone.Match(text):
		reached = rank("shell")
	}
	switch {
	case !b.rescue:
	case reached == rank("init") && b.stage < reached || reached == rank("login") && loginAsked.Match(text):
		b.rescue = false // which a person got past
	case reached > rank("init"):
		reached = 0 // a rescue shell is no shell that was reached
	}
	if r.is(noExec, text) && b.stage == rank("initrd") {
		b.stage = rank("kernel-load")
	}
	if reached > b.stage {
		b.pass(reached)
	}
	if reached >= rank("login") {
		b.events = b.events[:0] // which it got past
		b.settled = true
	}
	if !b.initrd && r.is(settled, text) {
		b.settled, b.settledAt = true, r.lines
		reached = max(reached, rank("init"))
	}
	b.stage = max(b.stage, reached)
}

// Verdict is about what was read so far.
func (r *Reader) Verdict() Verdict {
	b := &r.boot
	v := Verdict{Verdict: Unclear, Stage: stages[b.stage], Class: None}
	var cause *event
	switch {
	case b.settled:
		v.Verdict = Boots
		if cause = b.taken(); cause == nil && b.stage < rank("login") {
			// What systemd ends in may come after its last words of a boot.
			if cause = b.worst(reason); cause == nil {
				if e := b.worst(end); e != nil && e.last > b.settledAt {
					cause = e
				}
			}
		}
	default:
		cause = b.worst(trouble)
		if cause == nil && r.before != nil && b.stage < rank("init") {
			cause = r.before.worst(trouble)
		}
	}
	if cause != nil {
		v.Verdict, v.Class, v.ID, v.Means, v.Remedy, v.Cause = Fails, cause.row.class, cause.row.id, cause.row.means, cause.row.remedy, cause.line
	} else if !b.settled && r.boots >= 2 {
		v.Verdict, v.Class, v.ID = Fails, "reboot-loop", "reboot-loop"
		v.Means, v.Remedy = "the machine starts again and again", "look at the last lines before it starts anew"
	}
	return v
}

// stamped says whether a line has a kernel's time stamp near its beginning.
func stamped(text []byte) bool {
	head := text[:min(len(text), 64)]
	for {
		i := bytes.IndexByte(head, '[')
		if i < 0 {
			return false
		}
		head = head[i+1:]
		digits, n := 0, 0
		for n < len(head) && (head[n] == ' ' || head[n] >= '0' && head[n] <= '9') {
			n++
		}
		if n == 0 || n >= len(head) || head[n] != '.' {
			continue
		}
		for n++; n < len(head) && head[n] >= '0' && head[n] <= '9'; n++ {
			digits++
		}
		if digits == 6 && n < len(head) && head[n] == ']' {
			return true
		}
	}
}
