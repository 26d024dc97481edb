package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mark is something that an image of a profile has, or the flake that builds it.
// It is one of the four.
type Mark struct {
	// Attribute is the flake's attribute that is audited. It decides, whatever the
	// image holds.
	Attribute string `toml:"attribute"`
	Unit      string `toml:"unit"` // a systemd unit of the image, by its full name
	// Root is a path in the image's root file system, or several of which one is
	// enough; the last part of each may be a glob.
	Root []string `toml:"root"`
	// ISO is a path on the ISO, or several of which one is enough.
	ISO []string `toml:"iso"`
}

// String is the mark as what an image or a flake has.
func (m Mark) String() string {
	switch {
	case m.Attribute != "":
		return "the attribute " + m.Attribute
	case m.Unit != "":
		return "the unit " + m.Unit
	case m.Root != nil:
		return "the path " + strings.Join(m.Root, " or ")
	default:
		return "the file " + strings.Join(m.ISO, " or ") + " on its ISO"
	}
}

// Choice is the profile that was detected.
type Choice struct {
	Contract Contract
	// Why is one sentence that names the profile and what it was told by.
	Why string
	// Missing are the profile's marks that the image has not: it is broken for
	// each. What could not be looked at is not among them.
	Missing []Mark
}

// Detect is the profile that a target's image is of. It picks and never forgives:
// an image that has some marks of a profile is of that profile, and lacks the
// others; of two profiles it is the one of which it has more; the flake's
// attribute, and that the target is the stand-in, go before what the image holds.
// [Default] is what has no mark of any profile.
//
// look says whether the image has a mark, or why that cannot be told. It is not
// asked about the flake's, and may be nil where there is no image to look at.
// Where the answer hangs on what could not be told, or on two profiles of as many
// marks, the error says so: then the profile is unknown.
func Detect(t Target, look func(Mark) (bool, error)) (Choice, error) {
	var all []Contract
	for _, name := range Names() {
		all = append(all, builtIn(name))
	}
	return detect(all, t, look)
}

// sight is what an image has of a profile's marks.
type sight struct {
	profile        Contract
	there, missing []Mark
	unread         []error
}

func detect(profiles []Contract, t Target, look func(Mark) (bool, error)) (Choice, error) {
	if look == nil {
		look = func(Mark) (bool, error) { return false, errors.New("there is no image to look at") }
	}
	for _, p := range profiles {
		if why := decided(p, t); why != "" {
			return sightOf(p, look).choice(why), nil
		}
	}
	var seen []sight
	for _, p := range profiles {
		if s := sightOf(p, look); s.there != nil || s.unread != nil {
			seen = append(seen, s)
		}
	}
	if len(seen) == 0 {
		return Choice{Contract: Default(), Why: "default: the image has no mark of another profile"}, nil
	}
	// By what each has at most: a mark that could not be read may be there.
	slices.SortStableFunc(seen, func(a, b sight) int {
		return cmp.Or(cmp.Compare(b.most(), a.most()), cmp.Compare(len(b.there), len(a.there)))
	})
	first := seen[0]
	others := seen[1:]
	switch rival := slices.IndexFunc(others, func(s sight) bool { return s.most() >= len(first.there) }); {
	case first.there == nil || rival >= 0 && (first.unread != nil || others[rival].unread != nil):
		return Choice{}, unknown(unreadOf(seen))
	case rival >= 0:
		return Choice{}, unknown(fmt.Sprintf("the image has as many marks of %s (%s) as of %s (%s)",
			first.profile.Name, list(first.there), others[rival].profile.Name, list(others[rival].there)))
	}
	why := "the image has " + list(first.there)
	if first.missing != nil {
		why += ", and lacks " + list(first.missing)
	}
	for _, s := range others {
		if s.there != nil {
			why += fmt.Sprintf("; of %s it has less: %s", s.profile.Name, list(s.there))
		}
	}
	return first.choice(why), nil
}

// decided says why a target is of a profile whatever its image holds; "" where
// that is not so.
func decided(p Contract, t Target) string {
	switch {
	case t.Kind == KindStandIn && p.Name == "pre-nixos":
		return "the stand-in plays that image"
	case t.Kind == KindFlake:
		// packages.x86_64-linux.bootImage is bootImage, too.
		attr := t.Attr[strings.LastIndex(t.Attr, ".")+1:]
		if slices.ContainsFunc(p.Marks, func(m Mark) bool { return m.Attribute != "" && m.Attribute == attr }) {
			return "the flake's attribute is " + t.Attr
		}
	}
	return ""
}

func sightOf(p Contract, look func(Mark) (bool, error)) sight {
	s := sight{profile: p}
	for _, m := range p.Marks {
		if m.Attribute != "" {
			continue
		}
		switch there, err := look(m); {
		case err != nil:
			s.unread = append(s.unread, fmt.Errorf("whether it has %s, a mark of %s, could not be told: %w", m, p.Name, err))
		case there:
			s.there = append(s.there, m)
		default:
			s.missing = append(s.missing, m)
		}
	}
	return s
}

func (s sight) most() int { return len(s.there) + len(s.unread) }

func (s sight) choice(why string) Choice {
	return Choice{Contract: s.profile, Why: s.profile.Name + ": " + why, Missing: s.missing}
}

// unreadOf is the first thing that could not be told of an image.
func unreadOf(seen []sight) string {
	for _, s := range seen {
		if s.unread != nil {
			return s.unread[0].Error()
		}
	}
	return ""
}

func unknown(why string) error {
	return fmt.Errorf("the image's profile is unknown: %s; name the profile with BOOT_IMAGE_CONTRACT", why)
}

func list(marks []Mark) string {
	var words []string
	for _, m := range marks {
		words = append(words, m.String())
	}
	return strings.Join(words, " and ")
}
