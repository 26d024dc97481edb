package watch

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Trip is a tripwire that was touched.
type Trip struct {
	ID, Means, Remedy string
	Fatal             bool
	Line              string // the line that touched it, or what was silent
	Stage             Stage
	At                time.Time
	Offset            int64 // of the line's first byte in the stream
}

// Tripwire is a line on a console, or a silence, that has a name.
type Tripwire struct {
	ID     string // kebab-case, unique, never reused
	Means  string // what has happened
	Remedy string // what to do about it
	// Fatal: nothing that is awaited will come any more.
	Fatal bool

	// words are looked for before pattern is tried: with one of them at least
	// in every line that matches, a flood of other lines stays cheap.
	words   []string
	pattern *regexp.Regexp
	except  *regexp.Regexp // a line that matches it, too, does not count
	// before: it counts only until this stage has been reached ("" is always).
	before Stage
	// prompt: it is a line that waits for input, and so has no end.
	prompt bool
	// times the pattern must be seen, without a shell between; 0 is once.
	times int
	// silence in stage trips when it lasts longer than this.
	silent  Stage
	silence time.Duration
	// spins: a spinner that turns for a job without a limit is a silence, too.
	spins bool
}

// Tripwires is a copy of the table, in the order of a boot.
func Tripwires() []Tripwire { return slices.Clone(tripwires) }

// Alarm is a line of trouble that one image is known for, as those of [Tripwires]
// are of any. It ends no wait.
type Alarm struct {
	ID, Means, Remedy string
	Pattern           *regexp.Regexp // of a visible line
}

// maxTripLine bounds what is kept of a line, in bytes.
const maxTripLine = 500

func (t *Tripwire) trip(w *Watch, offset int64, line string) Trip {
	return Trip{ID: t.ID, Means: t.Means, Remedy: t.Remedy, Fatal: t.Fatal,
		Line: strings.ToValidUTF8(line[:min(len(line), maxTripLine)], "\uFFFD"), Stage: w.stage, At: w.heard, Offset: offset}
}
