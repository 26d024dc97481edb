package iso

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// title is an entry's name for a sentence.
func (e Entry) title() string { return strings.TrimSpace(e.Title) }

// name is a menu's for a sentence.
func (m Menu) name() string {
	if m.Platform == "" {
		return m.File
	}
	return fmt.Sprintf("%s (%s)", m.File, m.Platform)
}

// booted are the entries that boot by themselves, each once; all entries where
// none does.
func (img *Image) booted() []Entry {
	var all, defaults []Entry
	for _, m := range img.Menus {
		all = append(all, m.Entries...)
		if m.Default >= 0 {
			defaults = append(defaults, m.Entries[m.Default])
		}
	}
	if defaults == nil {
		defaults = all
	}
	slices.SortStableFunc(defaults, func(a, b Entry) int { return strings.Compare(a.Where(), b.Where()) })
	return slices.CompactFunc(defaults, func(a, b Entry) bool { return a.Where() == b.Where() && slices.Equal(a.Args, b.Args) })
}

// judged is what is said about the entries of all menus.
type judged struct {
	good, bad, doubts, notes []string
}

// judge asks about each entry; ask answers what is wrong with it. Only what
// boots by itself can be broken; what nobody can tell of it is in doubt.
func (img *Image) judge(ask func(Entry) (wrong, doubt string)) judged {
	var j judged
	for _, m := range img.Menus {
		if m.Default < 0 && m.Doubt != "" {
			j.doubts = append(j.doubts, fmt.Sprintf("what %s boots by itself cannot be told: %s", m.name(), m.Doubt))
		}
		for i, e := range m.Entries {
			wrong, doubt := ask(e)
			says := fmt.Sprintf("%s: %s", e.Where(), or(wrong, doubt))
			switch {
			case i != m.Default:
				if wrong != "" {
					j.notes = append(j.notes, says)
				}
			case wrong != "" && e.Doubt != "":
				j.doubts = append(j.doubts, fmt.Sprintf("%s, where it depends on this: %s", says, e.Doubt))
			case wrong != "":
				j.bad = append(j.bad, says)
			case doubt != "":
				j.doubts = append(j.doubts, says)
			default:
				j.good = append(j.good, e.Where())
			}
		}
	}
	for _, list := range []*[]string{&j.good, &j.bad, &j.doubts, &j.notes} {
		*list = unique(*list)
	}
	return j
}

func unique(all []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(s string) bool {
		defer func() { seen[s] = true }()
		return seen[s]
	})
}

// result is what follows: holds says what is right.
func (j judged) result(holds, risk, followUp string) check.Result {
	r := check.Hold(holds)
	switch {
	case j.bad != nil:
		r = check.Break(strings.Join(j.bad, "; "))
	case j.doubts != nil:
		r = check.Doubt(strings.Join(j.doubts, "; "))
	case j.notes != nil && j.good == nil:
		r = check.Doubt("nothing boots by itself; of what must be chosen by hand: " + strings.Join(j.notes, "; "))
	case j.notes != nil:
		r = check.Warn(fmt.Sprintf("%s; of what must be chosen by hand: %s", holds, strings.Join(j.notes, "; ")), risk, followUp)
	}
	r.Evidence = strings.Join(slices.Concat(j.bad, j.doubts, j.notes), "\n")
	return r
}

func menusRead(img *Image) check.Result {
	if none := (*noMenu)(nil); errors.As(img.MenuErr, &none) && none.foreign {
		return check.Doubt(none.Error())
	}
	if img.MenuErr != nil {
		return check.Break(img.MenuErr.Error())
	}
	var says, doubts, rows []string
	for _, m := range img.Menus {
		says = append(says, fmt.Sprintf("%s (%s): %d entries", m.name(), m.Loader, len(m.Entries)))
		if len(m.Entries) == 0 {
			doubts = append(doubts, fmt.Sprintf("%s: %s", m.name(), m.Doubt))
		}
		for i, e := range m.Entries {
			mark := " "
			if i == m.Default {
				mark = "*"
			}
			row := fmt.Sprintf("%s %s: %s: %s %s", mark, e.Where(), e.title(), e.Kernel, strings.Join(e.Args, " "))
			if e.Doubt != "" {
				row += " (in doubt: " + e.Doubt + ")"
			}
			rows = append(rows, row)
		}
	}
	r := check.Hold(strings.Join(says, "; "))
	if len(doubts) == len(img.Menus) {
		r = check.Doubt(strings.Join(doubts, "; "))
	}
	r.Evidence = strings.Join(rows, "\n")
	return r
}

func bootMenu(img *Image) check.Result {
	var says, bad, doubts []string
	for _, m := range img.Menus {
		switch {
		case m.Doubt != "":
			doubts = append(doubts, fmt.Sprintf("%s: what it boots by itself cannot be told: %s", m.name(), m.Doubt))
		case m.Default < 0:
			what := ""
			if m.boots != "" {
				what = fmt.Sprintf(": it is %q", m.boots)
			}
			bad = append(bad, fmt.Sprintf("%s: its default is none of its %d entries that boot Linux%s", m.name(), len(m.Entries), what))
		case m.Waits:
			bad = append(bad, fmt.Sprintf("%s has no timeout: it waits for a key for ever", m.name()))
		case m.Entries[m.Default].Doubt != "":
			e := m.Entries[m.Default]
			doubts = append(doubts, fmt.Sprintf("%s boots %q, where it depends on this: %s", m.name(), e.title(), e.Doubt))
		default:
			says = append(says, fmt.Sprintf("%s boots %q of %d entries after %s", m.name(), m.Entries[m.Default].title(), len(m.Entries), m.Timeout))
		}
	}
	switch {
	case bad != nil:
		return check.Break(strings.Join(slices.Concat(bad, doubts), "; "))
	case doubts != nil:
		return check.Doubt(strings.Join(doubts, "; "))
	}
	return check.Hold(strings.Join(says, "; "))
}

