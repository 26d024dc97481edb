package contract

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	unit    = Mark{Unit: "pre-nixos.service"}
	program = Mark{Root: []string{"/usr/lib/pre-nixos", "/nix/store/*-pre-nixos-[0-9]*"}}
	liveISO = Mark{ISO: []string{"live/filesystem.squashfs"}}
	liveCfg = Mark{Root: []string{"/usr/lib/live/config", "/lib/live/config"}}
)

var errUnread = errors.New("the superblock is torn")

// has is an image that has these marks and no other.
func has(marks ...Mark) func(Mark) (bool, error) { return hasBut(nil, marks...) }

// hasBut is an image of which some marks cannot be read.
func hasBut(unread []Mark, marks ...Mark) func(Mark) (bool, error) {
	in := func(all []Mark, m Mark) bool {
		for _, other := range all {
			if assert.ObjectsAreEqual(other, m) {
				return true
			}
		}
		return false
	}
	return func(m Mark) (bool, error) {
		if m.Attribute != "" {
			panic("an image has no attribute")
		}
		if in(unread, m) {
			return false, errUnread
		}
		return in(marks, m), nil
	}
}

func TestDetect(t *testing.T) {
	iso := Target{Kind: KindFile, File: "x.iso"}
	root := []Mark{unit, program, liveCfg} // what is in the root file system
	for _, tt := range []struct {
		name    string
		target  Target
		look    func(Mark) (bool, error)
		profile string
		why     string
		missing []Mark
	}{
		{"all marks", iso, has(unit, program), "pre-nixos",
			"pre-nixos: the image has the unit pre-nixos.service and the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*", nil},
		{"all marks of another", iso, has(liveISO, liveCfg), "debian-live",
			"debian-live: the image has the file live/filesystem.squashfs on its ISO and the path /usr/lib/live/config or /lib/live/config", nil},
		{"no mark", iso, has(), "default", "default: the image has no mark of another profile", nil},
		{"some marks", iso, has(program), "pre-nixos",
			"pre-nixos: the image has the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*, and lacks the unit pre-nixos.service", []Mark{unit}},
		{"two profiles", iso, has(unit, program, liveISO), "pre-nixos",
			"pre-nixos: the image has the unit pre-nixos.service and the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*; of debian-live it has less: the file live/filesystem.squashfs on its ISO", nil},
		{"two profiles, the other way", iso, has(unit, liveISO, liveCfg), "debian-live",
			"debian-live: the image has the file live/filesystem.squashfs on its ISO and the path /usr/lib/live/config or /lib/live/config; of pre-nixos it has less: the unit pre-nixos.service", nil},

		{"flake", Target{Kind: KindFlake, Attr: "bootImage"}, has(unit, program), "pre-nixos", "pre-nixos: the flake's attribute is bootImage", nil},
		{"flake, another image", Target{Kind: KindFlake, Attr: "bootImage"}, has(liveISO, liveCfg), "pre-nixos",
			"pre-nixos: the flake's attribute is bootImage", []Mark{unit, program}},
		{"flake, unreadable image", Target{Kind: KindFlake, Attr: "bootImage"}, hasBut(root), "pre-nixos", "pre-nixos: the flake's attribute is bootImage", nil},
		{"flake, no image yet", Target{Kind: KindFlake, Attr: "bootImage"}, nil, "pre-nixos", "pre-nixos: the flake's attribute is bootImage", nil},
		{"flake, attribute in full", Target{Kind: KindFlake, Attr: "packages.x86_64-linux.bootImage"}, has(), "pre-nixos",
			"pre-nixos: the flake's attribute is packages.x86_64-linux.bootImage", []Mark{unit, program}},
		{"flake without an attribute", Target{Kind: KindFlake}, has(), "default", "default: the image has no mark of another profile", nil},
		{"flake of somebody else", Target{Kind: KindFlake, Attr: "iso"}, has(), "default", "default: the image has no mark of another profile", nil},
		{"attribute without a flake", Target{Kind: KindFile, Attr: "bootImage"}, has(), "default", "default: the image has no mark of another profile", nil},

		{"stand-in", Target{}, has(unit, program), "pre-nixos", "pre-nixos: the stand-in plays that image", nil},
		{"stand-in without its unit", Target{}, has(program), "pre-nixos", "pre-nixos: the stand-in plays that image", []Mark{unit}},
		{"stand-in without anything", Target{}, has(), "pre-nixos", "pre-nixos: the stand-in plays that image", []Mark{unit, program}},
		{"stand-in, not built", Target{}, nil, "pre-nixos", "pre-nixos: the stand-in plays that image", nil},

		{"what could not be read changes nothing", iso, hasBut([]Mark{liveCfg}, unit, program), "pre-nixos",
			"pre-nixos: the image has the unit pre-nixos.service and the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Detect(tt.target, tt.look)
			require.NoError(t, err)
			assert.Equal(t, tt.profile, got.Contract.Name)
			assert.Equal(t, tt.why, got.Why)
			assert.Equal(t, tt.missing, got.Missing)
		})
	}
}

