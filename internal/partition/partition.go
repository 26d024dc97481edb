package partition

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Schemes.
const (
	MBR = "mbr"
	GPT = "gpt"
)

// ErrNone says that there is no partition table.
var ErrNone = errors.New("no partition table")

// Table is what a disk's first sectors say.
type Table struct {
	Scheme     string
	SectorSize int64
	ID         string // the disk's: of a GPT a UUID, of an MBR eight digits
	BootCode   bool   // the first sector has some
	Partitions []Partition
	Faults     []string // in words
}

// Partition is a part of a disk.
type Partition struct {
	Number      int
	Start, Size int64  // in bytes
	Type        string // in words; "" is none that is known
	TypeID      string // a UUID, or two digits
	UUID        string // as Linux has it in PARTUUID
	Name        string
	Attributes  []string // in words
	esp, bios   bool
}

// EFISystem says that the type is that of EFI system partitions.
func (p Partition) EFISystem() bool { return p.esp }

// disk is what is read.
type disk struct {
	r      io.ReaderAt
	size   int64
	first  []byte // its first sector
	iso    bool
	sector int64
	table  *Table
}

// maxFaults is enough for a person, and too few for a hostile table.
const maxFaults = 40

func (d *disk) fault(format string, args ...any) {
	if len(d.table.Faults) == maxFaults {
		format, args = "and more", nil
	} else if len(d.table.Faults) > maxFaults {
		return
	}
	d.table.Faults = append(d.table.Faults, fmt.Sprintf(format, args...))
}

func (d *disk) read(at, n int64) ([]byte, error) {
	if at < 0 || at > d.size-n {
		return nil, fmt.Errorf("%d bytes at byte %d of %d", n, at, d.size)
	}
	b := make([]byte, n)
	if got, err := d.r.ReadAt(b, at); got < len(b) {
		return nil, err
	}
	return b, nil
}

// Read reads the partition table of the disk that r holds in its first size
// bytes. The error is [ErrNone] where there is none.
func Read(r io.ReaderAt, size int64) (Table, error) {
	d := &disk{r: r, size: size, sector: 512, table: &Table{SectorSize: 512}}
	if size < 512 {
		return Table{}, fmt.Errorf("%w: %d bytes are no disk", ErrNone, size)
	}
	var err error
	if d.first, err = d.read(0, 512); err != nil {
		return Table{}, fmt.Errorf("partition table: %w", err)
	}
	if b, err := d.read(32769, 5); err == nil {
		d.iso = string(b) == "CD001"
	}
	mbr, protective := d.mbr()
	d.table.BootCode = slices.ContainsFunc(d.first[:440], func(b byte) bool { return b != 0 })
	of := len(d.table.Faults)
	header := d.gptHeaders()
	switch {
	case header != nil && (protective || len(mbr) == 0):
		d.table.Scheme = GPT
		if !protective {
			d.fault("the first sector has no protective MBR, without which Linux and firmware do not look for a GPT")
		}
		if len(mbr) > 0 {
			d.fault("a hybrid MBR: the first sector lists %s beside the GPT, and what is booted depends on who reads which", plural(len(mbr), "partition"))
		}
		d.gpt(header)
	case protective && header == nil:
		d.table.Scheme = GPT
		d.fault("the MBR says that there is a GPT, and neither its header in sector 1 nor its backup in the last sector is there")
		d.table.Partitions = mbr
	case mbr != nil:
		d.table.Scheme = MBR
		d.table.Faults = d.table.Faults[:of] // what is wrong with a GPT that is not read
		d.table.Partitions = mbr
		d.table.ID = fmt.Sprintf("%08x", binary.LittleEndian.Uint32(d.first[440:]))
		if header != nil && !d.iso {
			d.fault("there is a GPT, and the MBR has no protective entry: Linux and firmware read the MBR's partitions alone")
		}
	default:
		return Table{}, ErrNone
	}
	d.check()
	return *d.table, nil
}

// check looks at the partitions beside each other.
func (d *disk) check() {
	all := slices.Clone(d.table.Partitions)
	slices.SortStableFunc(all, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
	var esp []Partition
	bios := false
	var last Partition // that which ends last
	for _, p := range all {
		if p.esp {
			esp = append(esp, p)
		}
		bios = bios || p.bios || slices.Contains(p.Attributes, "active") || slices.Contains(p.Attributes, "legacy boot")
		if end := p.Start + p.Size; end > d.size || end < p.Start {
			d.fault("partition %d ends %d bytes after the end of the image, which has %d", p.Number, end-d.size, d.size)
		}
		if extended(p.TypeID) { // holds the logical ones
			continue
		}
		if last.Size > 0 && p.Start < last.Start+last.Size && !d.iso {
			d.fault("partitions %d and %d overlap, from byte %d on", last.Number, p.Number, p.Start)
		}
		if p.Start+p.Size > last.Start+last.Size {
			last = p
		}
	}
	if len(esp) > 1 {
		d.fault("%s are EFI system partitions, and firmware takes one of them: partitions %d and %d", plural(len(esp), "partition"), esp[0].Number, esp[1].Number)
	}
	if d.table.Scheme == MBR && len(esp) == 0 && len(all) > 0 {
		bios = true
	}
	if bios && !d.table.BootCode {
		d.fault("the first sector has no boot code: a BIOS cannot boot it")
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
