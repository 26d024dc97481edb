package efi

import (
	"bytes"
	"crypto"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Program is an EFI program.
type Program struct {
	Machine   string // it is for: x86_64, i386, aarch64, arm, riscv64, loongarch64, or a number
	Subsystem string // application, boot service driver, runtime driver or ROM
	Sections  []Section
	SBAT      []Component // nil where it has none
	// Digest is SHA-256 over the file as the firmware computes it: without what
	// signing changes.
	Digest     [32]byte
	Signatures []Signature

	file    io.ReaderAt
	layout  layout
	digests map[crypto.Hash][]byte
}

// Section is a part of the program. Of a unified kernel image they are .linux,
// .initrd, .cmdline, .osrel, .uname and so on.
type Section struct {
	Name         string
	Offset, Size int64 // in the file

	stored int64 // with what pads it
}

// ErrNoProgram is wrapped by [Read] where the file is no EFI program at all.
var ErrNoProgram = errors.New("no EFI program")

// The most that a program may have: the firmware's own loader takes 96 sections.
const (
	maxSections = 96
	maxHeaders  = 1 << 20
	maxName     = 64 // bytes of a section's
)

// layout is what the digest goes by.
type layout struct {
	size      int64 // of the file
	headers   int64
	checksum  int64 // where it is in the headers
	directory int64 // where the entry of the signatures is; 0 for none
	signed    extent
}

type extent struct{ offset, size int64 }

var machines = map[uint16]string{
	pe.IMAGE_FILE_MACHINE_AMD64: "x86_64", pe.IMAGE_FILE_MACHINE_I386: "i386",
	pe.IMAGE_FILE_MACHINE_ARM64: "aarch64", pe.IMAGE_FILE_MACHINE_ARMNT: "arm", pe.IMAGE_FILE_MACHINE_THUMB: "arm",
	pe.IMAGE_FILE_MACHINE_RISCV64: "riscv64", pe.IMAGE_FILE_MACHINE_LOONGARCH64: "loongarch64",
}

var subsystems = map[uint16]string{
	pe.IMAGE_SUBSYSTEM_EFI_APPLICATION: "application", pe.IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER: "boot service driver",
	pe.IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER: "runtime driver", pe.IMAGE_SUBSYSTEM_EFI_ROM: "ROM",
}

// Read reads a program of size bytes. A signature that cannot be read or does not
// hold is no error, but says so.
//
// The structures are debug/pe's, the reading is not: its own believes the counts of
// relocations and symbols, which a program has none of and a hostile one 65535 in
// each of 65535 sections.
func Read(file io.ReaderAt, size int64) (*Program, error) {
	p := &Program{file: file}
	if err := p.readHeaders(size); err != nil {
		return nil, err
	}
	if err := p.readSBAT(); err != nil {
		return nil, err
	}
	digest, err := p.digest(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	p.Digest = [32]byte(digest)
	p.Signatures, err = p.readSignatures()
	return p, err
}

func (p *Program) readHeaders(size int64) error {
	dos := make([]byte, 64)
	if err := p.fill(dos, 0, size); err != nil || dos[0] != 'M' || dos[1] != 'Z' {
		return fmt.Errorf("%w: it does not begin with MZ", ErrNoProgram)
	}
	at := int64(binary.LittleEndian.Uint32(dos[60:]))
	signature := make([]byte, 4)
	if err := p.fill(signature, at, size); err != nil || string(signature) != "PE\x00\x00" {
		return fmt.Errorf("%w: there is no PE header at %d", ErrNoProgram, at)
	}
	at += 4
	var header pe.FileHeader
	if err := p.structure(&header, at, size); err != nil {
		return fmt.Errorf("PE header: %w", err)
	}
	p.Machine = machines[header.Machine]
	if p.Machine == "" {
		p.Machine = fmt.Sprintf("machine %#x", header.Machine)
	}
	at += int64(binary.Size(header))
	magic := make([]byte, 2)
	if err := p.fill(magic, at, size); err != nil {
		return fmt.Errorf("optional header: %w", err)
	}
	var subsystem uint16
	var headers, directories uint32
	var firstDirectory int64
	switch binary.LittleEndian.Uint16(magic) {
	case 0x10b:
		var o pe.OptionalHeader32
		if err := p.structure(&o, at, size); err != nil {
			return fmt.Errorf("optional header: %w", err)
		}
		subsystem, headers, directories, firstDirectory = o.Subsystem, o.SizeOfHeaders, o.NumberOfRvaAndSizes, at+96
	case 0x20b:
		var o pe.OptionalHeader64
		if err := p.structure(&o, at, size); err != nil {
			return fmt.Errorf("optional header: %w", err)
		}
		subsystem, headers, directories, firstDirectory = o.Subsystem, o.SizeOfHeaders, o.NumberOfRvaAndSizes, at+112
	default:
		return fmt.Errorf("optional header: want PE32 or PE32+, found %#x", binary.LittleEndian.Uint16(magic))
	}
	p.Subsystem = subsystems[subsystem]
	if p.Subsystem == "" {
		return fmt.Errorf("%w: it is for another system (PE subsystem %d)", ErrNoProgram, subsystem)
	}
	p.layout = layout{size: size, headers: int64(headers), checksum: at + 64}
	end := p.layout.checksum + 4
	if directories > pe.IMAGE_DIRECTORY_ENTRY_SECURITY && int(header.SizeOfOptionalHeader) >= int(firstDirectory-at)+8*(pe.IMAGE_DIRECTORY_ENTRY_SECURITY+1) {
		p.layout.directory = firstDirectory + 8*pe.IMAGE_DIRECTORY_ENTRY_SECURITY
		end = p.layout.directory + 8
		var d pe.DataDirectory
		if err := p.structure(&d, p.layout.directory, size); err != nil {
			return fmt.Errorf("optional header: %w", err)
		}
		// Unlike the others it has no address in memory, but an offset in the file.
		p.layout.signed = extent{int64(d.VirtualAddress), int64(d.Size)}
		if d.Size > 0 && p.layout.signed.offset+p.layout.signed.size > size {
			return fmt.Errorf("the signatures end at byte %d, the file at %d: it is cut short", p.layout.signed.offset+p.layout.signed.size, size)
		}
	}
	switch {
	case p.layout.headers < end || p.layout.headers > size:
		return fmt.Errorf("its headers end at byte %d, the file at %d", p.layout.headers, size)
	case p.layout.headers > maxHeaders:
		return fmt.Errorf("its headers have %d bytes; none has more than %d", p.layout.headers, maxHeaders)
	}
	names := int64(header.PointerToSymbolTable) + int64(header.NumberOfSymbols)*pe.COFFSymbolSize
	return p.readSections(at+int64(header.SizeOfOptionalHeader), int(header.NumberOfSections), names)
}

func (p *Program) readSections(at int64, n int, names int64) error {
	if n > maxSections {
		return fmt.Errorf("it has %d sections; firmware loads no more than %d", n, maxSections)
	}
	for range n {
		var h pe.SectionHeader32
		if err := p.structure(&h, at, p.layout.size); err != nil {
			return fmt.Errorf("section table: %w", err)
		}
		at += int64(binary.Size(h))
		s := Section{Name: p.name(h.Name, names), Offset: int64(h.PointerToRawData), Size: int64(h.SizeOfRawData), stored: int64(h.SizeOfRawData)}
		if end := s.Offset + s.stored; s.stored > 0 && end > p.layout.size {
			return fmt.Errorf("section %s ends at byte %d, the file at %d: it is cut short", s.Name, end, p.layout.size)
		}
		if h.VirtualSize > 0 { // 0 is what old linkers write
			s.Size = min(s.Size, int64(h.VirtualSize))
		}
		p.Sections = append(p.Sections, s)
	}
	return nil
}

// name is a section's. One of more than eight bytes, such as .vendor_cert, is a slash
// and its place in the table of strings.
func (p *Program) name(field [8]uint8, table int64) string {
	raw, _, _ := bytes.Cut(field[:], []byte{0})
	if place, ok := strings.CutPrefix(string(raw), "/"); ok {
		if at, err := strconv.ParseUint(place, 10, 31); err == nil && table+int64(at) < p.layout.size {
			long := make([]byte, min(maxName, p.layout.size-table-int64(at)))
			if err := p.fill(long, table+int64(at), p.layout.size); err == nil {
				raw, _, _ = bytes.Cut(long, []byte{0})
			}
		}
	}
	return plain(string(raw))
}

// Section is the program's first section of that name, or false.
func (p *Program) Section(name string) (*io.SectionReader, bool) {
	for _, s := range p.Sections {
		if s.Name == name {
			return io.NewSectionReader(p.file, s.Offset, s.Size), true
		}
	}
	return nil, false
}

// Text is what a section of text has, such as .cmdline or .osrel, or "" where there
// is none. One of more than limit bytes is an error.
func (p *Program) Text(name string, limit int64) (string, error) {
	text, err := p.bytes(name, limit)
	return strings.TrimRight(string(text), "\x00"), err
}

// bytes is what a section has, nil where there is none.
func (p *Program) bytes(name string, limit int64) ([]byte, error) {
	s, ok := p.Section(name)
	if !ok {
		return nil, nil
	}
	if s.Size() > limit {
		return nil, fmt.Errorf("section %s has %d bytes; want no more than %d", name, s.Size(), limit)
	}
	raw := make([]byte, s.Size())
	if _, err := io.ReadFull(s, raw); err != nil {
		return nil, fmt.Errorf("section %s: %w", name, err)
	}
	return raw, nil
}

// Unified says whether it is a unified kernel image: a kernel with what it needs to
// boot, in one file.
func (p *Program) Unified() bool {
	_, ok := p.Section(".linux")
	return ok
}

func (p *Program) structure(to any, at, size int64) error {
	raw := make([]byte, binary.Size(to))
	if err := p.fill(raw, at, size); err != nil {
		return err
	}
	_, err := binary.Decode(raw, binary.LittleEndian, to)
	return err
}

func (p *Program) fill(to []byte, at, size int64) error {
	if at+int64(len(to)) > size {
		return fmt.Errorf("it ends at byte %d, the file at %d: it is cut short", at+int64(len(to)), size)
	}
	if _, err := p.file.ReadAt(to, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
