package vmtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/plain"
	"bootaudit/internal/record"
	"bootaudit/internal/screen"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// Broke is the result of an error that a VM's method returned, named by the
// tripwire that was touched, if one was.
func (s *Session) Broke(err error) check.Result {
	s.record.Note(err)
	r := check.Break(err.Error())
	r.Outcome = outcomeOf(err)
	var trip *serial.TripError
	var waited *serial.WaitError
	switch {
	case errors.As(err, &trip):
		t := trip.Trip
		r.Detail = fmt.Sprintf("%s: %s (stage reached: %s)", t.ID, t.Means, orNone(t.Stage))
		if t.Class == watch.AsksPerson {
			r.Detail = fmt.Sprintf("%s: %s: %s (stage reached: %s)", t.ID, t.Means, plain.Line(t.Line), orNone(t.Stage))
		}
		r.Evidence = t.Line
		r.FollowUp = t.Remedy
	case errors.As(err, &waited):
		r.Detail = fmt.Sprintf("no %s after %s: %v (stage reached: %s)", waited.Want, waited.Waited.Round(time.Second), waited.Err, orNone(waited.Stage))
	}
	if errors.As(err, &waited) && waited.Dropped > 0 {
		r.Detail += fmt.Sprintf("; the console was flooded: %d bytes came too fast to be looked at", waited.Dropped)
	}
	if errors.As(err, &waited) {
		r.Evidence = strings.TrimSpace(r.Evidence + "\nscreen:\n" + lastWords(waited.Screen, 20))
	}
	job := s.lastJob()
	if trip != nil {
		job = runningJob.FindString(trip.Trip.Line)
	}
	if job != "" {
		r.Detail += "; systemd's last word is: " + job
	}
	if trip == nil {
		// What the console warned of before may be why.
		for _, t := range s.Trips() {
			r.Detail += fmt.Sprintf("; the console had shown %s: %s", t.ID, t.Line)
		}
	}
	if s.vm.alive.Err() != nil && !strings.Contains(r.Detail, ErrEnded.Error()) {
		r.Detail += "; " + context.Cause(s.vm.alive).Error()
	}
	return r
}

var runningJob = regexp.MustCompile(`A (?:start|stop) job is .*?\)`)

// lastJob is the job that systemd's spinner showed last, if the boot has not
// come to a login.
func (s *Session) lastJob() string {
	if s.vm.Console.Stage() != watch.Init {
		return ""
	}
	tail, err := lastBytes(s.record.Path(record.TranscriptFile), 16<<10)
	if err != nil {
		return ""
	}
	last := ""
	lines := screen.Lines{Each: func(line screen.Line) {
		if job := runningJob.Find(line.Text); job != nil {
			last = plain.Line(string(job))
		}
	}}
	_, _ = lines.Write(tail)
	lines.Flush()
	return last
}

// Trips are the tripwires that were touched so far.
func (s *Session) Trips() []watch.Trip {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return slices.Clone(s.trips)
}

func orNone(stage watch.Stage) string {
	if stage == "" {
		return "none"
	}
	return string(stage)
}

// lastWords are the last n lines of a screen, after the last that is not the
// kernel's where that is none of them: it may be a question.
func lastWords(text string, n int) string {
	lines := strings.Split(text, "\n")
	last := lastLines(text, n)
	for _, line := range slices.Backward(lines) {
		switch line = strings.TrimSpace(line); {
		case line == "" || watch.Stamped([]byte(line)):
		case strings.Contains(last, line):
			return last
		default:
			return line + "\n...\n" + last
		}
	}
	return last
}

// lastLines are the last n lines of text that are not blank.
func lastLines(text string, n int) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
