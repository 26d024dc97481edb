package replay

import (
	"strings"
	"unicode/utf8"

	"bootaudit/internal/cast"
	"bootaudit/internal/plain"
	"bootaudit/internal/screen"
)

// sought is a line that is in the recording, and the offset in its output at
// which it begins.
type sought struct {
	Sought
	begin  string
	offset int64
}

// find finds the lines that are wanted, before anything is drawn.
func find(recording string, want Wanted) []sought {
	if len(want.Lines) == 0 {
		return nil
	}
	type seen struct {
		offset int64
		at     float64
	}
	all := make([][]seen, len(want.Lines))
	begin := make([]string, len(want.Lines))
	for i, s := range want.Lines {
		begin[i] = beginning(s.Line, 100)
	}
	var now, ahead float64 // ahead: of the recording's clock is the stages'
	known := false
	look := func(l screen.Line) {
		text := words(string(l.Text))
		for i := range want.Lines {
			n := len(all[i])
			if (n == 0 || all[i][n-1].offset != l.Offset) && begin[i] != "" && strings.Contains(text, begin[i]) {
				all[i] = append(all[i], seen{l.Offset, now})
			}
		}
	}
	lines := screen.Lines{Each: look}
	_, _ = cast.Read(strings.NewReader(recording), func(e cast.Event) error {
		now = e.At.Seconds()
		switch e.Code {
		case 'o':
			_, _ = lines.Write([]byte(e.Data))
			look(lines.Open())
		case 'm':
			if at, is := want.Stages[e.Data]; is && !known {
				ahead, known = at-now, true
			}
		}
		return nil
	})
	var found []sought
	for i, s := range want.Lines {
		for n := len(all[i]) - 1; n >= 0; n-- {
			if n == 0 || all[i][n].at+ahead <= s.At+1 {
				found = append(found, sought{s, begin[i], all[i][n].offset})
				break
			}
		}
	}
	return found
}

// words is a line as it is compared: its words, one blank between two.
func words(s string) string { return strings.Join(strings.Fields(plain.Line(s)), " ") }

// beginning is what is looked for of a line: a screen's row is shorter, and the
// line itself may have been cut where it was kept.
func beginning(s string, most int) string {
	s = strings.TrimSuffix(words(s), "…")
	for len(s) > most {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimSpace(s)
}
