package iso

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// firmwareConsole is where a menu shows that talks to the firmware's console,
// which a serial port is a part of.
const firmwareConsole = "the firmware's console"

// maxLoader is how much of a boot loader is searched for its name.
const maxLoader = 4 << 20

// efiLoaders look at what firmware starts of a volume by itself: a UKI boots
// what it has, and systemd-boot has a menu.
func (f *finder) efiLoaders(v *volume) error {
	var arch []string
	foreign := false // another boot loader is started
	for _, name := range v.paths {
		found := firmwareStarts.FindStringSubmatch(name)
		if found == nil || slices.Contains(arch, strings.ToLower(found[1])) {
			continue
		}
		arch = append(arch, strings.ToLower(found[1]))
		f.reading.menu()
		e, _, err := f.ukiEntry(v, name)
		if e != nil {
			m := Menu{File: e.File, Loader: "uki", Platform: "efi", Serial: firmwareConsole, Entries: []Entry{*e}}
			err = f.add(m, err)
			foreign = true
		} else if head, readErr := v.read(name, maxLoader); readErr == nil {
			foreign = foreign || bytes.Contains(head, []byte("GRUB")) && !bytes.Contains(head, []byte("LoaderInfo: systemd-boot"))
		}
		if err != nil {
			return err
		}
	}
	if foreign {
		return nil
	}
	m, err := f.systemdBoot(v, arch)
	if m == nil {
		return err
	}
	return f.add(*m, err)
}

// firmwareStarts is what UEFI firmware starts of a medium, by its processor.
var firmwareStarts = regexp.MustCompile(`(?i)^EFI/BOOT/BOOT(X64|IA32|AA64|ARM|RISCV64|LOONGARCH64)\.EFI$`)

// loaderEntry is one line of systemd-boot's menu.
type loaderEntry struct {
	Entry
	id, sortKey, machine, version string
	arch                          string
	exhausted                     bool // it was tried too often
	there                         bool // what it starts is
}

// systemdBoot reads systemd-boot's menu of a volume; nil where there is none.
func (f *finder) systemdBoot(v *volume, arch []string) (*Menu, error) {
	f.reading.menu()
	m := &Menu{Loader: "systemd-boot", Platform: "efi", Serial: firmwareConsole, Default: -1}
	var entries []loaderEntry
	var err error
	for _, name := range v.paths {
		lower := strings.ToLower(name)
		switch {
		case err != nil:
		case lower == "loader/loader.conf":
			m.File = v.in(name)
		case strings.HasPrefix(lower, "loader/entries/") && strings.HasSuffix(lower, ".conf") && strings.Count(lower, "/") == 2:
			var e loaderEntry
			if e, err = f.typeOne(v, name); err == nil && e.shown(arch) {
				entries = append(entries, e)
			}
		case strings.HasPrefix(lower, "efi/linux/") && strings.HasSuffix(lower, ".efi") && strings.Count(lower, "/") == 2:
			e, release, ukiErr := f.ukiEntry(v, name)
			if err = ukiErr; e != nil {
				entries = append(entries, loaderEntry{
					Entry: *e, id: e.ID, sortKey: or(release["IMAGE_ID"], release["ID"]),
					version: or(release["IMAGE_VERSION"], or(release["VERSION"], release["VERSION_ID"])),
					there:   true,
				})
			}
		}
	}
	if len(entries) == 0 || m.File == "" && len(arch) == 0 { // GRUB's blscfg reads such files, too
		return nil, err
	}
	slices.SortStableFunc(entries, compareEntries)
	var def string
	if m.File == "" {
		m.File = entries[0].File
	} else if err == nil {
		def, err = f.loaderConf(m)
	}
	best := 0
	for _, e := range entries {
		index := -1
		if e.Kernel != "" {
			index = len(m.Entries)
			m.Entries = append(m.Entries, e.Entry)
		}
		// What is not there is not shown, and so is not the default either, unless
		// nothing else is.
		rank := 1
		id := strings.ToLower(e.id)
		if e.there {
			rank = 2
			if glob(def, id) || glob(def, strings.TrimSuffix(id, ".conf")) {
				rank = 3
			}
		}
		if rank > best {
			best, m.Default, m.boots = rank, index, e.Title
		}
	}
	if m.Doubt != "" {
		m.Default = -1
	}
	if m.Default >= 0 {
		m.boots = ""
	}
	return m, err
}

