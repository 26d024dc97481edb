package watch

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bootaudit/internal/screen"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ended is how a live wait was ended.
type ended struct {
	trip *Trip
	line int           // that was written last, from 1
	idle time.Duration // that the console had been silent for
}

// replay writes a console line by line with so much time between them, looks each
// second as a live console's ticker does, and then waits for as long as any
// silence lasts.
func replay(t testing.TB, console []byte, each time.Duration) (first ended, last Stage) {
	var at ended
	s := screen.New(screen.Config{Cols: 132, Rows: 50})
	w := New(Config{Screen: func() (string, int, int) {
		col, row := s.Cursor()
		return s.Text(), row, col
	}, OnTrip: func(trip Trip) {
		if trip.Fatal && first.trip == nil {
			first = ended{&trip, at.line, at.idle}
		}
	}})
	idle := func(d time.Duration) {
		for at.idle = 0; d > 0 && first.trip == nil; d -= time.Second {
			time.Sleep(min(d, time.Second))
			at.idle += min(d, time.Second)
			w.Idle(time.Now())
		}
	}
	for line := range bytes.SplitAfterSeq(console, []byte("\n")) {
		at.line++
		if len(line) > 0 {
			_, _ = s.Write(line)
			_, _ = w.Write(line)
		}
		if each > 0 {
			idle(each)
		}
		if first.trip != nil {
			return first, w.Stage()
		}
	}
	idle(10 * time.Minute)
	return first, w.Stage()
}

// speeds are how long a console takes for a line: none, as under KVM, and as under
// emulation on a busy host.
var speeds = []time.Duration{0, 50 * time.Millisecond, 2 * time.Second}

// Each console of testdata/replay says in its first line how it ends, as
// "boots STAGE", or "ends ID" and the words of the line that ends it, or "silent ID"
// where a silence of its stage does.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/replay/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		head, console, _ := strings.Cut(string(text), "\n")
		console = strings.TrimSuffix(console, "\n") // the last line may be a prompt
		console = strings.ReplaceAll(console, "\n", "\r\n")
		lines := strings.Split(console, "\n")
		want, rest, _ := strings.Cut(head, " ")
		id, words, _ := strings.Cut(rest, " ")
		for _, each := range speeds {
			synctest.Test(t, func(t *testing.T) {
				end, stage := replay(t, []byte(console), each)
				name := filepath.Base(file) + " at " + each.String()
				if want == "boots" {
					assert.Nil(t, end.trip, "%s: %+v", name, end.trip)
					assert.Equal(t, id, string(stage), name)
					return
				}
				if !assert.NotNil(t, end.trip, name) {
					return
				}
				assert.Equal(t, id, end.trip.ID, "%s: %+v", name, end.trip)
				if want == "ends" {
					at := lines[:end.line]
					for len(at) > 1 && strings.TrimSpace(at[len(at)-1]) == "" {
						at = at[:len(at)-1]
					}
					assert.Contains(t, at[len(at)-1], words, name)
					assert.LessOrEqual(t, end.idle, standsFor, name)
					return
				}
				assert.Equal(t, "silent", want, name)
				assert.Len(t, lines, end.line, name)
			})
		}
	}
}
