package verdict

import (
	"bytes"
	"slices"
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
}

// Reader reads a console, line by line. The zero value is ready.
type Reader struct {
	boot   boot
	before *boot // the boot before this one, where it did not come to a login
	boots  int   // that did not, one after the other
	found  []uint16
	tried  []int
}

// boot is one boot of the machine.
type boot struct {
	stage    int
	kernel   bool // its kernel has said which it is
	initrd   bool // systemd runs in the initrd
	switched bool // and has left it
	rescue   bool // what asks is a rescue shell
	restarts bool // it has said so
	settled  bool
	uroot    bool // its shell asks with a lone >
	events   []event
	final    *event // the last line, where only that is telling
}

type event struct {
	row  *row
	line Line
}

// maxLine bounds what is looked at of a line, and maxText what is kept.
const (
	maxLine = 2048
	maxText = 400
)

// Line reads the next line. Text is without escape sequences, and is not kept.
func (r *Reader) Line(number int, offset int64, text []byte) {
	text = bytes.TrimRight(text[:min(len(text), maxLine)], " \t\r\x00")
	if len(text) == 0 {
		return
	}
	at := Line{Number: number, Offset: offset}
	r.look(text)
	if r.again(text) {
		r.restart()
	}
	b := &r.boot
	if !b.kernel && r.is(begins, text) && bytes.Contains(text, []byte("Linux version")) {
		b.kernel = true
		b.pass(rank("kernel-load")) // GRUB says that it boots an entry before it fails to
	}
	b.uroot = b.uroot || r.is(uroot, text)
	b.restarts = b.restarts || r.is(restarts, text)
	b.final = nil
	keep := func() Line {
		at.Text = string(text[:min(len(text), maxText)])
		return at
	}
	r.stages(text)
	for _, i := range r.tried {
		if i >= len(all) {
			continue
		}
		row := &all[i]
		if !row.pattern.Match(text) || r.is(harmless, text) {
			continue
		}
		b.rescue = b.rescue || row.rescue
		switch {
		case row.last:
			b.final = &event{row, keep()}
		case !slices.ContainsFunc(b.events, func(e event) bool { return e.row == row }):
			b.events = append(b.events, event{row, keep()})
		}
	}
}

// look finds the rows and marks that may be on the line.
func (r *Reader) look(text []byte) {
	r.found, r.tried = tables.words.Find(text, r.found[:0]), r.tried[:0]
	for _, w := range r.found {
		if i := tables.of[w]; !slices.Contains(r.tried, i) {
			r.tried = append(r.tried, i)
		}
	}
	slices.Sort(r.tried)
}

// is says whether the line that was looked at is one of a sign.
func (r *Reader) is(sign int, text []byte) bool {
	return slices.Contains(r.tried, len(all)+len(marks)+sign) && signs[sign].pattern.Match(text)
}

// again says whether the machine starts again with this line.
func (r *Reader) again(text []byte) bool {
	b := &r.boot
	if b.restarts || b.panicked() {
		for _, i := range r.tried {
			if m := i - len(all); m >= 0 && m < len(marks) && rank(marks[m].stage) <= rank("bootloader") && marks[m].pattern.Match(text) {
				return true
			}
		}
	}
	if !r.is(begins, text) {
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
}

// stages notes how far the boot has come with a line.
func (r *Reader) stages(text []byte) {
	b := &r.boot
	reached := 0
	if stamped(text) {
		reached = rank("kernel-load")
	}
	for _, i := range r.tried {
		if m := i - len(all); m >= 0 && m < len(marks) && marks[m].pattern.Match(text) {
			reached = max(reached, rank(marks[m].stage))
		}
	}
	switch {
	case !b.switched && r.is(inInitrd, text):
		// systemd says which it is before it says where it runs.
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
	case asks(text), r.is(busybox, text) && b.worst(root) == nil, len(text) == 1 && bare.Match(text) && b.stage >= rank("login"), b.uroot && lone.Match(text):
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
		b.settled = true
		reached = max(reached, rank("init"))
	}
	b.stage = max(b.stage, reached)
}

// pass forgets what the boot has got past, where it comes to a stage.
func (b *boot) pass(reached int) {
	b.events = slices.DeleteFunc(b.events, func(e event) bool { return reached >= e.row.passed(b.stage) })
}

// worst is the event that explains most, and at least so much; of several the
// first, but for a kernel's fault that the kernel outlived.
func (b *boot) worst(least weight) *event {
	var worst *event
	for i := range b.events {
		e := &b.events[i]
		switch {
		case e.row.weight < least:
		case worst == nil, e.row.weight > worst.row.weight, e.row.weight == worst.row.weight && worst.row.class == "kernel-crash":
			worst = e
		}
	}
	if worst == nil && b.final != nil && b.final.row.weight >= least {
		worst = b.final
	}
	return worst
}

// passed is the stage that a boot reaches only past what the row tells, where it
// was seen in the stage of now.
func (r *row) passed(now int) int {
	switch r.past {
	case next:
		return now + 1
	case "":
		return len(stages)
	}
	return rank(r.past)
}

// panicked says whether the kernel has ended the boot.
func (b *boot) panicked() bool {
	return slices.ContainsFunc(b.events, func(e event) bool {
		return e.row.weight >= end && (e.row.panics || slices.Contains([]string{"kernel-crash", "memory", "init", "root-missing"}, e.row.class))
	})
}

// afterLogin are the classes of what can take a login back.
var afterLogin = []string{"kernel-crash", "memory", "init", "host"}

// taken is what took a login back.
func (b *boot) taken() *event {
	for i := range b.events {
		if e := &b.events[i]; e.row.weight >= end && (e.row.panics || slices.Contains(afterLogin, e.row.class)) {
			return e
		}
	}
	return nil
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
			cause = b.worst(reason)
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
