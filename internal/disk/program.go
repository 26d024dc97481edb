package disk

import (
	"bytes"
	"fmt"
	"strings"
)

// program tells kernels, programs for firmware, and initrds.
func program(f file, head []byte) (Identity, bool) {
	switch {
	case has(head, 0, "070701"), has(head, 0, "070702"):
		return Identity{Format: Initrd, Words: "a cpio archive, as initrds are"}, true
	case has(head, 0x202, "HdrS") && has(head, 510, "\x55\xaa"):
		switch version := release(f, head); {
		case version == "":
			return Identity{Format: Kernel, Words: "a Linux kernel for x86 (bzImage)"}, true
		case version[0] < '0' || version[0] > '9': // Memtest86+
			return Identity{Format: Kernel, Words: "a program that boots as Linux does (bzImage), " + version}, true
		default:
			return Identity{Format: Kernel, Words: "a Linux kernel for x86 (bzImage), " + version}, true
		}
	case has(head, 0, "MZ"):
		if i, ok := portable(f, head); ok {
			return i, true
		}
	case has(head, 0, "\x7fELF"):
		if elfKernel(f, head) {
			return Identity{Format: Kernel, Words: "a kernel as an ELF file (vmlinux)"}, true
		}
		return Identity{}, false
	}
	for _, k := range []struct{ magic, name string }{{"ARM\x64", "arm64"}, {"RSC\x05", "riscv64"}} {
		if has(head, 56, k.magic) {
			return Identity{Format: Kernel, Words: "a Linux kernel for " + k.name + " (Image)"}, true
		}
	}
	return Identity{}, false
}

// release is what a bzImage says that it is.
func release(f file, head []byte) string {
	at := int64(le.Uint16(head[0x20e:]))
	if at == 0 {
		return ""
	}
	b := f.at(at+0x200, min(128, max(0, f.size-at-0x200)))
	version, _, _ := strings.Cut(field(b), " ")
	if version == "" || strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return version
}

var machines = map[uint16]string{0x14c: "x86", 0x8664: "x86-64", 0x1c0: "ARM", 0x1c2: "ARM", 0x1c4: "ARM", 0xaa64: "arm64", 0x5032: "riscv32", 0x5064: "riscv64", 0x6264: "loongarch64"}

// portable tells a program for firmware, and one with a kernel in it, from one for
// Windows. A kernel that can be started as one stays a kernel.
func portable(f file, head []byte) (Identity, bool) {
	if len(head) < 64 {
		return Identity{}, false
	}
	at := int64(le.Uint32(head[60:]))
	h := f.at(at, 24)
	if !has(h, 0, "PE\x00\x00") {
		return Identity{}, false
	}
	sections, optional := int64(le.Uint16(h[6:])), int64(le.Uint16(h[20:]))
	o := f.at(at+24, 70)
	if o == nil || optional < 70 {
		return Identity{}, false
	}
	if kind := le.Uint16(o[68:]); kind < 10 || kind > 12 {
		return Identity{}, false
	}
	table := f.at(at+24+optional, min(sections, 96)*40)
	names := map[string]bool{}
	for ; len(table) >= 40; table = table[40:] {
		names[field(table[:8])] = true
	}
	machine := machines[le.Uint16(h[4:])]
	if machine == "" {
		machine = fmt.Sprintf("a processor of number %#x", le.Uint16(h[4:]))
	}
	switch {
	case names[".linux"]:
		words := "a unified kernel image (UKI) for " + machine
		if !names[".initrd"] {
			words += ", without an initrd"
		}
		return Identity{Format: EFI, UKI: true, Words: words}, true
	case has(head, 56, "ARM\x64"), has(head, 56, "RSC\x05"):
		return Identity{}, false
	}
	return Identity{Format: EFI, Words: "an EFI program for " + machine}, true
}

// elfKernel says that a program is no process's: it is loaded at another place
// than it runs at, or where no process is.
func elfKernel(f file, head []byte) bool {
	if len(head) < 64 || head[5] != 1 {
		return false
	}
	wide := head[4] == 2
	at, width, count := int64(le.Uint32(head[28:])), int64(le.Uint16(head[42:])), int64(le.Uint16(head[44:]))
	if wide {
		at, width, count = int64(le.Uint64(head[32:])), int64(le.Uint16(head[54:])), int64(le.Uint16(head[56:]))
	}
	if width < 32 || wide && width < 56 || width > 256 || count > 64 {
		return false
	}
	kernel := false
	for table := f.at(at, width*count); int64(len(table)) >= width && width > 0; table = table[width:] {
		switch le.Uint32(table) {
		case 3: // wants an interpreter, as a process does
			return false
		case 1:
			virtual, physical := uint64(le.Uint32(table[8:])), uint64(le.Uint32(table[12:]))
			if wide {
				virtual, physical = le.Uint64(table[16:]), le.Uint64(table[24:])
			}
			kernel = kernel || virtual != physical || wide && virtual >= 1<<63
		}
	}
	return kernel || bytes.Contains(head[:min(len(head), 8<<10)], []byte{0x02, 0xb0, 0xad, 0x1b})
}
