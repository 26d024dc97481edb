package iso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// elfProgram is what a program or library needs to be loaded.
type elfProgram struct {
	arch        string // as elfArch has it
	interpreter string // "" where it needs none
	needed      []string
	rpath       []string // DT_RPATH
	runpath     []string
	fault       error // it is cut off, or malformed
}

const (
	maxSegments = 128
	maxNeeded   = 256
)

var errELF = errors.New("a malformed ELF program")

// readELF reads a whole ELF file by its program headers, as what loads it does.
func readELF(data []byte) *elfProgram {
	p := &elfProgram{}
	if p.arch, p.fault = elfArch(data); p.fault == nil {
		p.fault = p.read(data)
	}
	return p
}

// elfSegment is a program header.
type elfSegment struct {
	kind               uint32
	offset, addr, size uint64
}

func (p *elfProgram) read(data []byte) error {
	wide := data[4] == 2
	if len(data) < 64 || data[5] != 1 {
		return errELF
	}
	le := binary.LittleEndian
	at, step, count := uint64(le.Uint32(data[28:])), uint64(32), le.Uint16(data[44:])
	if wide {
		at, step, count = le.Uint64(data[32:]), 56, le.Uint16(data[56:])
	}
	if count > maxSegments {
		return fmt.Errorf("%w: %d segments", errELF, count)
	}
	var segments []elfSegment
	for range count {
		h, err := part(data, at, step)
		if err != nil {
			return err
		}
		at += step
		s := elfSegment{le.Uint32(h), uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[8:])), uint64(le.Uint32(h[16:]))}
		if wide {
			s.offset, s.addr, s.size = le.Uint64(h[8:]), le.Uint64(h[16:]), le.Uint64(h[32:])
		}
		segments = append(segments, s)
	}
	for _, s := range segments {
		if s.kind > 3 || s.kind == 0 {
			continue // neither loaded, nor dynamic, nor an interpreter
		}
		content, err := part(data, s.offset, s.size)
		switch {
		case err != nil:
			return err
		case s.kind == 3:
			p.interpreter = cString(content)
		case s.kind == 2:
			if err := p.dynamic(data, segments, content, wide); err != nil {
				return err
			}
		}
	}
	return nil
}

// dynamic reads the list of what a program needs.
func (p *elfProgram) dynamic(data []byte, segments []elfSegment, list []byte, wide bool) error {
	le := binary.LittleEndian
	var strtab, size uint64
	var needed []uint64
	var rpath, runpath uint64 // 0 where there is none: a table begins with a NUL
	step := 8
	if wide {
		step = 16
	}
	for ; len(list) >= step; list = list[step:] {
		tag, value := uint64(le.Uint32(list)), uint64(le.Uint32(list[4:]))
		if wide {
			tag, value = le.Uint64(list), le.Uint64(list[8:])
		}
		if tag == 0 {
			break
		}
		switch tag {
		case 1:
			needed = append(needed, value)
		case 5:
			strtab = value
		case 10:
			size = value
		case 15:
			rpath = value
		case 29:
			runpath = value
		}
		if len(needed) > maxNeeded {
			return fmt.Errorf("%w: it needs more than %d libraries", errELF, maxNeeded)
		}
	}
	if len(needed) == 0 {
		return nil
	}
	for _, s := range segments {
		if s.kind != 1 || strtab < s.addr || strtab-s.addr >= s.size {
			continue
		}
		names, err := part(data, s.offset+strtab-s.addr, size)
		if err != nil {
			return err
		}
		name := func(at uint64) string {
			if at >= uint64(len(names)) {
				return ""
			}
			return cString(names[at:])
		}
		for _, at := range needed {
			p.needed = append(p.needed, name(at))
		}
		if rpath != 0 {
			p.rpath = strings.Split(name(rpath), ":")
		}
		if runpath != 0 {
			p.runpath = strings.Split(name(runpath), ":")
		}
		return nil
	}
	return fmt.Errorf("%w: its names are in no segment", errELF)
}

// part is size bytes of a file.
func part(data []byte, at, size uint64) ([]byte, error) {
	if at > uint64(len(data)) || size > uint64(len(data))-at {
		return nil, fmt.Errorf("%w: %d bytes wanted at byte %d of %d", errELF, size, at, len(data))
	}
	return data[at : at+size], nil
}

// cString is the bytes up to a NUL, of a path's length at most.
func cString(b []byte) string {
	b = b[:min(len(b), maxPath)]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
