package transcript

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/internal/screen"
	"bootaudit/internal/verdict"
	"bootaudit/serial/watch"
)

// trips gathers what was seen of trouble. What a command shows is held until its
// prompt is back, and is no news then.
type trips struct {
	held   []Tripped
	seen   map[string]bool // of this start of the machine
	logins int             // without a shell between
	// waits: a person is awaited, or was, who may have got past it.
	waits bool
}

// maxTrips bounds what is kept.
const maxTrips = 100

// saw is told of a line that tells of trouble.
func (a *analyzer) saw(s verdict.Sign) {
	if s.Waits || s.Ends && s.Rescue {
		a.trips.waits = a.trips.waits || s.Final != "" && a.command == ""
		if s.Waits {
			return
		}
		s.Ends = false
	}
	row, line := s.Row, s.Line
	v := verdict.Verdict{}
	if s.Ends {
		v = a.boot.Verdict()
	}
	switch {
	case v.Verdict == verdict.Fails:
		a.trip(ended(v))
	case !s.Unsaid:
		a.trip(Tripped{row.ID, row.Means, row.Remedy, false, line.Offset, line.Number, cut(line.Text)})
	}
}

// ended is the trip of what ended a boot.
func ended(v verdict.Verdict) Tripped {
	return Tripped{v.ID, v.Means, v.Remedy, true, v.Cause.Offset, v.Cause.Number, cut(v.Cause.Text)}
}

func (a *analyzer) trip(t Tripped) {
	if a.command != "" {
		if len(a.trips.held) < maxTrips {
			a.trips.held = append(a.trips.held, t)
		}
		return
	}
	key := t.ID
	if t.Fatal {
		key = strings.ToUpper(key) // there may have been word of it before
	}
	if !a.trips.seen[key] && len(a.out.Trips) < maxTrips {
		a.trips.seen[key] = true
		a.out.Trips = append(a.out.Trips, t)
	}
}

// release believes what was held: no prompt came after it.
func (a *analyzer) release() {
	held := a.trips.held
	a.trips.held, a.command = nil, ""
	for _, t := range held {
		a.trip(t)
	}
}

// again begins another start of the machine.
func (a *analyzer) again(starts int, l screen.Line) {
	a.release()
	a.starts, a.stood, a.reached = starts, a.stood[:0], -1
	clear(a.trips.seen)
	a.trips.logins, a.trips.waits = 0, false
	if a.boot.Loops() {
		a.trip(a.looped("reboot-loop", l))
	}
}

// settle ends the file: a person who is awaited will not come.
func (a *analyzer) settle(v verdict.Verdict) {
	a.release()
	if a.trips.waits && v.Verdict == verdict.Fails {
		a.trip(ended(v))
	}
}

var loginAgain = regexp.MustCompile(`login: .*\(automatic login\)|^Login timed out after \d+ seconds|^Login incorrect`)

// logins counts those after which no shell comes.
func (a *analyzer) logins(l screen.Line, text []byte, in wordSet) {
	switch {
	case a.boot.Stage() == "shell":
		a.trips.logins = 0
	case in.has(wordLoginAgain) && loginAgain.Match(text):
		if a.trips.logins++; a.trips.logins == maxLogins {
			a.trip(a.looped("login-loop", l))
		}
	}
}

// alarms looks for what one kind of image is known for.
func (a *analyzer) alarms(l screen.Line, text []byte) {
	for i := range imageAlarms {
		if al := &imageAlarms[i]; bytes.HasPrefix(text, al.prefix) && !a.trips.seen[al.ID] && al.Pattern.Match(text) {
			a.trip(Tripped{al.ID, al.Means, al.Remedy, false, l.Offset, a.number(l.Offset), cut(string(text))})
			return
		}
	}
}

// imageAlarms have what a line begins with that is one, "" where it may stand
// anywhere.
var imageAlarms = func() (list []struct {
	contract.Alarm
	prefix []byte
}) {
	for _, al := range contract.PreNixOS().Alarms {
		prefix := ""
		if rest, ok := strings.CutPrefix(al.Pattern.String(), "^"); ok {
			prefix, _ = regexp.MustCompile(rest).LiteralPrefix()
		}
		list = append(list, struct {
			contract.Alarm
			prefix []byte
		}{al, []byte(prefix)})
	}
	return list
}()

// maxLogins is how many are a loop.
const maxLogins = 4

// looped is the trip of a loop, which live waits have, too.
func (a *analyzer) looped(id string, l screen.Line) Tripped {
	all := watch.Tripwires()
	t := all[slices.IndexFunc(all, func(t watch.Tripwire) bool { return t.ID == id })]
	return Tripped{t.ID, t.Means, t.Remedy, true, l.Offset, a.number(l.Offset), cut(string(l.Text))}
}