func glob(pattern, name string) bool {
	match, err := path.Match(strings.ToLower(pattern), name)
	return err == nil && match && pattern != ""
}

// loaderConf reads loader.conf: without a timeout there, the default is booted at
// once.
func (f *finder) loaderConf(m *Menu) (def string, err error) {
	err = f.keys(m.File, func(key, value string, line int) error {
		switch key {
		case "default":
			if def = value; value == "@saved" {
				m.Doubt = fmt.Sprintf("%s:%d: which entry the firmware remembers as the last one", m.File, line)
			}
		case "timeout":
			m.Waits, m.Timeout = value == "menu-force", 0
			if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 && seconds < 1<<20 {
				m.Timeout = time.Duration(seconds) * time.Second
			}
		}
		return nil
	})
	return def, err
}

// keys goes through a file of keys and values.
func (f *finder) keys(name string, each func(key, value string, line int) error) error {
	return f.file(name, func(text string) error {
		n := 0
		for line := range strings.Lines(text) {
			n++
			if err := f.at(n); err != nil {
				return err
			}
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if len(line) > maxCommand {
				return f.over("a line of %d bytes, more than %d", len(line), maxCommand)
			}
			key, value := cutWord(line)
			if err := each(strings.ToLower(key), value, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// counted is the part of a file's name that counts how often it was tried.
var counted = regexp.MustCompile(`\+(\d+)(-\d+)?(\.conf)$`)

// typeOne reads an entry's file.
func (f *finder) typeOne(v *volume, name string) (loaderEntry, error) {
	full := v.in(name)
	id := path.Base(name)
	e := loaderEntry{Entry: Entry{File: full}}
	if m := counted.FindStringSubmatch(id); m != nil {
		e.exhausted = strings.Trim(m[1], "0") == ""
		id = counted.ReplaceAllString(id, "$3")
	}
	e.id, e.ID, e.Title = id, id, id
	if err := f.entry(full); err != nil {
		return e, err
	}
	program, at := "", 0
	inVolume := func(s string) string { return v.in(strings.ReplaceAll(s, `\`, "/")) }
	err := f.keys(full, func(key, value string, line int) error {
		value = value[:min(len(value), maxCommand)]
		switch key {
		case "title":
			e.Title = strings.Clone(value[:min(len(value), maxTitle)])
		case "version":
			e.version = strings.Clone(value[:min(len(value), maxTitle)])
		case "machine-id":
			e.machine = strings.Clone(value[:min(len(value), maxTitle)])
		case "sort-key":
			e.sortKey = strings.Clone(value[:min(len(value), maxTitle)])
		case "architecture":
			e.arch = strings.ToLower(strings.Clone(value[:min(len(value), maxTitle)]))
		case "linux":
			e.Kernel, e.Line = inVolume(value), line
			return f.word(len(e.Kernel))
		case "initrd":
			if len(e.Initrds) == maxInitrds {
				return f.over("more than %d initrds", maxInitrds)
			}
			e.Initrds = append(e.Initrds, inVolume(value))
			return f.word(len(v.name) + len(value))
		case "options":
			args, err := f.arguments(value)
			e.Args = append(e.Args, args...)
			return err
		case "efi", "uki":
			program, at = strings.ReplaceAll(value, `\`, "/"), line
		}
		return nil
	})
	if e.Kernel == "" && program != "" && err == nil {
		u, _, ukiErr := f.ukiEntry(v, path.Clean("/" + program)[1:])
		if u != nil {
			e.Kernel, e.Initrds, e.Line = u.Kernel, u.Initrds, at
			if len(e.Args) == 0 {
				e.Args = u.Args
			}
		}
		err = ukiErr
	}
	if program == "" {
		program = e.Kernel
	} else {
		program = inVolume(program)
	}
	_, dir, statErr := f.stat(program)
	e.there = program != "" && statErr == nil && !dir
	return e, err
}

// shown says whether an entry is for one of the processors that the volume
// boots; x64 where nobody can tell.
func (e loaderEntry) shown(arch []string) bool {
	if len(arch) == 0 {
		arch = []string{"x64"}
	}
	return e.arch == "" || slices.Contains(arch, e.arch)
}
