// Package contract says what a boot image promises, as data: checks and boot
// scenarios read it and know nothing of a particular image.
package contract

import "regexp"

// Contract is what an image promises. A part that is left out is not promised:
// what would look at it is not needed, and no image is broken for lack of it.
// Only the name must be there: the rest of such a contract is that the image
// boots on its serial console to a login or a shell, with nothing fatal on the
// way. [Default] is little more.
type Contract struct {
	Name          string         `toml:"name"`          // what the audit calls the contract
	Marks         []Mark         `toml:"marks"`         // what a profile's images are known by; of a contract that is named, nobody looks for them
	Machine       Machine        `toml:"machine"`       // what the image needs of the machine that it is booted on
	Console       Console        `toml:"console"`       // where the kernel and the login prompt must appear
	Answers       []Answer       `toml:"answers"`       // what is typed where the console asks before there is a login
	Login         Login          `toml:"login"`         // the first login that the console offers
	Root          Root           `toml:"root"`          // how the login user becomes root
	Commands      []string       `toml:"commands"`      // programs that must be in the image, by base name
	RootKey       RootKey        `toml:"root_key"`      // the public key that lets root log in over SSH
	Network       Network        `toml:"network"`       // the interface that the image sets up
	SSH           SSH            `toml:"ssh"`           // how the network lets someone in
	Units         []Unit         `toml:"units"`         // systemd units of the image, and what they must come to
	Storage       Storage        `toml:"storage"`       // what becomes of the machine's disks
	Announcements []Announcement `toml:"announcements"` // lines that appear on the console without being asked for
	Alarms        []Alarm        `toml:"alarms"`        // lines that the image prints on its console when it is in trouble
	Logs          []string       `toml:"logs"`          // files in the guest to save after a failure; globs
	Checks        []Check        `toml:"checks"`        // checks of the contract's own, in the guest of clean-disk
	Allow         []Allow        `toml:"allow"`         // waivers: findings that are known and allowed

	source *origin // where it was read from; nil where it was made in Go
}

// Machine is what the image needs of the machine that it is booted on.
type Machine struct {
	// Network is how far the guest's network card reaches: left out, QEMU's own
	// DHCP server only; "outside", the host too, and whatever that reaches.
	Network string `toml:"network"`
}

// Outside is the value of Machine.Network for a guest that needs the Internet,
// or a server on the host.
const Outside = "outside"

// Console is where the kernel and the login prompt must appear.
type Console struct {
	// Device is the console as in console=, such as ttyS0; left out, nobody looks
	// for console= in the image, and a boot must appear on the first serial port
	// all the same: nothing can be seen of it elsewhere.
	Device string `toml:"device"`
	// Expect is a pattern of the line that says that the boot has come to where it is to
	// come, as it is printed or stands on the screen. An image without a login, such
	// as an installer or a test of the memory, is held against that alone, where
	// neither login.user nor root.methods is given; else it must be seen before the
	// login.
	Expect Pattern `toml:"expect"`
}

// Answer is what is typed where the console asks before there is a login. Each time
// that it asks gets one answer.
type Answer struct {
	Prompt Pattern `toml:"prompt"` // of the line that asks: where the cursor is, or in a dialog
	Send   string  `toml:"send"`   // what is typed before Enter; no report shows it
}

// Loginless is true of a contract whose image need not let anybody in: what it
// shows on its console is all that is promised of its end.
func (c Contract) Loginless() bool {
	return c.Console.Expect.Regexp != nil && c.Login == (Login{}) && len(c.Root.Methods) == 0
}

// Login is the first login that the console offers. One that is left out promises
// no more than that there is one, or a shell: a prompt that asks for a name is
// where the boot has got to what was promised, and what needs a shell is not
// needed; a shell that is there, whoever's it is, is used.
type Login struct {
	User string `toml:"user"` // who is logged in; left out, anybody will do
	UID  int    `toml:"uid"`  // the user's number; 0 is not promised
	// Automatic says that the console logs the user in by itself.
	Automatic bool   `toml:"automatic"`
	Password  string `toml:"password"` // what is answered where the login asks for one
}

// Root is how the login user becomes root.
type Root struct {
	// Methods are commands that make a root shell, in the order to try. Left out,
	// root is not promised: the ways that are usual, sudo -i and su -, are tried,
	// and where none works what needs root is not needed.
	Methods      []string `toml:"methods"`
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
	Interface    string `toml:"interface"`      // its name, once it is set up
	Address      string `toml:"address"`        // where its address is from: dhcp; left out, none is promised
	NeedsRootKey bool   `toml:"needs_root_key"` // nothing is set up without a root key
	StatusFile   string `toml:"status_file"`    // the file in the guest that says the address
}

// SSH is how the network lets someone in.
type SSH struct {
	User         string `toml:"user"`           // who may log in with the root key
	Unit         string `toml:"unit"`           // the server's unit
	NeedsRootKey bool   `toml:"needs_root_key"` // nobody may log in without a root key
}

// Unit is a systemd unit of the image and what it must come to.
type Unit struct {
	Name        string            `toml:"name"`        // in full, such as my.service
	Type        string            `toml:"type"`        // Type= of a service
	WantedBy    string            `toml:"wanted_by"`   // the target that starts it
	Environment map[string]string `toml:"environment"` // variables that it is started with
	// StartedBefore are units that start after this one; so this one must
	// never wait for their start.
	StartedBefore []string `toml:"started_before"`
	EndState      string   `toml:"end_state"` // ActiveState once the boot has settled: active or inactive
}

// Announcement is a line that appears on the console without being asked for.
type Announcement struct {
	ID           string  `toml:"id"`             // names it in a check: announced-ID
	Pattern      Pattern `toml:"pattern"`        // of the line
	NeedsRootKey bool    `toml:"needs_root_key"` // it does not appear without a root key
}

// Alarm is a line that the image prints on its console when it is in trouble.
type Alarm struct {
	ID           string  `toml:"id"`             // names it as a tripwire
	Pattern      Pattern `toml:"pattern"`        // of a line without escape sequences
	Means        string  `toml:"means"`          // what has happened
	Remedy       string  `toml:"remedy"`         // what to do about it
	NeedsRootKey bool    `toml:"needs_root_key"` // without a root key it is no trouble
}

// Pattern is a regular expression in RE2 syntax.
type Pattern struct{ *regexp.Regexp }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile(string(text))
	return err
}
