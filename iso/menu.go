package iso

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Menu is one boot loader's menu.
type Menu struct {
	File   string // the configuration file: boot/grub/grub.cfg of the ISO, or efi.img:/grub.cfg of a file system in it
	Loader string // syslinux, grub, systemd-boot, or uki: a kernel that needs no loader
	// Platform is the firmware that GRUB reads it under, bios or efi; "" for
	// both, where it says the same to them.
	Platform string
	Serial   string // what sets the menu up on the serial port; "" when nothing does
	Timeout  time.Duration
	Waits    bool // for a key, for ever: there is no timeout
	Default  int  // index into Entries; -1 when nothing is booted by itself
	Entries  []Entry
	Doubt    string // why Default, Waits or Entries cannot be told; "" where they can

	boots string // the title of the default, where that is none of Entries
}

// Entry is one choice of a menu that boots a Linux kernel.
type Entry struct {
	ID      string // what the menu's default names it by
	Title   string
	Kernel  string // in the ISO, as [Image.ReadFile] names it; on another device, (hd0,msdos1)/vmlinuz
	Initrds []string
	Args    []string // the kernel's command line
	File    string   // where it is written
	Line    int      // 0 where that has no lines
	Doubt   string   // why nobody can tell whether it is shown, or what it says; "" where one can
}

// Where is the entry's place, for an error.
func (e Entry) Where() string {
	if e.Line == 0 { // a UKI has no lines
		return e.File
	}
	return fmt.Sprintf("%s:%d", e.File, e.Line)
}

// Consoles are the console= arguments in order, without their options; the
// last is what /dev/console writes to.
func (e Entry) Consoles() []string {
	var all []string
	for _, value := range e.values("console") {
		device, _, _ := strings.Cut(value, ",")
		all = append(all, device)
	}
	return all
}

// Label is the volume that root=LABEL= names.
func (e Entry) Label() string {
	for _, value := range e.values("root") {
		for _, prefix := range []string{"LABEL=", "live:LABEL=", "live:CDLABEL="} {
			if label, ok := strings.CutPrefix(value, prefix); ok {
				return unescape(label)
			}
		}
		if label, ok := strings.CutPrefix(value, "/dev/disk/by-label/"); ok {
			return unescape(label)
		}
	}
	return ""
}

var escape = regexp.MustCompile(`\\x[0-9a-fA-F]{2}`)

// unescape undoes udev's \x20.
func unescape(label string) string {
	return escape.ReplaceAllStringFunc(label, func(s string) string {
		b, _ := hex.DecodeString(s[2:]) // two hexadecimal digits, says the pattern
		return string(b)
	})
}

func (e Entry) values(name string) []string {
	var all []string
	for _, arg := range e.Args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			all = append(all, value)
		}
	}
	return all
}

// maxTitle is where what names an entry is cut, in bytes.
const maxTitle = 200
