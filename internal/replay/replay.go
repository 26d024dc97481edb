package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bootaudit/internal/cast"
	"bootaudit/internal/plain"
	"bootaudit/internal/screen"
)

// What a moment is.
const (
	Stage    = "stage"    // the boot reached a stage
	Evidence = "evidence" // the line that a cause was read from
	Typing   = "typing"   // the harness is about to type: the last screen that is the guest's own
	End      = "end"
)

// Moment is a time of a recording at which its whole screen is kept.
type Moment struct {
	Kind, Label string
	Line        string  // of evidence
	At          float64 // seconds from the recording's start
	Row         int     // that shows Line, from 0; -1 when none does
	Screen      string  // as text
}

// Sought is a line to look for: the last that reads so until At. Silence is told
// of long after its last line.
type Sought struct {
	Label, Line string
	At          float64 // seconds, as Wanted.Stages counts them
}

// Wanted is what is known of a boot beside its recording.
type Wanted struct {
	// Stages are the seconds at which stages were reached, on the clock that
	// Sought.At is read from: the recording may have started later.
	Stages map[string]float64
	Lines  []Sought
}

// Recording is what a page shows of a recording.
type Recording struct {
	Cols, Rows int
	Seconds    float64
	Moments    []Moment // in their order
	Packed     string   // for the page's player; see pack.go
	Notes      []string // sentences: what is not shown
}

// Moment is the first moment of a kind, or the zero Moment.
func (r *Recording) Moment(kind string) Moment {
	i := slices.IndexFunc(r.Moments, func(m Moment) bool { return m.Kind == kind })
	if i < 0 {
		return Moment{}
	}
	return r.Moments[i]
}

const (
	maxFrames  = 2048 // in memory
	maxMoments = 40   // whose screens are kept
	// typed begins what the harness types first, wherever it types.
	typed = " export PAGER=cat SYSTEMD_PAGER=cat"
)

// Draw draws a recording, an asciicast. Of one that is broken it draws what
// stands before.
func Draw(recording string, want Wanted) (*Recording, error) {
	first, _, _ := strings.Cut(strings.TrimLeft(recording, "\uFEFF\r\n\t "), "\n")
	head, err := cast.Read(strings.NewReader(first), nil)
	if err != nil {
		return nil, err
	}
	d := &drawer{sought: find(recording, want), every: 0.05}
	d.begin(head.Cols, head.Rows)
	_, err = cast.Read(strings.NewReader(recording), func(e cast.Event) error {
		d.event(e)
		return nil
	})
	if err != nil {
		d.note("The recording breaks off: %s.", plain.Line(err.Error()))
	}
	return d.end(), nil
}

// drawer draws events and keeps what changed.
type drawer struct {
	Recording
	sought []sought // not come to yet
	screen *screen.Screen
	lines  screen.Lines
	met    []Sought // by the lines that ended since this was looked at

	rows   book
	frames []frame
	every  float64 // seconds between two frames that are no moments'
	thin   bool    // frames were left out
	now    float64 // of the last event
	dirty  bool    // something was drawn after the last frame
	typed  bool
	// unmarked are the moments for which there was no room.
	unmarked int
}

// frame is a whole screen at a time.
type frame struct {
	at   float64
	key  bool // a moment's
	rows []int
}

func (d *drawer) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

func (d *drawer) begin(cols, rows int) {
	d.Cols, d.Rows = min(max(cmp.Or(cols, 132), 2), 400), min(max(cmp.Or(rows, 50), 2), 200)
	d.screen = screen.New(screen.Config{Cols: d.Cols, Rows: d.Rows, Scrollback: 1, Reply: func([]byte) {}})
	d.lines.Each = d.meet
}

func (d *drawer) event(e cast.Event) {
	at := max(e.At.Seconds(), d.now)
	if d.dirty && at-d.last() >= d.every {
		d.keep(false)
	}
	d.now = at
	switch e.Code {
	case 'm':
		d.moment(Moment{Kind: Stage, Label: plain.Line(e.Data), Row: -1})
	case 'o':
		for part := range strings.SplitAfterSeq(e.Data, "\n") {
			d.draw(part)
		}
	}
}

