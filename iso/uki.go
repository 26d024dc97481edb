package iso

import (
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// uki is a PE program: where it has a section .linux, a kernel with what it boots
// with, which is called a unified kernel image.
type uki struct {
	sections map[string]*io.SectionReader
}

const (
	// maxHeaders is more than the headers of a PE program have, its symbols
	// included; maxPrograms is of all that are looked at.
	maxHeaders  = 4 << 20
	maxPrograms = 16 << 20
	// maxSections is the most that Windows has ever loaded.
	maxSections = 96
	maxText     = 64 << 10 // of .cmdline and .osrel
)

var errNoPE = errors.New("no PE program")

// openUKI reads the headers of a PE program in a volume.
func openUKI(v *volume, name string) (*uki, error) {
	left := int64(maxHeaders)
	return openPE(v, name, &left)
}

func openPE(v *volume, name string, left *int64) (*uki, error) {
	r, size, err := v.open(name)
	if err != nil {
		return nil, err
	}
	u, err := readPE(r, size, left)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.in(name), err)
	}
	return u, nil
}

// readPE reads headers, no more than left bytes, which it takes what it reads of.
func readPE(r io.ReaderAt, size int64, left *int64) (*uki, error) {
	start := make([]byte, 2)
	if _, err := r.ReadAt(start, 0); err != nil || string(start) != "MZ" {
		return nil, errNoPE
	}
	f, err := pe.NewFile(&frugal{r, min(*left, maxHeaders), left})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoPE, err)
	}
	if len(f.Sections) > maxSections {
		return nil, fmt.Errorf("%w: it has %d sections", errNoPE, len(f.Sections))
	}
	u := &uki{sections: map[string]*io.SectionReader{}}
	for _, s := range f.Sections {
		if _, twice := u.sections[s.Name]; twice {
			continue // the second is of another profile
		}
		// Size is rounded up to a block; VirtualSize is what is meant.
		at, n := int64(s.Offset), int64(s.Size)
		if s.VirtualSize > 0 {
			n = min(n, int64(s.VirtualSize))
		}
		if at+n > size {
			return nil, fmt.Errorf("%w: its section %q ends at byte %d of %d", errNoPE, s.Name, at+n, size)
		}
		u.sections[s.Name] = io.NewSectionReader(r, at, n)
	}
	return u, nil
}

// frugal reads no more than own bytes of r in all, nor than all of several.
type frugal struct {
	r   io.ReaderAt
	own int64
	all *int64
}

func (f *frugal) ReadAt(p []byte, at int64) (int, error) {
	*f.all -= int64(len(p))
	if f.own -= int64(len(p)); f.own < 0 {
		return 0, fmt.Errorf("its headers take more than %d MiB", maxHeaders>>20)
	}
	return f.r.ReadAt(p, at)
}

// text is what a section says, without the zeros behind it.
func (u *uki) text(section string) (string, error) {
	s := u.sections[section]
	if s == nil {
		return "", nil
	}
	data, err := head(s, s.Size(), maxText, section)
	text, _, _ := strings.Cut(string(data), "\x00")
	return strings.TrimSpace(text), err
}

// cutSection is a UKI's name and that of its section.
func cutSection(name string) (file, section string, ok bool) {
	if i := strings.LastIndex(name, ":."); i > 0 && !strings.Contains(name[i:], "/") {
		return name[:i], name[i+1:], true
	}
	return "", "", false
}

// ukiEntry is a UKI as an entry of a menu, and its os-release; nil for another
// program.
func (f *finder) ukiEntry(v *volume, name string) (*Entry, map[string]string, error) {
	u, err := openPE(v, name, &f.pe)
	if err != nil || u.sections[".linux"] == nil {
		return nil, nil, nil // it is for the firmware to say what is wrong with it
	}
	full := v.in(name)
	if err := f.entry(full); err != nil {
		return nil, nil, err
	}
	cmdline, err := u.text(".cmdline")
	if err != nil {
		return nil, nil, err
	}
	osrel, err := u.text(".osrel")
	if err != nil {
		return nil, nil, err
	}
	if f.in += len(cmdline) + len(osrel); f.in > maxConfigs {
		return nil, nil, f.over("more than %d MiB of configuration files", maxConfigs>>20)
	}
	release := osRelease(osrel)
	e := &Entry{ID: path.Base(name), Title: or(release["PRETTY_NAME"], path.Base(name)), Kernel: full + ":.linux", File: full}
	e.Title = e.Title[:min(len(e.Title), maxTitle)]
	if u.sections[".initrd"] != nil {
		e.Initrds = []string{full + ":.initrd"}
	}
	e.Args, err = f.arguments(cmdline)
	return e, release, err
}

// arguments are the words of a kernel command line.
func (f *finder) arguments(line string) ([]string, error) {
	var all []string
	for arg := range strings.FieldsSeq(line) {
		if err := f.word(len(arg)); err != nil {
			return all, err
		}
		all = append(all, strings.Clone(arg))
	}
	return all, nil
}

// osRelease is an os-release file.
func osRelease(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name != "" && name[0] != '#' {
			all[name] = strings.Trim(value, `"'`)
		}
	}
	return all
}
