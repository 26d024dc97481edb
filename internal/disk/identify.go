package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bootaudit/internal/partition"
)

// Format is what kind of file it is.
type Format string

// Formats. Those from Raw to VMDK are disks, and what QEMU's drivers are called.
const (
	Raw        Format = "raw"
	ISO        Format = "iso" // a disk, too, where it is isohybrid
	QCOW2      Format = "qcow2"
	VDI        Format = "vdi"
	VHDX       Format = "vhdx"
	VPC        Format = "vpc" // VHD
	VMDK       Format = "vmdk"
	Compressed Format = "compressed"
	Kernel     Format = "kernel" // Linux, for x86 (bzImage) or another processor
	EFI        Format = "efi"    // a program for firmware; Words tells a UKI
	Initrd     Format = "initrd"
	Unknown    Format = "unknown"
)

// Identity is what a file is.
type Identity struct {
	Format Format
	// Words is a line for a person: "a qcow2 disk image".
	Words string
	// Refused is why the file must not be opened, "" where it may.
	Refused string
	// UKI says that an EFI program has a kernel in it.
	UKI bool
	// Of is what is compressed, nil where that cannot be told.
	Of *Identity
}

// headSize is what is looked at: the farthest magic, that of btrfs, ends before.
const headSize = 68 << 10

// Identify looks at the file that r holds in its first size bytes.
func Identify(r io.ReaderAt, size int64) Identity {
	f := file{r, size}
	head := make([]byte, max(0, min(size, headSize)))
	n, err := r.ReadAt(head, 0)
	if n < len(head) {
		return Identity{Format: Unknown, Words: fmt.Sprintf("cannot be read: %v", err)}
	}
	if len(head) == 0 {
		return Identity{Format: Unknown, Words: "an empty file"}
	}
	for _, look := range []func(file, []byte) (Identity, bool){container, optical, compressed, program, rawDisk} {
		if i, ok := look(f, head); ok {
			return i
		}
	}
	return Identity{Format: Unknown, Words: other(head)}
}

// IdentifyFile looks at a file, or a block device. A name that QEMU takes for a
// protocol is an error.
func IdentifyFile(path string) (Identity, error) {
	if err := protocol(path); err != nil {
		return Identity{}, err
	}
	f, size, err := openFile(path)
	if err != nil {
		return Identity{}, err
	}
	defer f.Close()
	return Identify(f, size), nil
}

// openFile opens what can be read at any place.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for its other end
	if err != nil {
		return nil, 0, err
	}
	if m := info.Mode(); !m.IsRegular() && m.Type() != os.ModeDevice {
		return nil, 0, fmt.Errorf("%s is neither a file nor a block device", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// file is what is looked at.
type file struct {
	io.ReaderAt
	size int64
}

// at is n bytes, or nil where they are not there.
func (f file) at(at, n int64) []byte {
	if at < 0 || n < 0 || at > f.size-n {
		return nil
	}
	b := make([]byte, n)
	if got, _ := f.ReadAt(b, at); int64(got) < n {
		return nil
	}
	return b
}

func has(b []byte, at int, magic string) bool {
	return len(b) >= at+len(magic) && string(b[at:at+len(magic)]) == magic
}

func optical(f file, head []byte) (Identity, bool) {
	if has(head, 32769, "BEA01") {
		return Identity{Format: ISO, Words: "a UDF image"}, true
	}
	if !has(head, 32769, "CD001") {
		return Identity{}, false
	}
	words := "an ISO 9660 image"
	if label := strings.TrimSpace(field(head[32808:32840])); label != "" {
		words += fmt.Sprintf(" with the label %q", label)
	}
	table, err := partition.Read(f, f.size)
	if err == nil && len(table.Partitions) > 0 {
		words += fmt.Sprintf(", and a disk with %s (isohybrid)", schemes[table.Scheme])
	}
	return Identity{Format: ISO, Words: words}, true
}

var schemes = map[string]string{partition.GPT: "a GPT", partition.MBR: "an MBR"}

func rawDisk(f file, head []byte) (Identity, bool) {
	table, err := partition.Read(f, f.size)
	if err == nil {
		words := fmt.Sprintf("a raw disk image with %s of %d partitions", schemes[table.Scheme], len(table.Partitions))
		return Identity{Format: Raw, Words: words}, true
	}
	if !errors.Is(err, partition.ErrNone) {
		return Identity{Format: Unknown, Words: fmt.Sprintf("cannot be read: %v", err)}, true
	}
	if kind := kindOf(f, head); kind.name != "" {
		return Identity{Format: Raw, Words: "a raw disk image without partitions: " + kind.name}, true
	}
	return Identity{}, false
}

// field is text that ends with the first zero.
func field(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(s), "?")
}

// others are magics of what is no image to boot.
var others = []struct {
	at           int
	magic, words string
}{
	{0, "PK\x03\x04", "a zip archive: unpack it"},
	{40, "_FVH", "a volume of UEFI firmware, as OVMF's files are"},
	{257, "ustar", "a tar archive: unpack it"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"},
	{0, "Rar!", "a RAR archive: unpack it"},
	{0, "!<arch>\n", "an ar archive, or a Debian package"},
	{0, "\xed\xab\xee\xdb", "an RPM package"},
	{0, "\x89LZO\x00", "compressed with lzop"},
	{0, "%PDF", "a PDF document"},
	{0, "\x89PNG", "a PNG picture"},
	{0, "#!", "a script"},
	{0, "<!DOCTYPE", "an HTML page: what was asked for was not found, perhaps"},
	{0, "<html", "an HTML page: what was asked for was not found, perhaps"},
	{0, "version https://git-lfs.github.com/spec/", "a Git LFS pointer: the file itself was not fetched"},
	{0, "\x7fELF", "an ELF program"},
	{0, "\xd0\x0d\xfe\xed", "a device tree, or a FIT image of U-Boot's"},
	{0, "\x27\x05\x19\x56", "a uImage of U-Boot's"},
	{0, "\xed\xfe\x0d\xd0", "a device tree"},
	{0, "MZ", "a program for DOS or Windows"},
}

func other(head []byte) string {
	for _, o := range others {
		if has(head, o.at, o.magic) {
			return o.words
		}
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return "starts with zeros, as a blank disk does"
	}
	if some := head[:min(len(head), 512)]; bytes.IndexFunc(some, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0xfffd }) < 0 {
		return "text"
	}
	return fmt.Sprintf("nothing that is known: it starts with % x", head[:min(len(head), 8)])
}

var le, be = binary.LittleEndian, binary.BigEndian
