package watch

import "bootaudit/internal/words"

// prefilter tells which rows of a table are worth trying on a line: those of
// which a word is in it.
type prefilter struct {
	words *words.Matcher
	row   []int // of each word
}

func newPrefilter(rows [][]string) *prefilter {
	f := &prefilter{}
	var all []string
	for row, list := range rows {
		for _, word := range list {
			all = append(all, word)
			f.row = append(f.row, row)
		}
	}
	f.words = words.New(all)
	return f
}

// rows is a set of up to 128 rows.
type rows [2]uint64

func (r rows) has(i int) bool { return r[i/64]&(1<<(i%64)) != 0 }

func (f *prefilter) find(line []byte) rows {
	var r rows
	var buf [16]uint16
	for _, word := range f.words.Find(line, buf[:0]) {
		i := f.row[word]
		r[i/64] |= 1 << (i % 64)
	}
	return r
}

// tables is the prefilter of the milestones' rows, and of two more.
var tables = func() *prefilter {
	var table [][]string
	for _, m := range milestones {
		table = append(table, m.words)
	}
	return newPrefilter(append(table,
		[]string{"(automatic login)", "Login timed out", "Login incorrect"},
		[]string{"activate this console", "login:", "assword"}))
}()

// loops is the place of the lines that a console may log in with again, rest of
// those after which it may wait for somebody.
var loops, rest = len(milestones), len(milestones) + 1
