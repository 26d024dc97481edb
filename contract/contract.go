// Package contract says what a boot image promises, as data: checks and boot
// scenarios read it and know nothing of a particular image.
package contract

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"regexp"
)

// Contract is what an image promises. A part that is left out is not
// promised, and what would look at it is not needed.
type Contract struct {
	Name          string         `toml:"name"`
	Machine       Machine        `toml:"machine"`
	Console       Console        `toml:"console"`
	Login         Login          `toml:"login"`
	Root          Root           `toml:"root"`
	Commands      []string       `toml:"commands"` // programs that must be in the image, by base name
	RootKey       RootKey        `toml:"root_key"`
	Network       Network        `toml:"network"`
	SSH           SSH            `toml:"ssh"`
	Units         []Unit         `toml:"units"`
	Storage       Storage        `toml:"storage"`
	Announcements []Announcement `toml:"announcements"`
	Alarms        []Alarm        `toml:"alarms"`
	Logs          []string       `toml:"logs"` // files in the guest to save after a failure; globs

	source *source // where it was read from; nil where it was made in Go
}

// Machine is what the image needs of the machine that it is booted on.
type Machine struct {
	// Network is how far the guest's network card reaches: "" is QEMU's own DHCP
	// server only, "outside" the host too, and whatever that reaches.
	Network string `toml:"network"`
}

// Outside is the value of Machine.Network for a guest that needs the Internet,
// or a server on the host.
const Outside = "outside"

// Console is where the kernel and the login prompt must appear.
type Console struct {
	Device string `toml:"device"` // as in console=: ttyS0
}

// Login is the first login that the console offers.
type Login struct {
	User      string `toml:"user"`
	UID       int    `toml:"uid"`
	Automatic bool   `toml:"automatic"` // the console logs User in by itself
	Password  string `toml:"password"`  // asked for where the login is not automatic
}

// Root is how the login user becomes root.
type Root struct {
	Methods      []string `toml:"methods"`      // commands, in the order to try: "sudo -i", "su -"
	Passwordless bool     `toml:"passwordless"` // the first method asks for nothing
}

// RootKey is the public key that lets root log in over SSH.
type RootKey struct {
	// Files are where an embedded key is found in the image's file system:
	// paths below its root (or a NixOS system's), or base names of files
	// anywhere in a Nix store.
	Files []string `toml:"files"`
}

// Network is the interface that the image sets up.
type Network struct {
	Interface    string `toml:"interface"`
	Address      string `toml:"address"`        // "dhcp" or ""
	NeedsRootKey bool   `toml:"needs_root_key"` // nothing is set up without a root key
	StatusFile   string `toml:"status_file"`
}

// SSH is how the network lets someone in.
type SSH struct {
	User         string `toml:"user"`
	Unit         string `toml:"unit"`
	NeedsRootKey bool   `toml:"needs_root_key"`
}

// Unit is a systemd unit of the image and what it must come to.
type Unit struct {
	Name        string            `toml:"name"`
	Type        string            `toml:"type"` // Type= of a service
	WantedBy    string            `toml:"wanted_by"`
	Environment map[string]string `toml:"environment"`
	// StartedBefore are units that start after this one; so this one must
	// never wait for their start.
	StartedBefore []string `toml:"started_before"`
	EndState      string   `toml:"end_state"` // ActiveState once the boot has settled
}

// Storage is what becomes of the machine's disks.
type Storage struct {
	Unit        string    `toml:"unit"`        // the unit that provisions
	StatusFile  string    `toml:"status_file"` // KEY=value lines
	VolumeGroup string    `toml:"volume_group"`
	Volumes     []string  `toml:"volumes"` // logical volumes in VolumeGroup
	MountPoint  string    `toml:"mount_point"`
	Outcomes    []Outcome `toml:"outcomes"`
	// ForceCleanup is the environment variable, NAME=value, that makes Unit
	// remove existing data when it is restarted.
	ForceCleanup string `toml:"force_cleanup"`
}

// Outcome is a status that Storage.StatusFile may end with.
type Outcome struct {
	When   string `toml:"when"` // one of whens
	State  string `toml:"state"`
	Detail string `toml:"detail"`
}

// whens are the situations that an Outcome may name.
var whens = []string{"clean", "existing", "force-cleanup", "detection-error", "failed"}

// For is the outcomes that are accepted in the situation when.
func (s Storage) For(when string) []Outcome {
	var some []Outcome
	for _, o := range s.Outcomes {
		if o.When == when {
			some = append(some, o)
		}
	}
	return some
}

// Announcement is a line that appears on the console without being asked for.
type Announcement struct {
	ID           string  `toml:"id"`
	Pattern      Pattern `toml:"pattern"`
	NeedsRootKey bool    `toml:"needs_root_key"`
}

// Alarm is a line that the image prints on its console when it is in trouble.
type Alarm struct {
	ID           string  `toml:"id"`
	Pattern      Pattern `toml:"pattern"` // of a line without escape sequences
	Means        string  `toml:"means"`   // what has happened
	Remedy       string  `toml:"remedy"`
	NeedsRootKey bool    `toml:"needs_root_key"` // without a root key it is no trouble
}

// Pattern is a regular expression in RE2 syntax.
type Pattern struct{ *regexp.Regexp }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile(string(text))
	return err
}

//go:embed pre-nixos.toml
var preNixos []byte

//go:embed debian-live.toml
var debianLive []byte

// PreNixOS is the contract of the pre-nixos boot image, the default.
func PreNixOS() Contract { return must("pre-nixos.toml", preNixos) }

// DebianLive is the contract of an ordinary Debian live image.
func DebianLive() Contract { return must("debian-live.toml", debianLive) }

func must(name string, text []byte) Contract {
	c, err := Parse(name, text)
	if err != nil {
		panic(err)
	}
	return c
}

// Load reads the contract in the file named path; "" is [PreNixOS].
func Load(path string) (Contract, error) {
	if path == "" {
		return PreNixOS(), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return Contract{}, fmt.Errorf("contract: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return Contract{}, fmt.Errorf("contract: %s is a folder; name the TOML file in it", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return Contract{}, fmt.Errorf("contract: %w", err)
	}
	return Parse(path, text)
}
