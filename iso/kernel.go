package iso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// magics tell kinds of files by their first bytes.
var magics = []struct{ kind, magic string }{
	{"cpio", "070701"},
	{"cpio", "070702"},
	{"gzip", "\x1f\x8b"},
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"xz", "\xfd7zXZ\x00"},
	{"lz4", "\x02\x21\x4c\x18"},
	{"lzma", "\x5d\x00\x00"},
	{"bzip2", "BZh"},
	{"lzop", "\x89LZO"},
	{"squashfs", "hsqs"},
	{"ELF", "\x7fELF"},
	{"QEMU qcow2 disk", "QFI\xfb"},
	{"zip", "PK\x03\x04"},
}

func magicOf(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	return ""
}

// kindOf describes a file's first bytes for an error.
func kindOf(head []byte) string {
	if kind := magicOf(head); kind != "" {
		return kind + " data"
	}
	if len(head) == 0 {
		return "nothing"
	}
	if bytes.Count(head, []byte{0}) == len(head) {
		return "zeros"
	}
	if utf8.Valid(head) && bytes.IndexFunc(head, func(r rune) bool { return r < 9 || r > 13 && r < 32 }) < 0 {
		return fmt.Sprintf("the text %q", head)
	}
	return fmt.Sprintf("the bytes % x", head)
}

// initrdKinds are what Linux unpacks as an initrd.
var initrdKinds = []string{"cpio", "gzip", "zstd", "xz", "lz4", "lzma", "bzip2", "lzop"}

// initrdKind is the kind of an initrd by its first bytes.
func initrdKind(head []byte) (string, error) {
	kind := magicOf(head)
	for _, k := range initrdKinds {
		if k == kind {
			return kind, nil
		}
	}
	return "", fmt.Errorf("no initrd (cpio, or one compressed): it starts with %s", kindOf(head))
}

// headerSize is enough of a kernel to tell what it is.
const headerSize = 4096

// images are kernels that are no bzImage, by four bytes at a place.
var images = []struct {
	at          int
	magic, arch string
}{
	{0x38, "ARM\x64", "aarch64"},
	{0x38, "RSC\x05", "riscv64"},
	{0x24, "\x18\x28\x6f\x01", "arm"},
}

// machines are the processors that the header of a PE program may name.
var machines = map[uint16]string{0x8664: "x86_64", 0x14c: "i386", 0xaa64: "aarch64", 0x5064: "riscv64", 0x6264: "loongarch64"}

// kernelArch is the architecture of a kernel by its first headerSize bytes, as
// x86_64, i386 or aarch64.
func kernelArch(head []byte) (string, error) {
	for _, k := range images {
		if len(head) >= 0x40 && string(head[k.at:k.at+4]) == k.magic {
			return k.arch, nil
		}
	}
	if len(head) >= 0x40 && string(head[:8]) == "MZ\x00\x00zimg" { // packed, and unpacks itself under UEFI
		if at := int(binary.LittleEndian.Uint32(head[0x3c:])); at >= 0 && at+6 <= len(head) {
			if arch, ok := machines[binary.LittleEndian.Uint16(head[at+4:])]; ok {
				return arch, nil
			}
		}
	}
	if len(head) < 0x238 || string(head[0x202:0x206]) != "HdrS" {
		return "", fmt.Errorf("no Linux kernel (bzImage): it starts with %s", kindOf(head[:min(16, len(head))]))
	}
	if is := foreign(head); is != "" {
		return "", &notLinux{is}
	}
	// Boot protocol 2.12 tells whether there is a 64-bit entry point.
	if binary.LittleEndian.Uint16(head[0x206:]) >= 0x20c && head[0x236]&1 == 0 {
		return "i386", nil
	}
	return "x86_64", nil
}

// notLinux is the error of a bzImage that is another program, such as iPXE.
type notLinux struct{ is string }

func (e *notLinux) Error() string {
	return fmt.Sprintf("no Linux, but another program in a kernel's clothes (bzImage): it calls itself %q", e.is)
}

// foreign is what a bzImage calls itself that is no Linux, and "" of one that is,
// or that does not say so in its first bytes. Linux says
// "6.1.0-13-amd64 (builder@host) #1 SMP ...".
func foreign(head []byte) string {
	at := int(binary.LittleEndian.Uint16(head[0x20e:]))
	if at == 0 || 0x200+at >= len(head) {
		return ""
	}
	says, _, ok := bytes.Cut(head[0x200+at:], []byte{0})
	if !ok || len(says) == 0 || len(says) > maxTitle || bytes.Contains(says, []byte(" (")) && bytes.Contains(says, []byte("#")) {
		return ""
	}
	return string(says)
}

// elfArch is the architecture of an ELF program by its first bytes.
func elfArch(head []byte) (string, error) {
	if len(head) < 20 || !strings.HasPrefix(string(head), "\x7fELF") {
		return "", fmt.Errorf("no ELF program: it starts with %s", kindOf(head[:min(16, len(head))]))
	}
	switch machine := binary.LittleEndian.Uint16(head[18:]); machine {
	case 62:
		return "x86_64", nil
	case 3:
		return "i386", nil
	case 183:
		return "aarch64", nil
	default:
		return fmt.Sprintf("ELF machine %d", machine), nil
	}
}
