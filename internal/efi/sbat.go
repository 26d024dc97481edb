package efi

import (
	"encoding/csv"
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
	if err != nil {
		return err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1 // rows may have further fields
	rows, err := r.ReadAll()
	if err != nil {
		return fmt.Errorf("section .sbat: %w", err)
	}
	for _, row := range rows {
		if len(row) < 2 {
			return fmt.Errorf("section .sbat: %q has no generation", plain(row[0]))
		}
		generation, err := strconv.ParseUint(row[1], 10, 31)
		if err != nil {
			return fmt.Errorf("section .sbat: %q has the generation %q; want a number", plain(row[0]), plain(row[1]))
		}
		row = append(row, "", "", "")
		p.SBAT = append(p.SBAT, Component{plain(row[0]), int(generation), plain(row[2]), plain(row[4])})
	}
	return nil
}