// draw draws part of a line, so that no line that matters is drawn over unseen.
func (d *drawer) draw(part string) {
	if part == "" {
		return
	}
	_, _ = d.screen.Write([]byte(part))
	_, _ = d.lines.Write([]byte(part))
	d.dirty = true
	if !d.typed && strings.Contains(string(d.lines.Open().Text), typed) {
		d.typed = true
		d.moment(Moment{Kind: Typing, Label: "the harness begins to type", Row: -1})
	}
	if len(d.sought) > 0 && !strings.HasSuffix(part, "\n") {
		d.meet(d.lines.Open())
	}
	for _, s := range d.met {
		d.moment(Moment{Kind: Evidence, Label: s.Label, Line: s.Line, Row: -1})
	}
	d.met = nil
}

// meet finds a line that is sought.
func (d *drawer) meet(l screen.Line) {
	d.sought = slices.DeleteFunc(d.sought, func(s sought) bool {
		if s.offset != l.Offset || !strings.Contains(words(string(l.Text)), s.begin) {
			return false
		}
		d.met = append(d.met, s.Sought)
		return true
	})
}

// moment keeps the screen as it is now.
func (d *drawer) moment(m Moment) {
	if len(d.Moments) >= maxMoments && m.Kind != End {
		if d.unmarked++; d.unmarked == 1 {
			d.note("Only the first %d moments of the recording are marked.", maxMoments)
		}
		return
	}
	m.At = d.now
	d.keep(true)
	rows := d.rows.texts(d.frames[len(d.frames)-1].rows)
	if m.Line != "" {
		begin := beginning(m.Line, 60)
		for y := len(rows) - 1; y >= 0 && m.Row < 0; y-- {
			if strings.Contains(words(rows[y]), begin) {
				m.Row = y
			}
		}
	}
	if m.Kind == Typing {
		rows = untyped(rows)
	}
	m.Screen = strings.TrimRight(strings.Join(rows, "\n"), "\n")
	d.Moments = append(d.Moments, m)
}

// untyped are a screen's rows without what the harness types in the last.
func untyped(rows []string) []string {
	for y := len(rows) - 1; y >= 0; y-- {
		if prompt, _, is := strings.Cut(rows[y], " export PAGER"); is {
			return append(slices.Clone(rows[:y]), strings.TrimRight(prompt, " "))
		}
	}
	return rows
}

// last is when the last frame was kept.
func (d *drawer) last() float64 {
	if n := len(d.frames); n > 0 {
		return d.frames[n-1].at
	}
	return -1
}

// keep keeps the screen as a frame. There is room for some; where they are too
// many, every second is dropped, and fewer are kept from then on.
func (d *drawer) keep(key bool) {
	d.dirty = false
	f := frame{at: d.now, key: key}
	for _, runs := range d.screen.Styled() {
		f.rows = append(f.rows, d.rows.id(runs))
	}
	if n := len(d.frames); n > 0 && slices.Equal(d.frames[n-1].rows, f.rows) {
		if !key {
			return
		}
		if d.frames[n-1].at == f.at {
			d.frames[n-1].key = true
			return
		}
	}
	d.frames = append(d.frames, f)
	for len(d.frames) > maxFrames {
		d.every *= 2
		d.frames, d.thin = thinned(d.frames, d.every), true
		d.rows.forget(d.frames)
	}
}

// thinned are the frames with at least so many seconds between two, and those
// that are moments'.
func thinned(frames []frame, every float64) []frame {
	var kept []frame
	last := -every
	for i, f := range frames {
		if f.key || i == len(frames)-1 || f.at-last >= every {
			kept = append(kept, f)
			last = f.at
		}
	}
	return kept
}

func (d *drawer) end() *Recording {
	d.moment(Moment{Kind: End, Label: "the end", Row: -1})
	d.Seconds = d.now
	d.Packed = d.pack()
	return &d.Recording
}
