package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"bootaudit/contract/check"
)

// Stream writes the events of tests that run without go test, in the form of
// go test -json.
type Stream struct {
	Out io.Writer
	// Run selects tests, Skip leaves some out of those.
	Run, Skip Pattern

	mu  sync.Mutex
	err error
}

// event is one of go test -json's; see go doc test2json.
type event struct {
	Time    time.Time
	Action  string
	Package string   `json:",omitempty"`
	Test    string   `json:",omitempty"`
	Elapsed *float64 `json:",omitempty"`
	Output  string   `json:",omitempty"`
	Key     string   `json:",omitempty"`
	Value   string   `json:",omitempty"`
}

// Package runs f as the one test of a package, unless the patterns leave it out,
// and says whether nothing failed. f's context ends with ctx.
func (s *Stream) Package(ctx context.Context, pkg, name string, f func(check.Test)) bool {
	if !s.selects(name) {
		return true
	}
	begin := time.Now()
	s.write(event{Action: "start", Package: pkg})
	top := &test{stream: s, pkg: pkg, ctx: ctx, resume: make(chan struct{})}
	ok := top.Run(name, f)
	top.releaseAndWait()
	ok = ok && !top.failed.Load()
	elapsed := time.Since(begin).Round(time.Millisecond).Seconds()
	line, last, action := "PASS\n", "ok  ", "pass"
	if !ok {
		line, last, action = "FAIL\n", "FAIL", "fail"
	}
	s.write(event{Action: "output", Package: pkg, Output: line})
	s.write(event{Action: "output", Package: pkg, Output: fmt.Sprintf("%s\t%s\t%.3fs\n", last, pkg, elapsed)})
	s.write(event{Action: action, Package: pkg, Elapsed: &elapsed})
	return ok
}

// Err is why events could not be written.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Stream) selects(name string) bool {
	if ok, _ := s.Run.match(name); !ok {
		return false
	}
	if !s.Skip.set() {
		return true
	}
	ok, more := s.Skip.match(name)
	return !ok || more
}

func (s *Stream) write(e event) {
	e.Time = time.Now()
	line, err := json.Marshal(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.err == nil {
		_, err = s.Out.Write(append(line, '\n'))
	}
	if s.err == nil {
		s.err = err
	}
}

// lines writes what a test said, an event for each line.
func (s *Stream) lines(t *test, text string) {
	for line := range strings.Lines(text) {
		s.write(event{Action: "output", Package: t.pkg, Test: t.name, Output: strings.TrimSuffix(line, "\n") + "\n"})
	}
}
