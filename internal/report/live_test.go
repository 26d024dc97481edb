package report

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// screen is what a person sees, while it changes.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

// follow feeds a Live with lines and pauses, under a fake clock.
func follow(t *testing.T, width int, play func(say func(format string, args ...any), out *screen, interrupt func())) *Run {
	var run *Run
	synctest.Test(t, func(t *testing.T) {
		out := &screen{}
		in, feed := io.Pipe()
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		done := make(chan struct{})
		go func() {
			defer close(done)
			run = (&Live{Out: out, Width: width}).Follow(ctx, "in", in)
		}()
		play(func(format string, args ...any) {
			fmt.Fprintf(feed, format+"\n", args...)
			synctest.Wait()
		}, out, interrupt)
		feed.Close()
		<-done
	})
	return run
}

const (
	runVM    = `{"Action":"run","Package":"bootaudit/vmtest","Test":"TestVM/clean-disk"}`
	bootLine = `{"Action":"output","Package":"bootaudit/vmtest","Test":"TestVM/clean-disk","Output":"    vm clean-disk: 34s kernel-load\n"}`
	finding  = `{"Action":"attr","Package":"bootaudit/vmtest","Test":"TestVM/clean-disk/root","Key":"finding","Value":"{\"id\":\"root\",\"section\":\"runtime\",\"outcome\":\"broken\",\"detail\":\"sudo asked \\u001b[31mfor a password\",\"seconds\":2.5}"}`
)

func TestLiveLines(t *testing.T) {
	follow(t, 0, func(say func(string, ...any), out *screen, _ func()) {
		say("go: downloading github.com/x/y v1.0.0")
		assert.Equal(t, "go         go: downloading github.com/x/y v1.0.0\n", out.take())
		say(runVM)
		assert.Empty(t, out.take())
		time.Sleep(14 * time.Second)
		assert.Empty(t, out.take())
		time.Sleep(2 * time.Second)
		assert.Equal(t, "... 15s: 0 hold, 0 do not; running: clean-disk 15s\n", out.take(), "the heartbeat")
		say(bootLine)
		assert.Equal(t, "boot       clean-disk                          34s  kernel-load\n", out.take())
		say(bootLine)
		assert.Empty(t, out.take(), "the status repeats it")
		time.Sleep(16 * time.Second)
		assert.Equal(t, "... 31s: 0 hold, 0 do not; running: clean-disk in kernel-load for 15s, clean-disk 31s\n", out.take())
		say(strings.Replace(bootLine, "34s kernel-load", "50s tripwire unit-failed: a unit failed", 1))
		assert.Equal(t, "TRIPWIRE   clean-disk                          50s  unit-failed: a unit failed\n", out.take())
		say(finding)
		assert.Equal(t, "BROKEN     clean-disk/root                    2.5s  sudo asked for a password\n", out.take())
	})
}

func TestLiveTerminal(t *testing.T) {
	follow(t, 60, func(say func(string, ...any), out *screen, _ func()) {
		say(runVM)
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, "... 1.0s: 0 hold, 0 do not; running: clean-disk 1.0s", out.take())
		time.Sleep(time.Second)
		assert.Equal(t, "\r\x1b[K... 2.0s: 0 hold, 0 do not; running: clean-disk 2.0s", out.take(), "each second")
		say(finding)
		assert.Equal(t, "\r\x1b[KBROKEN     clean-disk/root                    2.5s  sudo asked for a password\n"+
			"... 2.0s: 0 hold, 0 do not; running: clean-disk 2.0s", out.take(), "a line above it")
		time.Sleep(time.Second)
		status := strings.TrimPrefix(out.take(), "\r\x1b[K")
		assert.LessOrEqual(t, utf8.RuneCountInString(status), 60)
		assert.Contains(t, status, "1 do not")
	})
}

// TestLiveNotes: what a test writes for a watcher is shown, a flood of it is
// not, and what it logs is for later.
func TestLiveNotes(t *testing.T) {
	follow(t, 0, func(say func(string, ...any), out *screen, _ func()) {
		note := `{"Action":"output","Package":"p","Test":"TestImage","Output":"    %s\n"}`
		say(`{"Action":"run","Package":"p","Test":"TestImage"}`)
		say(note, "stand-in: building for 10s\\u001b[2J")
		assert.Equal(t, "log        stand-in: building for 10s\n", out.take())
		for i := range 1000 {
			say(note, fmt.Sprintf("line %d", i))
		}
		say(note, "run.go:60: holds: all is well")
		say(note, "    second line of what was logged")
		assert.Empty(t, out.take())
		time.Sleep(16 * time.Second)
		assert.Equal(t, "... 15s: 0 hold, 0 do not; running: line 999, TestImage 15s\n", out.take())
	})
}

func TestInterrupt(t *testing.T) {
	run := follow(t, 0, func(say func(string, ...any), out *screen, interrupt func()) {
		say(runVM)
		interrupt()
		synctest.Wait()
		assert.Contains(t, out.take(), "interrupted: waiting 5s for the last events")
		time.Sleep(2 * time.Second)
		say(finding)
		assert.Contains(t, out.take(), "BROKEN", "what comes within the grace counts")
		time.Sleep(4 * time.Second)
	})
	a := NewAudit(run)
	assert.Contains(t, strings.Join(a.Partial, "\n"), "Reading was ended by an interrupt.")
	assert.Contains(t, strings.Join(a.Partial, "\n"), "clean-disk")
	assert.Len(t, a.Runtime.rows(), 1)
	assert.Equal(t, StatusBroken, a.Status())
}
