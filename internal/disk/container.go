package disk

import (
	"bytes"
	"fmt"
	"strings"
)

// container tells the formats that hold a disk, and refuses those which lead to
// other files.
func container(f file, head []byte) (Identity, bool) {
	is := func(format Format, words, refused string) (Identity, bool) {
		return Identity{Format: format, Words: words, Refused: refused}, true
	}
	switch {
	case has(head, 0, "QFI\xfb"):
		if len(head) < 72 {
			return is(QCOW2, "a qcow2 disk image", "its header is cut off")
		}
		if version := be.Uint32(head[4:]); version != 2 && version != 3 {
			return is(Unknown, fmt.Sprintf("a qcow disk image of version %d", version), "only versions 2 and 3 are read: convert it with qemu-img convert -O qcow2")
		}
		return is(QCOW2, "a qcow2 disk image", qcow2(f, head))
	case has(head, 64, "\x7f\x10\xda\xbe"):
		return is(VDI, "a VDI disk image", vdi(head))
	case has(head, 0, "vhdxfile"):
		return is(VHDX, "a VHDX disk image", vhdx(f))
	case has(head, 0, "conectix"):
		return is(VPC, "a VHD disk image", vpc(head[:min(len(head), 512)]))
	case has(head, 0, "KDMV"):
		return is(VMDK, "a VMDK disk image", vmdk(f, head))
	case has(head, 0, "COWD"):
		return is(Unknown, "a VMDK disk image of ESX", "its kind leads to other files: convert it with qemu-img convert -O qcow2")
	case bytes.HasPrefix(bytes.TrimLeft(head[:min(len(head), 64)], " \t\r\n"), []byte("# Disk DescriptorFile")):
		return is(VMDK, "a VMDK descriptor, and not the disk itself", "it leads to other files"+extents(head)+": convert the disk with qemu-img convert -O qcow2")
	case has(head, 0, "QED\x00"):
		return is(Unknown, "a QED disk image", "the format is not read: convert it with qemu-img convert -O qcow2")
	case has(head, 0, "WithoutFreeSpace"), has(head, 0, "WithouFreSpacExt"):
		return is(Unknown, "a Parallels disk image", "the format is not read: convert it with qemu-img convert -O qcow2")
	case has(head, 0, "Bochs Virtual HD Image"):
		return is(Unknown, "a Bochs disk image", "the format is not read: convert it with qemu-img convert -O qcow2")
	}
	if footer := f.at(f.size-512, 512); has(footer, 0, "conectix") && be.Uint32(footer[60:]) == 2 {
		return is(VPC, "a VHD disk image of fixed size", vpc(footer))
	}
	return Identity{}, false
}

func qcow2(f file, head []byte) string {
	if at, n := be.Uint64(head[8:]), be.Uint32(head[16:]); at != 0 {
		name := ""
		if b := f.at(int64(at), int64(min(n, 1023))); b != nil {
			name = fmt.Sprintf(" (%q)", field(b))
		}
		return "it has a backing file" + name + ", which is another file of the host's: put both into one with qemu-img convert -O qcow2"
	}
	if method := be.Uint32(head[32:]); method != 0 {
		return "it is encrypted"
	}
	if be.Uint32(head[4:]) < 3 {
		return ""
	}
	if len(head) < 104 {
		return "its header is cut off"
	}
	features := be.Uint64(head[72:])
	switch {
	case features&4 != 0:
		return "its data is in another file of the host's (an external data file): put both into one with qemu-img convert -O qcow2"
	case features&2 != 0:
		return "it says of itself that it is corrupt: see qemu-img check"
	}
	return ""
}

func vdi(head []byte) string {
	if len(head) < 512 {
		return "its header is cut off"
	}
	zero := make([]byte, 16)
	if kind := le.Uint32(head[76:]); kind != 1 && kind != 2 || !bytes.Equal(head[424:440], zero) || !bytes.Equal(head[440:456], zero) {
		return "it holds the differences to another disk (its parent): convert the whole with VBoxManage clonemedium"
	}
	return ""
}

func vpc(footer []byte) string {
	if len(footer) < 512 {
		return "its footer is cut off"
	}
	if kind := be.Uint32(footer[60:]); kind != 2 && kind != 3 {
		return fmt.Sprintf("it holds the differences to another disk, or is of a kind that is not known (%d)", kind)
	}
	return ""
}

// vhdx looks for the parent's flag: a table of regions leads to one of metadata,
// and that to the file's parameters.
func vhdx(f file) string {
	const damaged = "its tables cannot be read"
	regions := f.at(192<<10, 64<<10)
	if !has(regions, 0, "regi") {
		return damaged
	}
	find := func(entries []byte, count, width int, id string) []byte {
		for i := 0; i < count && (i+1)*width <= len(entries); i++ {
			if e := entries[i*width : (i+1)*width]; string(e[:16]) == id {
				return e
			}
		}
		return nil
	}
	e := find(regions[16:], int(min(le.Uint32(regions[8:]), 2047)), 32, "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e")
	if e == nil {
		return damaged
	}
	base := int64(le.Uint64(e[16:]))
	metadata := f.at(base, 64<<10)
	if !has(metadata, 0, "metadata") {
		return damaged
	}
	e = find(metadata[32:], int(le.Uint16(metadata[10:])), 32, "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b")
	if e == nil {
		return damaged
	}
	parameters := f.at(base+int64(le.Uint32(e[16:])), 8)
	switch {
	case parameters == nil:
		return damaged
	case le.Uint32(parameters[4:])&2 != 0:
		return "it holds the differences to another disk (its parent)"
	}
	return ""
}

// vmdk looks at the header and, where a stream has one, at that at its end: QEMU
// goes by the last, and by what the descriptor says that it leads to.
func vmdk(f file, head []byte) string {
	if len(head) < 512 {
		return "its header is cut off"
	}
	headers := [][]byte{head}
	if le.Uint64(head[56:]) == 1<<64-1 {
		// A footer, its end marker behind it.
		footer := f.at(f.size-1024, 512)
		if !has(footer, 0, "KDMV") {
			return "its footer is cut off: the image is truncated"
		}
		headers = append(headers, footer)
	}
	for _, h := range headers {
		if le.Uint64(h[12:]) == 0 {
			return "it is a descriptor that leads to other files"
		}
		at := le.Uint64(h[28:])
		if at == 0 {
			continue
		}
		if at > 1<<40 {
			return "its descriptor is out of place"
		}
		// QEMU reads as much, wherever the descriptor ends.
		from := int64(at) << 9
		text := f.at(from, min(20<<9, max(0, f.size-from)))
		if text == nil {
			return "its descriptor is out of place"
		}
		if bytes.Contains(text, []byte("parentFileNameHint")) {
			return "it holds the differences to another disk (its parent)"
		}
		if n := strings.Count(extents(text), `"`) / 2; n > 1 {
			return "it is one of several files" + extents(text)
		}
	}
	return ""
}

// extents names the first files that a descriptor leads to.
func extents(text []byte) string {
	var names []string
	for line := range bytes.Lines(text[:min(len(text), 20<<9)]) {
		words := bytes.Fields(line)
		if len(words) < 4 || !bytes.Equal(words[0], []byte("RW")) && !bytes.Equal(words[0], []byte("RDONLY")) {
			continue
		}
		_, name, _ := bytes.Cut(line, []byte(`"`))
		name, _, ok := bytes.Cut(name, []byte(`"`))
		if !ok {
			continue
		}
		if names = append(names, fmt.Sprintf("%q", strings.ToValidUTF8(string(name), "?"))); len(names) == 3 {
			break
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
