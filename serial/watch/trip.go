package watch

import (
	"regexp"
	"strings"
	"time"
)

// Trip is a tripwire that was touched.
type Trip struct {
	ID, Means, Remedy string
	// Fatal: nothing that is awaited will come any more. The ID is then the cause's,
	// of which there may have been word before.
	Fatal  bool
	Line   string // the line that touched it, or what was silent
	Class  string // of what is wrong, as verdicts have it: host, service, waits-for-person
	Stage  Stage
	At     time.Time
	Offset int64 // of the line's first byte in the stream
}

// Tripwire is a line on a console, or a silence, that has a name.
type Tripwire struct {
	ID     string // kebab-case, unique, never reused
	Means  string // what has happened
	Remedy string // what to do about it
	Class  string // of what is wrong, see [Trip]
	// Fatal: nothing that is awaited will come any more. It is false of a line
	// that healthy boots may have, too, however bad it looks.
	Fatal bool

	// silence in stage trips when it lasts longer than this.
	silent  Stage
	silence time.Duration
	spoken  bool // the kernel has said something
	settled bool // the last target was reached
	// spins: a spinner that turns for a job without a limit is a silence, too.
	spins bool
}

// Alarm is a line of trouble that one image is known for, as those of [Tripwires]
// are of any. It ends no wait.
type Alarm struct {
	ID, Means, Remedy string
	Pattern           *regexp.Regexp // of a visible line
}

// maxTripLine bounds what is kept of a line, in bytes.
const maxTripLine = 500

func (t *Tripwire) trip(w *Watch, offset int64, line string) Trip {
	return Trip{ID: t.ID, Means: t.Means, Remedy: t.Remedy, Fatal: t.Fatal, Class: t.Class,
		Line: strings.ToValidUTF8(line[:min(len(line), maxTripLine)], "\uFFFD"), Stage: w.stage, At: w.heard, Offset: offset}
}
