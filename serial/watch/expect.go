package watch

import (
	"strings"
)

// expect looks whether a line is what is expected.
func (w *Watch) expect(text []byte, offset int64) {
	if w.expected || w.cfg.Expect == nil || w.asked || w.command || !w.cfg.Expect.Match(text) {
		return
	}
	w.expected = true
	if w.cfg.OnExpect != nil {
		r := Reached{Stage: w.stage, At: w.heard, Line: string(text[:min(len(text), maxTripLine)]), Offset: offset}
		w.events = append(w.events, func() { w.cfg.OnExpect(r) })
	}
}

// seek looks for what is expected in the line that is open, and on the screen.
func (w *Watch) seek() {
	if w.expected || w.cfg.Expect == nil {
		return
	}
	open := w.lines.Open()
	w.expect(open.Text, open.Offset)
	if w.cfg.Screen == nil {
		return
	}
	text, _, _ := w.cfg.Screen()
	for line := range strings.SplitSeq(text, "\n") {
		w.expect([]byte(strings.TrimRight(line, " ")), w.lines.Offset())
	}
}
