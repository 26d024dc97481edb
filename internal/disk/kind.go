package disk

import (
	"bytes"
	"fmt"
	"strings"
)

// kind is what a partition holds.
type kind struct{ name, label, uuid string }

// kinds are told by their magic. Where a label or a UUID is, is from the
// beginning of the partition on; 0 is nowhere.
var kinds = []struct {
	at              int
	magic, name     string
	label, labelLen int
	uuid            int
}{
	{1080, "\x53\xef", "ext", 1144, 16, 1128},
	{0, "hsqs", "squashfs", 0, 0, 0},
	{1024, "\xe2\xe1\xf5\xe0", "EROFS", 1024 + 64, 16, 1024 + 48},
	{65536 + 64, "_BHRfS_M", "btrfs", 65536 + 0x12b, 256, 65536 + 0x20},
	{0, "XFSB", "XFS", 108, 12, 32},
	{0, "LUKS\xba\xbe\x00\x01", "LUKS1", 0, 0, 0},
	{0, "LUKS\xba\xbe\x00\x02", "LUKS2", 24, 48, 0},
	{1024, "\x10\x20\xf5\xf2", "F2FS", 0, 0, 1024 + 108},
	{4096, "\xfc\x4e\x2b\xa9", "Linux RAID member", 4096 + 32, 32, 4096 + 16},
	{0, "\xfc\x4e\x2b\xa9", "Linux RAID member", 32, 32, 16},
	{4096 - 10, "SWAPSPACE2", "swap", 1024 + 28, 16, 1024 + 12},
	{16384 - 10, "SWAPSPACE2", "swap", 1024 + 28, 16, 1024 + 12},
	{65536 - 10, "SWAPSPACE2", "swap", 1024 + 28, 16, 1024 + 12},
	{32769, "CD001", "ISO 9660", 32808, 32, 0},
	{32769, "BEA01", "UDF", 0, 0, 0},
	{1024, "H+\x00\x04", "HFS+", 0, 0, 0},
	{32, "NXSB", "APFS", 0, 0, 0},
	{3, "NTFS    ", "NTFS", 0, 0, 0},
	{3, "EXFAT   ", "exFAT", 0, 0, 0},
	{54, "FAT12   ", "FAT", 43, 11, 0},
	{54, "FAT16   ", "FAT", 43, 11, 0},
	{82, "FAT32   ", "FAT", 71, 11, 0},
}

// kindOf tells what a partition holds by its beginning; the name is "" where that
// says nothing.
func kindOf(f file, head []byte) kind {
	for _, k := range kinds {
		if !has(head, k.at, k.magic) {
			continue
		}
		found := kind{name: k.name}
		if k.labelLen > 0 && len(head) >= k.label+k.labelLen {
			found.label = strings.TrimSpace(field(head[k.label : k.label+k.labelLen]))
		}
		if k.uuid > 0 && len(head) >= k.uuid+16 {
			u := head[k.uuid : k.uuid+16]
			found.uuid = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
		}
		if strings.HasPrefix(k.name, "LUKS") && len(head) >= 208 {
			found.uuid = field(head[168:208]) // is text
		}
		return found
	}
	for at := 0; at < 2048; at += 512 {
		if has(head, at, "LABELONE") && has(head, at+24, "LVM2 001") {
			return kind{name: "LVM2 PV", uuid: lvmID(head, at)}
		}
	}
	if fatLike(head) {
		return kind{name: "FAT"}
	}
	if len(bytes.Trim(head, "\x00")) == 0 && f.size > 0 {
		return kind{name: "zeros"}
	}
	return kind{}
}

// fatLike says that a sector may be a FAT's, which needs not have its name in it:
// a jump, and sectors and clusters as they can be.
func fatLike(head []byte) bool {
	if len(head) < 512 || head[0] != 0xeb && head[0] != 0xe9 {
		return false
	}
	sector := le.Uint16(head[11:])
	return (sector == 512 || sector == 1024 || sector == 2048 || sector == 4096) && head[13] != 0 && head[13]&(head[13]-1) == 0 &&
		head[16] >= 1 && head[16] <= 2 && (head[21] == 0xf0 || head[21] >= 0xf8)
}

// lvmID is written as LVM does, in groups of letters and digits.
func lvmID(head []byte, label int) string {
	at := label + int(le.Uint32(head[label+20:]))
	if at < 0 || at > len(head)-32 {
		return ""
	}
	id := field(head[at : at+32])
	if len(id) != 32 {
		return ""
	}
	return strings.Join([]string{id[:6], id[6:10], id[10:14], id[14:18], id[18:22], id[22:26], id[26:]}, "-")
}
