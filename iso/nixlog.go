package iso

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

var (
	ansi = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)
	at   = regexp.MustCompile(`^\s*at (?:/\S*/[0-9a-z]{32}-source/|«[^»]*»/?)?(\S+:\d+:\d+):?`)
)

// sayings is nix's error in one line: its message, and the first place in the
// flake that it names. Older versions put the message last, newer ones too,
// after a trace that starts with "error:" alone.
func sayings(stderr string) string {
	lines := strings.Split(ansi.ReplaceAllString(stderr, ""), "\n")
	message, place := "", ""
	for i, line := range lines {
		text := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(text, "error:"); ok {
			if rest = strings.TrimSpace(rest); rest != "" {
				message, place = rest, ""
				// A message goes on until a blank line or a place.
				for _, more := range lines[i+1:] {
					more = strings.TrimSpace(more)
					if more == "" || strings.HasPrefix(more, "at ") || strings.HasPrefix(more, "(") || strings.HasPrefix(more, "error:") || strings.HasPrefix(more, "last ") {
						break
					}
					message += " " + more
				}
			}
			continue
		}
		if m := at.FindStringSubmatch(line); m != nil && place == "" {
			place = m[1]
		}
	}
	if place != "" && !strings.Contains(message, place) {
		message += ", at " + place
	}
	return message
}

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
		if clean := ansi.ReplaceAllString(line, ""); tellingLine.MatchString(clean) && !slices.Contains(t.told, clean) {
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
