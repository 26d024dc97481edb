package iso

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/charmbracelet/x/ansi"
)

// tail keeps the last lines that were written to it.
type tail struct {
	mu    sync.Mutex
	lines []string
	told  []string // those that say why something failed, each once
	part  []byte
	line  func(string) // gets each whole line, may be nil
}

const (
	maxTail = 400
	maxTold = 20
)

var tellingLine = regexp.MustCompile(`(?i)\berror\b|fatal|failed|failure|no space|cannot|can't|denied|undefined|not found|no such|timed out|unable to|mismatch`)

// telling is the lines of a log that say why it failed, else its last ones.
func (t *tail) telling() string {
	text := t.String() // with a last line that has no end
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.told) > 0 {
		return strings.Join(t.told, "\n")
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-maxTold):], "\n")
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		before, rest, whole := bytes.Cut(p, []byte("\n"))
		if len(t.part) < 16<<10 {
			t.part = append(t.part, before...)
		}
		if !whole {
			break
		}
		p = rest
		line := strings.TrimRight(string(t.part), "\r")
		t.part = t.part[:0]
		if t.line != nil {
			t.line(line)
		}
		if clean := ansi.Strip(line); tellingLine.MatchString(clean) && !slices.Contains(t.told, clean) {
			if t.told = append(t.told, clean); len(t.told) > maxTold {
				t.told = t.told[1:]
			}
		}
		if t.lines = append(t.lines, line); len(t.lines) > maxTail {
			t.lines = t.lines[len(t.lines)-maxTail:]
		}
	}
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines[:len(t.lines):len(t.lines)], string(t.part)), "\n")
}
