package partition

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	protectiveType = 0xee
	// maxLogical bounds the chain of an extended partition; Linux takes 255.
	maxLogical = 255
)

// mbr is the partitions of the first sector, without a protective one; nil means
// that there is no table in it.
func (d *disk) mbr() (all []Partition, protective bool) {
	if !signed(d.first) || string(d.first[54:57]) == "FAT" || string(d.first[82:85]) == "FAT" {
		return nil, false
	}
	le := binary.LittleEndian
	all = []Partition{}
	for i := range 4 {
		e := entry(d.first, i)
		if e[0]&0x7f != 0 { // the boot sector of a file system has text or code here
			return nil, false
		}
		switch {
		case le.Uint32(e[12:]) == 0:
		case e[4] == protectiveType:
			protective = true
		default:
			all = append(all, d.entry(e, i+1, 0))
		}
	}
	if len(all) == 0 && !protective && (d.first[0] == 0xeb || d.first[0] == 0xe9) {
		return nil, false // a FAT's, with no text there
	}
	for _, p := range slices.Clone(all) {
		if extended(p.TypeID) {
			all = append(all, d.logical(p.Start, p.Size)...)
		}
	}
	return all, protective
}

// logical is the partitions in an extended one: a chain of sectors, each of which
// has an entry and where the next one is.
func (d *disk) logical(start, size int64) []Partition {
	var all []Partition
	seen := map[int64]bool{}
	for at := start; ; {
		if seen[at] {
			d.fault("the chain of logical partitions comes back to sector %d", at/d.sector)
			return all
		}
		if seen[at] = true; len(seen) > maxLogical {
			d.fault("more than %d logical partitions", maxLogical)
			return all
		}
		b, err := d.read(at, 512)
		if err != nil || !signed(b) {
			d.fault("the chain of logical partitions leads to sector %d, where no table is", at/d.sector)
			return all
		}
		next := int64(-1)
		for i := range 2 {
			e := entry(b, i)
			first, sectors := int64(binary.LittleEndian.Uint32(e[8:])), binary.LittleEndian.Uint32(e[12:])
			switch {
			case sectors == 0:
			case extended(fmt.Sprintf("%02x", e[4])):
				next = start + first*d.sector
			default:
				all = append(all, d.entry(e, 5+len(all), at))
			}
		}
		if next < 0 {
			return all
		}
		if next >= start+size {
			d.fault("the chain of logical partitions leaves the extended partition for sector %d", next/d.sector)
			return all
		}
		at = next
	}
}

func (d *disk) entry(e []byte, number int, base int64) Partition {
	le := binary.LittleEndian
	p := Partition{
		Number: number, Start: base + int64(le.Uint32(e[8:]))*d.sector, Size: int64(le.Uint32(e[12:])) * d.sector,
		Type: mbrTypes[e[4]], TypeID: fmt.Sprintf("%02x", e[4]), esp: e[4] == 0xef,
		UUID: fmt.Sprintf("%08x-%02d", le.Uint32(d.first[440:]), number),
	}
	if e[0]&0x80 != 0 {
		p.Attributes = []string{"active"}
	}
	return p
}

func entry(b []byte, i int) []byte { return b[446+16*i : 446+16*(i+1)] }

func signed(b []byte) bool { return b[510] == 0x55 && b[511] == 0xaa }

func extended(id string) bool { return id == "05" || id == "0f" || id == "85" }

var mbrTypes = map[byte]string{
	0x00: "empty", 0x01: "FAT12", 0x04: "FAT16", 0x05: "extended", 0x06: "FAT16", 0x07: "NTFS or exFAT", 0x0b: "FAT32", 0x0c: "FAT32 (LBA)",
	0x0e: "FAT16 (LBA)", 0x0f: "extended (LBA)", 0x17: "hidden NTFS", 0x27: "Windows recovery", 0x41: "PowerPC PReP boot", 0x82: "Linux swap", 0x83: "Linux",
	0x85: "Linux extended", 0x8e: "Linux LVM", 0x96: "ISO 9660", 0xa5: "FreeBSD", 0xa6: "OpenBSD", 0xa9: "NetBSD", 0xaf: "HFS", 0xcd: "ISO 9660",
	0xda: "no file system", 0xe8: "LUKS", 0xea: "Linux extended boot", 0xee: "GPT", 0xef: "EFI system", 0xfb: "VMware VMFS", 0xfd: "Linux RAID",
}
