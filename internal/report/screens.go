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
	if b.Recording != nil {
		if m := b.Recording.Moment(replay.Typing); m.Screen != "" {
			list = append(list, Screen{"The guest's last screen, before the harness typed (" + seconds(m.At) + ")", clean(m.Screen), b.Failed()})
		}
	}
	if b.Screen != "" {
		list = append(list, Screen{"The last screen", b.Screen, b.Failed() && len(list) == 0})
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
	for _, m := range b.Recording.Moments {
		if m.Kind != replay.Stage && m.Kind != replay.Evidence {
			continue
		}
		title := cleanLine(m.Label, 60)
		if m.Kind == replay.Evidence {
			title = "evidence: " + title
		}
		rows := strings.Split(clean(m.Screen), "\n")
		text := clean(m.Screen)
		if n := repeated(before, rows); n >= 4 {
			text = fmt.Sprintf("[%d rows as above]\n%s", n, strings.Join(rows[n:], "\n"))
		}
		before = rows
		list = append(list, Screen{Title: title + ", " + seconds(m.At), Text: text})
	}
	return list
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
