package verdict

import (
	"regexp"

	"bootaudit/internal/words"
)

// weight is how much a row's line explains, where several are there.
type weight int

const (
	// hint is worth a word, and no verdict of its own.
	hint weight = iota
	// trouble explains a console that ends without a login, and ends none.
	trouble
	// end is the generic end of a boot, which a reason before it names.
	end
	// root is an end by a root that is not there, for which there may be a reason.
	root
	// reason names what is at fault.
	reason
)

// row is a kind of line that tells of trouble.
type row struct {
	id, class string
	source    string // the programs' files that write its lines, or where such a console was found
	weight    weight
	rescue    bool // what is asked or answered after it is a rescue shell's
	last      bool // only the console's last words mean it
	// final is why nothing that is awaited can come any more after it, "" where
	// something may: only what is final ends a live wait. Ends tells which of the
	// row's lines are, nil is all.
	final string
	ends  *regexp.Regexp
	// unsaid: healthy boots print it, too; it is worth no note.
	unsaid  bool
	panics  bool   // the kernel has stopped with it
	past    string // the stage that a boot reaches only past it; "" for none, next for any further one
	pattern *regexp.Regexp
	means   string
	remedy  string
}

// next is any stage after the one in which the line was seen.
const next = "next"

// Row is a kind of line that tells of trouble, as far as others need to know it.
type Row struct {
	ID, Class, Means, Remedy string
	// Source names what writes such lines.
	Source string
	// Final is why nothing that is awaited can come any more after it; "" where
	// something may. Some: only some of its lines are final.
	Final string
	Some  bool
}

// Row is what others may know of it.
func (r *row) Row() Row {
	return Row{r.id, r.class, r.means, r.remedy, r.source, r.final, r.ends != nil}
}

// Rows are all of them, in the order of a boot.
func Rows() []Row {
	rows := make([]Row, len(all))
	for i := range all {
		rows[i] = all[i].Row()
	}
	return rows
}

// mark is a kind of line that shows a stage.
type mark struct {
	stage   string
	pattern *regexp.Regexp
}

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

// all are the rows, in the order of a boot.
var all = func() (rows []row) {
	for _, table := range [][]row{hostRows, firmwareRows, kernelRows, initrdRows, userRows} {
		rows = append(rows, table...)
	}
	return rows
}()

// tables are the patterns of all rows, behind those of marks, and of signs.
var tables = func() *words.Patterns {
	var list []*regexp.Regexp
	for _, r := range all {
		list = append(list, r.pattern)
	}
	for _, m := range marks {
		list = append(list, m.pattern)
	}
	return words.NewPatterns(append(list, signs...))
}()
