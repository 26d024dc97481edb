package replay

import (
	"encoding/json"
	"fmt"
	"strings"

	"bootaudit/internal/plain"
	"bootaudit/internal/screen"
)

// book numbers the rows that were drawn: a scrolling console shows each many
// times. Row 0 is empty.
type book struct {
	numbers map[string]int
	rows    []row
	styles  map[screen.Style]int // from 1; 0 is the terminal's own
	looks   []look
}

// row is a row as the page gets it, and as text.
type row struct {
	packed json.RawMessage // a text, or style, text, style, text, ...
	text   string
}

// look is a style as the page's script applies it: classes, and the colours
// that no class has.
type look struct {
	Class string `json:"c,omitempty"`
	FG    string `json:"f,omitempty"`
	BG    string `json:"b,omitempty"`
}

func (b *book) id(runs []screen.Run) int {
	if b.rows == nil {
		b.numbers, b.styles = map[string]int{`""`: 0}, map[screen.Style]int{{}: 0}
		b.rows, b.looks = []row{{packed: json.RawMessage(`""`)}}, []look{{}}
	}
	var text strings.Builder
	var parts []any
	for _, r := range runs {
		clean := plain.Line(r.Text)
		text.WriteString(clean)
		parts = append(parts, b.style(r.Style), clean)
	}
	var packed []byte
	if len(parts) == 0 || len(parts) == 2 && parts[0] == 0 {
		packed, _ = json.Marshal(text.String())
	} else {
		packed, _ = json.Marshal(parts)
	}
	if n, is := b.numbers[string(packed)]; is {
		return n
	}
	n := len(b.rows)
	b.numbers[string(packed)] = n
	b.rows = append(b.rows, row{packed, strings.TrimRight(text.String(), " ")})
	return n
}

// maxStyles bounds the different styles of a recording: a boot has ten.
const maxStyles = 500

func (b *book) style(s screen.Style) int {
	if n, is := b.styles[s]; is {
		return n
	}
	if len(b.looks) >= maxStyles {
		return 0
	}
	var l look
	var classes []string
	colour := func(kind string, c screen.Colour) string {
		switch hex, exact := c.RGB(); {
		case exact:
			return fmt.Sprintf("#%06x", hex)
		case c == screen.Swapped:
			classes = append(classes, kind+"swap")
		case c > 16:
			return fmt.Sprintf("#%06x", xterm(int(c)-1))
		case c > 0:
			classes = append(classes, fmt.Sprint(kind, c-1))
		}
		return ""
	}
	l.FG, l.BG = colour("f", s.FG), colour("b", s.BG)
	for _, more := range []struct {
		class string
		is    bool
	}{{"bold", s.Bold}, {"italic", s.Italic}, {"under", s.Underline}} {
		if more.is {
			classes = append(classes, more.class)
		}
	}
	l.Class = strings.Join(classes, " ")
	n := len(b.looks)
	b.styles[s] = n
	b.looks = append(b.looks, l)
	return n
}

// xterm is a colour of xterm's palette beyond the 16 that a page chooses.
func xterm(n int) int {
	if n >= 232 {
		grey := 8 + 10*(n-232)
		return grey<<16 | grey<<8 | grey
	}
	level := func(n int) int {
		if n == 0 {
			return 0
		}
		return 55 + 40*n
	}
	n -= 16
	return level(n/36)<<16 | level(n/6%6)<<8 | level(n%6)
}

func (b *book) texts(ids []int) []string {
	var list []string
	for _, id := range ids {
		list = append(list, b.rows[id].text)
	}
	return list
}

// forget numbers anew the rows that the frames show, and drops the others.
func (b *book) forget(frames []frame) {
	again := map[int]int{0: 0}
	rows := b.rows[:1:1]
	for _, f := range frames {
		for i, id := range f.rows {
			n, is := again[id]
			if !is {
				n = len(rows)
				again[id] = n
				rows = append(rows, b.rows[id])
			}
			f.rows[i] = n
		}
	}
	b.rows = rows
	clear(b.numbers)
	for n, r := range rows {
		b.numbers[string(r.packed)] = n
	}
}
