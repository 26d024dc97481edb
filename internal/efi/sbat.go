package efi

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Component is a row of a program's SBAT: what it is made of, and of which
// generation. A flaw that is mended raises the generation, and shim starts nothing of
// an older one.
type Component struct {
	Name       string
	Generation int
	Vendor     string
	Version    string
}

const maxSBAT = 64 << 10

func (p *Program) readSBAT() error {
	text, err := p.Text(".sbat", maxSBAT)
	if err == nil {
		p.SBAT, err = components(text)
	}
	if err != nil {
		return fmt.Errorf("section .sbat: %w", err)
	}
	return nil
}

func components(text string) (all []Component, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1 // rows may have further fields
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row) < 2 {
			return nil, fmt.Errorf("%q has no generation", plain(row[0]))
		}
		generation, err := strconv.ParseUint(row[1], 10, 31)
		if err != nil {
			return nil, fmt.Errorf("%q has the generation %q; want a number", plain(row[0]), plain(row[1]))
		}
		row = append(row, "", "", "")
		all = append(all, Component{plain(row[0]), int(generation), plain(row[2]), plain(row[4])})
	}
	return all, nil
}

// level is the oldest generations that a shim starts where nobody has told it
// another. Its section has two lists, of which the second is for who asks for it.
func (p *Program) level() ([]Component, error) {
	raw, err := p.bytes(".sbatlevel", maxSBAT)
	if err != nil || raw == nil {
		return nil, err
	}
	const version = 4 // and what is said of places counts from behind it
	if len(raw) < version+8 || binary.LittleEndian.Uint32(raw) != 0 {
		return nil, errors.New("section .sbatlevel is of a format that is not known here")
	}
	at := version + int64(binary.LittleEndian.Uint32(raw[version:]))
	if at > int64(len(raw)) {
		return nil, fmt.Errorf("section .sbatlevel: a list is at byte %d of %d", at, len(raw))
	}
	text, _, _ := bytes.Cut(raw[at:], []byte{0})
	all, err := components(string(text))
	if err != nil {
		return nil, fmt.Errorf("section .sbatlevel: %w", err)
	}
	return all, nil
}

// outdated is why a shim of that level does not start the program; "" is that it may.
func (p *Program) outdated(level []Component) string {
	if len(level) > 0 && p.SBAT == nil {
		return "it has no SBAT, and shim starts nothing without"
	}
	for _, c := range p.SBAT {
		for _, least := range level {
			if c.Name == least.Name && c.Generation < least.Generation {
				return fmt.Sprintf("its SBAT says %s %d, and shim starts %d and later only", c.Name, c.Generation, least.Generation)
			}
		}
	}
	return ""
}
