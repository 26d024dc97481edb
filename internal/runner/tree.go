package runner

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bootaudit/contract/check"
)

// test is a [check.Test] without go test.
type test struct {
	stream    *Stream
	pkg, name string
	parent    *test
	ctx       context.Context
	cancel    context.CancelFunc

	began   time.Time
	failed  atomic.Bool
	skipped atomic.Bool

	// paused is closed when the test has asked to run beside others, done when it
	// has ended. What is paused goes on when its parent's function has returned.
	paused, done chan struct{}
	resume       chan struct{} // the parent's, for its paused tests

	mu       sync.Mutex
	beside   []*test
	cleanups []func()
}

// Run runs a subtest, and returns when it has ended or is paused.
func (t *test) Run(name string, f func(check.Test)) bool {
	if t.name != "" {
		name = t.name + "/" + rewrite(name)
	}
	if !t.stream.selects(name) {
		return true
	}
	sub := &test{stream: t.stream, pkg: t.pkg, name: name, parent: t, began: time.Now(),
		paused: make(chan struct{}), done: make(chan struct{}), resume: make(chan struct{})}
	sub.ctx, sub.cancel = context.WithCancel(t.ctx)
	sub.event("run", nil)
	t.stream.lines(sub, "=== RUN   "+name)
	go sub.run(f)
	select {
	case <-sub.done:
	case <-sub.paused:
	}
	return !sub.failed.Load()
}

// rewrite makes a subtest's name one word, as go test does.
func rewrite(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' {
			return '_'
		}
		return r
	}, name)
}

func (t *test) run(f func(check.Test)) {
	defer close(t.done)
	defer t.end()
	func() {
		returned := make(chan struct{})
		go func() { // Skip and Fatal end a goroutine
			defer close(returned)
			defer func() {
				if p := recover(); p != nil {
					t.say(fmt.Sprintf("panic: %v\n\n%s", p, debug.Stack()))
					t.failed.Store(true)
				}
			}()
			f(t)
		}()
		<-returned
	}()
	t.releaseAndWait()
}

// releaseAndWait lets the paused subtests go on, and waits until they have ended.
func (t *test) releaseAndWait() {
	close(t.resume)
	t.mu.Lock()
	beside := t.beside
	t.mu.Unlock()
	for _, sub := range beside {
		<-sub.done
	}
}

// end says how the test has ended.
func (t *test) end() {
	t.cancel()
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			break
		}
		clean := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		clean()
	}
	action := "pass"
	switch {
	case t.failed.Load():
		action = "fail"
		t.parent.failed.Store(true)
	case t.skipped.Load():
		action = "skip"
	}
	elapsed := time.Since(t.began).Round(10 * time.Millisecond).Seconds()
	t.stream.lines(t, fmt.Sprintf("--- %s: %s (%.2fs)", strings.ToUpper(action), t.name, elapsed))
	t.event(action, &elapsed)
}

func (t *test) event(action string, elapsed *float64) {
	t.stream.write(event{Action: action, Package: t.pkg, Test: t.name, Elapsed: elapsed})
}

// Parallel lets the tests after t begin; t goes on when its parent's function has
// returned.
func (t *test) Parallel() {
	t.parent.mu.Lock()
	t.parent.beside = append(t.parent.beside, t)
	t.parent.mu.Unlock()
	t.stream.lines(t, "=== PAUSE "+t.name)
	t.event("pause", nil)
	close(t.paused)
	<-t.parent.resume
	t.event("cont", nil)
	t.stream.lines(t, "=== CONT  "+t.name)
}

func (t *test) Context() context.Context { return t.ctx }

// Deadline is the context's.
func (t *test) Deadline() (time.Time, bool) { return t.ctx.Deadline() }

// Cleanup calls f when t and its subtests have ended.
func (t *test) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *test) Attr(name, value string) {
	t.stream.write(event{Action: "attr", Package: t.pkg, Test: t.name, Key: name, Value: value})
}

// Output takes whole lines.
func (t *test) Output() io.Writer { return output{t} }

type output struct{ t *test }

func (o output) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		o.t.stream.lines(o.t, "    "+line)
	}
	return len(p), nil
}

// say is a log line, from the place that called its caller.
func (t *test) say(args ...any) {
	text := strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	where := "runner.go:1"
	if _, file, line, ok := runtime.Caller(2); ok {
		where = fmt.Sprintf("%s:%d", filepath.Base(file), line)
	}
	t.stream.lines(t, "    "+where+": "+strings.ReplaceAll(text, "\n", "\n        "))
}

func (t *test) Log(args ...any) { t.say(args...) }

func (t *test) Skip(args ...any) {
	t.say(args...)
	t.skipped.Store(true)
	runtime.Goexit()
}

func (t *test) Fatal(args ...any) {
	t.say(args...)
	t.failed.Store(true)
	runtime.Goexit()
}

func (t *test) Helper() {}