func bootFiles(img *Image) check.Result {
	kinds, faults, doubts := map[string]string{}, map[string]string{}, map[string]string{}
	look := func(name, what string, kind func([]byte) (string, error)) (wrong, doubt string) {
		key := what + " " + name
		if _, done := kinds[key]; !done {
			head, err := img.ReadFile(name, headerSize)
			if err == nil {
				if kinds[key], err = kind(head); err != nil {
					err = fmt.Errorf("%s is %w", name, err)
				}
			}
			other := (*notLinux)(nil)
			switch {
			case err == nil:
			case elsewhere(name) || errors.As(err, &other):
				kinds[key], doubts[key] = "", what+" "+err.Error()
			default:
				kinds[key], faults[key] = "", what+" "+err.Error()
			}
		}
		return faults[key], doubts[key]
	}
	j := img.judge(func(e Entry) (wrong, doubt string) {
		wrong, doubt = look(e.Kernel, "kernel", kernelArch)
		for _, name := range e.Initrds {
			w, d := look(name, "initrd", initrdKind)
			wrong, doubt = or(wrong, w), or(doubt, d)
		}
		return wrong, doubt
	})
	var says []string
	for what, kind := range kinds {
		if kind != "" {
			says = append(says, what+": "+kind)
		}
	}
	slices.Sort(says)
	return j.result(list(says), "that entry does not boot", "correct the path in the boot loader's configuration, put the file into the image, or take the entry out")
}

func (v *view) bootConsole(img *Image) check.Result {
	want := v.Contract.Console.Device
	var good []string
	j := img.judge(func(e Entry) (wrong, doubt string) {
		consoles := e.Consoles()
		head, err := img.ReadFile(e.Kernel, headerSize)
		if err == nil {
			_, err = kernelArch(head)
		}
		other := (*notLinux)(nil)
		switch {
		case errors.As(err, &other):
			return "", fmt.Sprintf("%q is %s", e.title(), other)
		case !slices.Contains(consoles, want):
			return fmt.Sprintf("%q has no console=%s (it has %s)", e.title(), want, or(list(consoles), "none")), ""
		case consoles[len(consoles)-1] != want:
			return fmt.Sprintf("console=%s comes last in %q, so /dev/console is not %s", consoles[len(consoles)-1], e.title(), want), ""
		}
		good = append(good, fmt.Sprintf("%s: console=%s", e.Where(), strings.Join(consoles, " console=")))
		return "", ""
	})
	notes := j.notes
	if j.good != nil {
		j.notes = nil // an entry for the screen beside one for the serial port is as it should be
	}
	good = slices.DeleteFunc(unique(good), func(s string) bool {
		return j.good != nil && !slices.ContainsFunc(j.good, func(where string) bool { return strings.HasPrefix(s, where+": ") })
	})
	r := j.result(strings.Join(good, "; "), "", "")
	if notes != nil && r.Outcome == check.Holds {
		r.Detail += fmt.Sprintf("; %d entries that must be chosen by hand do not", len(notes))
	}
	r.Evidence = strings.Join(slices.Concat(j.bad, j.doubts, notes), "\n")
	return r
}

func rootLabel(img *Image) check.Result {
	names := map[string]bool{"LABEL=" + img.VolumeID: true}
	if img.Kind == kindDisk {
		names = map[string]bool{}
		for _, v := range img.disk.Volumes {
			for _, name := range rootNames(v) {
				names[name] = true
			}
		}
	}
	found := 0
	j := img.judge(func(e Entry) (wrong, doubt string) {
		switch label := e.Label(); {
		case img.Kind == kindDisk:
			for _, root := range e.values("root") {
				switch {
				case names[root]:
					found++
				case strings.Contains(root, "UUID=") || strings.Contains(root, "LABEL=") || strings.HasPrefix(root, "/dev/disk/by-"):
					return fmt.Sprintf("root=%s, but no partition of the image is that", root), ""
				}
			}
		case label == "":
		case label == img.VolumeID:
			found++
		default:
			return fmt.Sprintf("root=LABEL=%s, but the volume is %q", label, img.VolumeID), ""
		}
		return "", ""
	})
	holds := "no boot entry finds its root by label, so none can be wrong"
	switch {
	case found > 0 && img.Kind == kindDisk:
		holds = fmt.Sprintf("root= of %d entries names a partition of the image", found)
	case found > 0:
		holds = fmt.Sprintf("%d entries say root=LABEL=%s", found, img.VolumeID)
	}
	return j.result(holds, "that entry looks for another medium", "make root= on the kernel command line agree with the volume id, or with a partition's name or UUID")
}
