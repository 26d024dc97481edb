package screen

import (
	"bytes"

	"github.com/charmbracelet/x/ansi/parser"
)

// MaxLine is the longest line, in bytes, that [Lines] hands out. A guest that
// never ends its line gets it cut into pieces of this length.
const MaxLine = 4096

// End is what ended a line.
type End byte

const (
	// Open: nothing has ended the line yet; it may be a prompt.
	Open End = iota
	// LF: a line feed with no carriage return before it. A guest's terminal
	// puts one there, so such a line end was typed, not printed.
	LF
	// CRLF: a line feed after one or more carriage returns.
	CRLF
	// CR: a carriage return alone, or a cursor movement to another place.
	CR
	// Cut: the line reached [MaxLine] and goes on.
	Cut
)

// Line is one line of a console stream as text: escape sequences are gone and
// backspaces have been carried out.
type Line struct {
	Text   []byte // valid until Each returns
	Offset int64  // of the first byte that belongs to it, in the stream
	Next   int64  // of the first byte after it and after what ended it
	End    End
	// Feeds is the number of carriage returns before the line feed.
	Feeds int
}

// Lines is a writer that cuts a console stream into lines. It keeps at most
// one line, whatever it is fed, and does not draw: see [Screen] for that.
type Lines struct {
	// Each is called for every line that has ended.
	Each func(Line)
	// Sequence, when set, is called for every control sequence (CSI) with its
	// bytes after the ESC [, in order with Each. The line so far is Open.
	Sequence func(params []byte)

	text  []byte
	start int64 // offset of the line's first byte
	at    int64 // offset of the byte being read
	state parser.State
	csi   []byte
	crs   int  // carriage returns that wait for what follows
	begun bool // start is set
}

// Open is the line that has not ended. It is valid until the next Write.
func (l *Lines) Open() Line {
	return Line{Text: l.text, Offset: l.start, Next: l.at, End: Open}
}

// Offset is the number of bytes read.
func (l *Lines) Offset() int64 { return l.at }

// Skip counts n bytes that are not to be read.
func (l *Lines) Skip(n int) { l.at += int64(n) }

// Write reads p. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if l.state == parser.GroundState {
			run := plain(p)
			if run > 0 {
				l.settleCR(p[0])
				l.add(p[:run])
				l.at += int64(run)
				p = p[run:]
				continue
			}
		}
		l.step(p[0])
		l.at++
		p = p[1:]
	}
	return n, nil
}

// Flush ends the last line, which then counts as Open.
func (l *Lines) Flush() {
	if l.crs > 0 {
		l.end(CR, l.at)
		l.crs = 0
	}
	if len(l.text) > 0 {
		l.end(Open, l.at)
	}
}

// plain is the length of p's beginning that holds neither controls nor ESC.
func plain(p []byte) int {
	for i, b := range p {
		if b < 0x20 || b == 0x7f {
			return i
		}
	}
	return len(p)
}

// step reads a control byte in ground state, or any byte in another.
func (l *Lines) step(b byte) {
	if inString(l.state) && (b == '\r' || b == '\n') {
		// A title that was cut off must not hide what follows it.
		l.state = parser.GroundState
	}
	if l.state != parser.GroundState && b >= 0x80 {
		// Inside a string a UTF-8 byte is data (the parser's table would take
		// 0x9c for its end); any other sequence it breaks off.
		if !inString(l.state) {
			l.state = parser.GroundState
			l.add([]byte{b})
		}
		return
	}
	state, action := parser.Table.Transition(l.state, b)
	switch action {
	case parser.ExecuteAction:
		l.control(b)
	case parser.ClearAction:
		l.csi = l.csi[:0]
	case parser.PrefixAction, parser.CollectAction, parser.ParamAction:
		if state != parser.EscapeState && len(l.csi) < 64 {
			l.csi = append(l.csi, b)
		}
	case parser.DispatchAction:
		if l.state == parser.CsiEntryState || l.state == parser.CsiParamState || l.state == parser.CsiIntermediateState {
			l.sequence(b)
		}
	}
	l.state = state
}

// inString is true inside OSC, DCS, SOS, PM and APC.
func inString(s parser.State) bool {
	return s >= parser.DcsEntryState && s <= parser.DcsStringState || s >= parser.OscStringState && s <= parser.ApcStringState
}

func (l *Lines) sequence(final byte) {
	switch final {
	case 'H', 'f', 'd', 'J', 'r':
		// The cursor goes elsewhere: what follows is another line to a reader.
		if len(bytes.TrimSpace(l.text)) > 0 {
			l.end(CR, l.at+1)
		}
	}
	if l.Sequence != nil {
		l.Sequence(append(l.csi, final))
	}
	l.csi = l.csi[:0]
}

func (l *Lines) control(b byte) {
	switch b {
	case '\r':
		if !l.begun {
			l.start, l.begun = l.at, true
		}
		l.crs++
	case '\n':
		if l.crs > 0 {
			l.end(CRLF, l.at+1)
		} else {
			l.end(LF, l.at+1)
		}
		l.crs = 0
	case '\b':
		l.settleCR(b)
		for len(l.text) > 0 {
			last := l.text[len(l.text)-1]
			l.text = l.text[:len(l.text)-1]
			if last&0xc0 != 0x80 { // a whole character, not a UTF-8 tail byte
				break
			}
		}
	case '\t':
		l.settleCR(b)
		l.add([]byte{b})
	}
}

// settleCR decides what the carriage returns before next were for.
func (l *Lines) settleCR(next byte) {
	if l.crs == 0 {
		return
	}
	one := l.crs == 1
	l.crs = 0
	// A shell's line editor wraps a long line by printing a blank and going
	// back to the beginning of the new row: the line goes on.
	if one && len(l.text) >= 40 && l.text[len(l.text)-1] == ' ' && next != '\b' {
		l.text = l.text[:len(l.text)-1]
		return
	}
	l.end(CR, l.at)
}

func (l *Lines) add(p []byte) {
	if !l.begun {
		l.start, l.begun = l.at, true
	}
	for at := l.at; len(l.text)+len(p) > MaxLine; {
		room := MaxLine - len(l.text)
		l.text = append(l.text, p[:room]...)
		p = p[room:]
		at += int64(room)
		l.end(Cut, at)
		l.start, l.begun = at, true
	}
	l.text = append(l.text, p...)
}

func (l *Lines) end(how End, next int64) {
	if !l.begun {
		l.start = l.at
	}
	if l.Each != nil && (how != CR || len(l.text) > 0) {
		l.Each(Line{Text: l.text, Offset: l.start, Next: next, End: how, Feeds: l.crs})
	}
	l.text = l.text[:0]
	l.begun = false
}
