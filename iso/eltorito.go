package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// BootEntry is one boot image that the firmware is offered (El Torito).
type BootEntry struct {
	Platform string // bios, efi, ppc, mac, or a number
	Bootable bool
	Sector   uint32 // of 2048 bytes, where the boot image starts
	Sectors  uint16 // of 512 bytes, that the firmware loads
}

var platforms = map[byte]string{0: "bios", 1: "ppc", 2: "mac", 0xef: "efi"}

// readCatalogue reads the boot catalogue at a sector of the image and checks
// that each entry's boot image lies inside it. The entries before a bad one
// are returned with its error.
func readCatalogue(r io.ReaderAt, size int64, at uint32) ([]BootEntry, error) {
	if at == 0 {
		return nil, errors.New("no El Torito boot record: firmware does not see a bootable CD")
	}
	c := make([]byte, sector)
	if _, err := r.ReadAt(c, int64(at)*sector); err != nil {
		return nil, fmt.Errorf("boot catalogue at sector %d: %w", at, err)
	}
	if c[0] != 1 || c[30] != 0x55 || c[31] != 0xaa {
		return nil, fmt.Errorf("boot catalogue at sector %d: no validation entry (starts with % x)", at, c[:4])
	}
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(c[i:])
	}
	if sum != 0 {
		return nil, fmt.Errorf("boot catalogue at sector %d: its checksum is off by %#x", at, sum)
	}
	var entries []BootEntry
	platform, left, more := c[1], 1, true
	for i := 32; i+32 <= len(c); i += 32 {
		e := c[i : i+32]
		if left == 0 {
			if !more || e[0] != 0x90 && e[0] != 0x91 {
				break
			}
			platform, left, more = e[1], int(binary.LittleEndian.Uint16(e[2:])), e[0] == 0x90
			continue
		}
		if e[0] == 0x44 { // an extension of the entry before
			continue
		}
		left--
		b := BootEntry{
			Platform: platforms[platform],
			Bootable: e[0] == 0x88,
			Sectors:  binary.LittleEndian.Uint16(e[6:]),
			Sector:   binary.LittleEndian.Uint32(e[8:]),
		}
		if b.Platform == "" {
			b.Platform = fmt.Sprintf("%#x", platform)
		}
		entries = append(entries, b)
		if b.Bootable && (b.Sector == 0 || int64(b.Sector)*sector >= size) {
			return entries, fmt.Errorf("boot entry %d (%s) points at sector %d of %d", len(entries), b.Platform, b.Sector, size/sector)
		}
	}
	return entries, nil
}
