package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/quote"
)

// Path is a file name made absolute against the module's root, because
// `go test` runs each package in a folder of its own.
type Path string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Path) UnmarshalText(text []byte) error {
	name := string(text)
	if !filepath.IsAbs(name) {
		root, err := moduleRoot()
		if err != nil {
			return fmt.Errorf("%q is relative and %w", name, err)
		}
		name = filepath.Join(root, name)
	}
	*p = Path(name)
	return nil
}

// Terms names a contract: a profile, or else a file as [Path] has it.
type Terms string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Terms) UnmarshalText(text []byte) error {
	if _, profile := contract.Named(string(text)); profile {
		*t = Terms(text)
		return nil
	}
	return (*Path)(t).UnmarshalText(text)
}

// Seconds is a length of time written as a positive whole number of seconds.
type Seconds time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Seconds) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a positive whole number of seconds", text)
	}
	*s = Seconds(time.Duration(n) * time.Second)
	return nil
}

// Duration is s as the time package has it.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// Count is a positive whole number.
type Count int

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a positive whole number", text)
	}
	*c = Count(n)
	return nil
}

// Firmware is bios, uefi or uefi-secure-boot.
type Firmware string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Firmware) UnmarshalText(text []byte) error {
	switch *f = Firmware(text); *f {
	case "", "bios", "uefi", contract.SecureBoot:
		return nil
	}
	return fmt.Errorf("%q is none of bios, uefi, %s", text, contract.SecureBoot)
}

// Bus is what an image is booted from: "cdrom", "usb", "disk", or "" where the
// image decides.
type Bus string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bus) UnmarshalText(text []byte) error {
	switch *b = Bus(text); *b {
	case "", "cdrom", "usb", "disk":
		return nil
	}
	return fmt.Errorf("%q is none of cdrom, usb and disk", text)
}

// Words are the words of a line that is quoted as for a shell.
type Words []string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (w *Words) UnmarshalText(text []byte) (err error) {
	*w, err = quote.Split(string(text))
	return err
}
