package verdict

import "slices"

// boot is one boot of the machine.
type boot struct {
	stage     int
	kernel    bool // its kernel has said which it is
	initrd    bool // systemd runs in the initrd
	switched  bool // and has left it
	rescue    bool // what asks is a rescue shell
	restarts  bool // it has said so
	settled   bool
	settledAt int  // the line that said so
	uroot     bool // its shell asks with a lone >
	quiet     bool // the kernel was told to say little
	lines     int  // of all boots
	events    []event
	reached   []Reached
	final     *event // the last line, where only that is telling
}

// Reached is a stage, and the line that showed it.
type Reached struct {
	Stage string
	Line  Line
}

// mark notes that a line has changed the stage.
func (b *boot) mark(was int, keep func() Line) {
	for n := len(b.reached); n > 0 && rank(b.reached[n-1].Stage) > b.stage; n = len(b.reached) {
		b.reached = b.reached[:n-1] // it was another's word for an earlier one
	}
	if b.stage > was {
		b.reached = append(b.reached, Reached{stages[b.stage], keep()})
	}
}

type event struct {
	row         *row
	line        Line
	first, last int // the line, by its place
}

// near is how many lines before the end, or before what ended the boot, still
// have to do with it: a kernel's trace has some sixty.
const near = 200

// late says whether the boot is past where a row's lines mean what they say.
func (b *boot) late(row *row) bool {
	if row.past == "" || row.past == next {
		return false
	}
	past := rank(row.past)
	return b.stage > past || b.kernel && past <= rank("kernel-load")
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
		case e.row.weight == trouble && b.lines-e.last > near && (e.row.class == "stall" || e.row.class == "waits-for-person"):
			// It went on.
		case worst == nil, e.row.weight > worst.row.weight, e.row.weight == worst.row.weight && worst.row.class == "kernel-crash",
			worst.row.class == "kernel-crash" && e.row.class != "kernel-crash" && e.row.weight >= end && e.first-worst.last > near:
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
