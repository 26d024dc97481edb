package report

import (
	"fmt"
	"os"
	"strings"

	"bootaudit/internal/plain"
	"bootaudit/internal/record"
	"bootaudit/internal/replay"
)

// addRecording draws the recording of a VM's console.
func (b *Boot) addRecording(root *os.Root) {
	text, whole := readFile(root, record.CastFile, maxRecording)
	if text = wholeLines(text); text == "" {
		return
	}
	want := replay.Wanted{Stages: map[string]float64{}}
	for _, s := range b.Stages {
		if _, twice := want.Stages[s.Name]; !twice {
			want.Stages[s.Name] = s.Seconds
		}
	}
	for _, trip := range b.Trips {
		want.Lines = append(want.Lines, replay.Sought{Label: trip.ID, Line: trip.Line, At: trip.Seconds})
	}
	drawn, err := replay.Draw(text, want)
	if err != nil {
		b.Notes = append(b.Notes, "The recording cannot be shown: "+cleanLine(err.Error(), 200)+".")
		return
	}
	b.Recording = drawn
	b.Notes = append(b.Notes, drawn.Notes...)
	if !whole {
		b.Notes = append(b.Notes, fmt.Sprintf("Only the first %d MiB of the recording are shown.", maxRecording>>20))
	}
}

// Screen is a screen under its title.
type Screen struct {
	Title, Text string
	Open        bool
}

// LastScreens are the last screen that is the guest's own, before the harness
// typed, and the last one of all.
func (b Boot) LastScreens() []Screen {
	var list []Screen
	own := b.own()
	if own != nil {
		m := b.Recording.Moment(replay.Typing)
		list = append(list, Screen{"The guest's last screen, before the harness typed (" + seconds(m.At) + ")", strings.Join(own, "\n"), b.Failed()})
	}
	if b.Screen != "" {
		last := strings.Split(strings.TrimRight(b.Screen, "\n"), "\n")
		list = append(list, Screen{"The last screen", fresh(last, seen{own, "as on the guest's last screen"}), b.Failed() && own == nil})
	}
	return list
}

// Moments are the screens at the stages and at the evidence. What a screen has in
// common with the one before it stands there.
func (b Boot) Moments() []Screen {
	if b.Recording == nil {
		return nil
	}
	var list []Screen
	var before []string
	own := b.own()
	for _, m := range b.Recording.Moments {
		if m.Kind != replay.Stage && m.Kind != replay.Evidence {
			continue
		}
		title := cleanLine(m.Label, 60)
		if m.Kind == replay.Evidence {
			title = "evidence: " + title
		}
		rows := strings.Split(clean(m.Screen), "\n")
		text := fresh(rows, seen{before, "as above"}, seen{own, "as on the guest's last screen"})
		before = rows
		list = append(list, Screen{Title: title + ", " + seconds(m.At), Text: text})
	}
	return list
}

// own are the rows of the guest's own last screen; nil where the harness typed
// nothing.
func (b Boot) own() []string {
	if b.Recording == nil {
		return nil
	}
	if m := b.Recording.Moment(replay.Typing); m.Screen != "" {
		return strings.Split(clean(m.Screen), "\n")
	}
	return nil
}

// seen is a screen that is shown elsewhere, and how that is said.
type seen struct {
	rows []string
	as   string
}

// fresh is a screen without the rows at its beginning that are shown elsewhere: a
// page of ten boots shows a hundred screens that have scrolled by a few rows.
func fresh(rows []string, elsewhere ...seen) string {
	most, as := 0, ""
	for _, other := range elsewhere {
		if n := repeated(other.rows, rows); n > most {
			most, as = n, other.as
		}
	}
	if most < 4 {
		return strings.Join(rows, "\n")
	}
	return strings.Join(append([]string{fmt.Sprintf("[%d rows %s]", most, as)}, rows[most:]...), "\n")
}

// repeated is how many rows at the beginning of a screen stand one after the
// other on the screen before it, which may have scrolled since.
func repeated(before, rows []string) int {
	most := 0
	for from := range before {
		n := 0
		for n < len(rows) && from+n < len(before) && rows[n] == before[from+n] {
			n++
		}
		most = max(most, n)
	}
	return most
}

// clean is a screen's text, bounded.
func clean(screen string) string { return bound(plain.Text(screen), maxScreen) }