func TestDetectUnknown(t *testing.T) {
	iso := Target{Kind: KindFile, File: "x.iso"}
	root := []Mark{unit, program, liveCfg}
	for _, tt := range []struct {
		name string
		look func(Mark) (bool, error)
		want string
	}{
		{"unreadable root", hasBut(root),
			"whether it has the unit pre-nixos.service, a mark of pre-nixos, could not be told: the superblock is torn"},
		{"unreadable root on a live ISO", hasBut(root, liveISO),
			"whether it has the path /usr/lib/live/config or /lib/live/config, a mark of debian-live, could not be told: the superblock is torn"},
		{"one mark that could turn it", hasBut([]Mark{unit}, program, liveISO),
			"whether it has the unit pre-nixos.service, a mark of pre-nixos, could not be told: the superblock is torn"},
		{"no image", nil, "could not be told: there is no image to look at"},
		{"two profiles alike", has(unit, program, liveISO, liveCfg),
			"the image has as many marks of debian-live (the file live/filesystem.squashfs on its ISO and the path /usr/lib/live/config or /lib/live/config)" +
				" as of pre-nixos (the unit pre-nixos.service and the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*)"},
		{"two profiles alike, by half", has(unit, liveISO), "the image has as many marks of debian-live (the file live/filesystem.squashfs on its ISO) as of pre-nixos (the unit pre-nixos.service)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Detect(iso, tt.look)
			require.ErrorContains(t, err, "the image's profile is unknown: ")
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "; name the profile with BOOT_IMAGE_CONTRACT")
			assert.Empty(t, got)
		})
	}
}

// TestDetectNeverGuesses: whatever the marks that could not be read come to, the
// choice is the same; else there is none.
func TestDetectNeverGuesses(t *testing.T) {
	all := []Mark{unit, program, liveISO, liveCfg}
	iso := Target{Kind: KindFile}
	name := func(state [4]int) string { // 0 not there, 1 there, 2 not read
		var there, unread []Mark
		for i, s := range state {
			switch s {
			case 1:
				there = append(there, all[i])
			case 2:
				unread = append(unread, all[i])
			}
		}
		c, err := Detect(iso, hasBut(unread, there...))
		if err != nil {
			return "unknown"
		}
		return c.Contract.Name
	}
	var could func(state [4]int) map[string]bool
	could = func(state [4]int) map[string]bool {
		names := map[string]bool{}
		for i, s := range state {
			if s == 2 {
				for _, is := range []int{0, 1} {
					state[i] = is
					for n := range could(state) {
						names[n] = true
					}
				}
				return names
			}
		}
		return map[string]bool{name(state): true}
	}
	for n := range 81 {
		state := [4]int{n % 3, n / 3 % 3, n / 9 % 3, n / 27}
		want := could(state)
		got := name(state)
		if len(want) == 1 {
			continue // the only one there is; it may still be unknown
		}
		assert.Equal(t, "unknown", got, fmt.Sprint(state))
	}
}

func TestProfilesMarks(t *testing.T) {
	owner := map[string]string{}
	for _, name := range Names() {
		c, _ := Named(name)
		assert.Equal(t, name == "default", len(c.Marks) == 0, name)
		for _, m := range c.Marks {
			assert.Empty(t, owner[m.String()], "%s is a mark of two profiles", m)
			owner[m.String()] = name
		}
	}
}
