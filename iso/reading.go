package iso

import (
	"fmt"
	"slices"
)

// What the menus of an image may be. Each is well above what a sound image
// has; what is over one is an error that names it and the line.
const (
	// maxConfig bounds one configuration file, and maxConfigs all that are read
	// of an image, those that are read again included.
	maxConfig  = 1 << 20
	maxConfigs = 4 << 20
	// maxGrowth and slack bound what is made of the files' bytes: a variable
	// and a global APPEND are written once and used many times.
	maxGrowth = 16
	slack     = 64 << 10

	maxMenus    = 64
	maxFound    = 2000 // entries of all menus
	maxIncludes = 256  // files of one menu
	maxNested   = 16   // files that are read by one another
	maxBraces   = 64
	maxInitrds  = 64      // of one entry
	maxWord     = 4 << 10 // bytes of a word, a path or a variable; Linux's longest path
	// maxStatement is what one command of GRUB's may have: eval has been seen with
	// a whole menu of 9 KiB.
	maxStatement = 64 << 10
	maxCommand   = 16 << 10 // bytes of a line's words; Linux's command line has 4 KiB at most
)

// Cost of what is kept beside the bytes of its text, as [reading.spend] counts.
const (
	wordCost  = 16 // a string's header
	entryCost = 256
)

// reading is the reading of an image's menus: where their files come from, and
// what they have cost so far, all together.
type reading struct {
	volumes
	late func() error // the end of the time to read in; nil for none

	in, out  int // bytes that were read, and that were made of them
	found    int // entries
	includes int // of the menu that is being read

	open []string // the files that are being read, each named by the one before
	line int      // of the last of them
}

// menu starts another menu.
func (r *reading) menu() {
	r.includes, r.open = 0, nil
}

// at says which line is being read.
func (r *reading) at(line int) error {
	r.line = line
	if r.late == nil {
		return nil
	}
	return r.late()
}

// over is the error of a bound that the line being read exceeds.
func (r *reading) over(bound string, args ...any) error {
	where := ""
	if len(r.open) > 0 {
		where = fmt.Sprintf("%s:%d: ", r.open[len(r.open)-1], r.line)
	}
	return fmt.Errorf("%stoo much for a boot menu: "+bound, append([]any{where}, args...)...)
}

// spend counts bytes that a parser is about to make.
func (r *reading) spend(bytes int) error {
	if r.out += bytes; r.out > maxGrowth*r.in+slack {
		return r.over("more than %d times what was read (%d bytes)", maxGrowth, r.in)
	}
	return nil
}

// word counts a word, or a path, that is kept.
func (r *reading) word(length int) error {
	if length > maxWord {
		return r.over("a word of %d bytes, more than %d", length, maxWord)
	}
	return r.spend(wordCost + length)
}

// entry counts a menu's entry.
func (r *reading) entry(file string) error {
	if r.found++; r.found > maxFound {
		return r.over("more than %d entries", maxFound)
	}
	return r.spend(entryCost + len(file))
}

// file has parse read a menu's first file, or one that another names. Of the
// latter, one that is not there is skipped, as loaders do, and so is one that
// is being read already: a menu's way back to the menu that it came from.
func (r *reading) file(name string, parse func(text string) error) error {
	if slices.Contains(r.open, name) {
		return nil
	}
	text, err := r.read(name, maxConfig+1)
	if err != nil {
		if len(r.open) == 0 {
			return err
		}
		return nil
	}
	switch {
	case len(r.open) == maxNested:
		return r.over("more than %d files that include one another", maxNested)
	case r.includes > maxIncludes:
		return r.over("more than %d included files", maxIncludes)
	}
	r.includes++
	line := r.line
	r.open, r.line = append(r.open, name), 1
	switch r.in += len(text); {
	case len(text) > maxConfig:
		return r.over("a file of more than %d KiB", maxConfig>>10)
	case r.in > maxConfigs:
		return r.over("more than %d MiB of configuration files", maxConfigs>>20)
	}
	if err := parse(string(text)); err != nil {
		return err // where it happened stays what is being read
	}
	r.open, r.line = r.open[:len(r.open)-1], line
	return nil
}
