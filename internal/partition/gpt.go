package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"
)

const (
	signature  = "EFI PART"
	headerSize = 92
	maxTable   = 1 << 20 // bytes; 128 entries take 16 KiB
)

// header is one of a GPT's two.
type header struct {
	where        string
	at           int64 // sector
	other        int64
	first, last  int64 // that partitions may have
	id           []byte
	entries      int64
	count, width int64
	sum          uint32
	sound        bool
	table        []byte
}

// gptHeaders is the header to go by, the first one unless it is damaged and the
// backup is not; nil means that none was found.
func (d *disk) gptHeaders() *header {
	var first *header
	for _, sector := range []int64{512, 4096} {
		d.sector = sector
		if first = d.header("GPT", 1); first != nil {
			break
		}
	}
	if first == nil {
		for _, sector := range []int64{512, 4096} {
			d.sector = sector
			if b := d.header("backup GPT", d.size/sector-1); b != nil {
				d.fault("the GPT in sector 1 is not there: the partitions are of its backup, in sector %d", b.at)
				return b
			}
		}
		d.sector = 512
		return nil
	}
	end := d.size/d.sector - 1
	if first.other > end {
		d.fault("the image is truncated: the backup GPT should be in sector %d, and the last one is %d, %d bytes before", first.other, end, (first.other-end)*d.sector)
		return first
	}
	backup := d.header("backup GPT", first.other)
	if backup == nil && first.other != end {
		backup = d.header("backup GPT", end)
	}
	switch {
	case backup == nil:
		d.fault("there is no backup GPT in sector %d", first.other)
	case !first.sound && backup.sound:
		d.fault("the partitions are those of the backup GPT, which is sound")
		return backup
	case !bytes.Equal(first.id, backup.id) || !bytes.Equal(first.table, backup.table):
		d.fault("the backup GPT says something else than the first one")
	}
	if first.other < end {
		d.fault("the backup GPT is in sector %d, and not in the last one, %d: the image was made longer, or was cut from a larger one", first.other, end)
	}
	return first
}

func (d *disk) header(where string, at int64) *header {
	if at < 1 || at > d.size/d.sector {
		return nil
	}
	b, err := d.read(at*d.sector, 512)
	if err != nil || string(b[:8]) != signature {
		return nil
	}
	le := binary.LittleEndian
	h := &header{
		where: where, at: at, other: int64(le.Uint64(b[32:])), first: int64(le.Uint64(b[40:])), last: int64(le.Uint64(b[48:])),
		id: b[56:72], entries: int64(le.Uint64(b[72:])), count: int64(le.Uint32(b[80:])), width: int64(le.Uint32(b[84:])), sum: le.Uint32(b[88:]), sound: true,
	}
	bad := func(format string, args ...any) {
		h.sound = false
		d.fault("the "+where+" in sector %d: "+format, append([]any{at}, args...)...)
	}
	size := int64(le.Uint32(b[12:]))
	if size < headerSize || size > 512 {
		bad("its header claims %d bytes", size)
	} else {
		said := le.Uint32(b[16:])
		clear(b[16:20])
		if sum := crc32.ChecksumIEEE(b[:size]); sum != said {
			bad("its header's CRC is %#08x, and should be %#08x", said, sum)
		}
	}
	if my := int64(le.Uint64(b[24:])); my != at {
		bad("it says that it is in sector %d", uint64(my))
	}
	if h.other < 1 || h.other > 1<<50 {
		bad("it says that the other one is in sector %d", uint64(h.other))
		h.other = d.size/d.sector - 1
	}
	switch {
	case h.width < 128 || h.width%8 != 0 || h.count < 0 || h.width > maxTable || h.count*h.width > maxTable:
		bad("it claims %d entries of %d bytes", h.count, h.width)
		return h
	case h.entries < 1 || h.entries > d.size/d.sector:
		bad("its entries are in sector %d of %d", uint64(h.entries), d.size/d.sector)
		return h
	}
	if h.table, err = d.read(h.entries*d.sector, h.count*h.width); err != nil {
		bad("its entries cannot be read: %v", err)
		return h
	}
	if sum := crc32.ChecksumIEEE(h.table); sum != h.sum {
		bad("its entries' CRC is %#08x, and should be %#08x", h.sum, sum)
	}
	return h
}

func (d *disk) gpt(h *header) {
	d.table.SectorSize, d.table.ID = d.sector, guid(h.id)
	le := binary.LittleEndian
	for i := int64(0); i < int64(len(h.table))/h.width; i++ {
		e := h.table[i*h.width:]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		first, last := int64(le.Uint64(e[32:])), int64(le.Uint64(e[40:]))
		number := int(i) + 1
		if limit := int64(1) << 62 / d.sector; first < 0 || last < first || last >= limit {
			d.fault("partition %d goes from sector %d to %d", number, uint64(first), uint64(last))
			continue
		}
		if first < h.first || last > h.last {
			d.fault("partition %d, from sector %d to %d, is outside of what the GPT has for partitions, %d to %d", number, first, last, h.first, h.last)
		}
		id := guid(e[:16])
		p := Partition{
			Number: number, Start: first * d.sector, Size: (last - first + 1) * d.sector, Type: gptTypes[id], TypeID: id, UUID: guid(e[16:32]),
			Name: name(e[56:128]), Attributes: attributes(le.Uint64(e[48:])), esp: id == espType, bios: id == biosType,
		}
		d.table.Partitions = append(d.table.Partitions, p)
	}
}

// guid is written as Linux does, the first three parts of it turned round.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

func name(b []byte) string {
	var units []uint16
	for ; len(b) > 1; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return strings.TrimRight(string(utf16.Decode(units)), " ")
}

// attributes are the bits of one, those from 48 on as the types for Linux and
// Windows have them.
func attributes(bits uint64) []string {
	var all []string
	for i := range 64 {
		if bits&(1<<i) == 0 {
			continue
		}
		word, ok := map[int]string{0: "required", 1: "no block IO", 2: "legacy boot", 59: "grow", 60: "read-only", 62: "hidden", 63: "no automount"}[i]
		if !ok {
			word = fmt.Sprintf("bit %d", i)
		}
		all = append(all, word)
	}
	return all
}
