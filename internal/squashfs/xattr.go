package squashfs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	maxAttributes = 64      // of one entry
	maxValue      = 4 << 10 // bytes that are read of one
)

// attributePrefixes are what the names of extended attributes start with, by the
// number that stands for it.
var attributePrefixes = []string{"user.", "trusted.", "security."}

// Attribute is the value of a folder's extended attribute; "" where it has none
// of the name.
func (f *FS) Attribute(e Entry, name string) (string, error) {
	in, err := f.inode(e.ref)
	if err != nil || in.kind != Folder || in.attributes == none || f.attributes < 0 {
		return "", err
	}
	value, err := f.attribute(in.attributes, name)
	if err != nil {
		return "", fmt.Errorf("squashfs: %s: extended attributes: %w", e.Name, err)
	}
	return value, nil
}

func (f *FS) attribute(index uint32, name string) (string, error) {
	le := binary.LittleEndian
	var h [16]byte
	if _, err := f.readAt(h[:], f.attributes); err != nil {
		return "", err
	}
	table, count := int64(le.Uint64(h[:])), le.Uint32(h[8:])
	if index >= count {
		return "", fmt.Errorf("list %d of %d", index, count)
	}
	var p [8]byte
	if _, err := f.readAt(p[:], f.attributes+16+int64(index/512)*8); err != nil {
		return "", err
	}
	s := &stream{f: f, at: int64(le.Uint64(p[:])), skip: int(index%512) * 16, left: 16}
	if err := s.read(h[:]); err != nil {
		return "", err
	}
	ref, entries := le.Uint64(h[:]), le.Uint32(h[8:])
	if entries > maxAttributes {
		return "", fmt.Errorf("%d of them", entries)
	}
	s = f.attributesAt(table, ref)
	for range entries {
		var b [4]byte
		if err := s.read(b[:]); err != nil {
			return "", err
		}
		kind, length := le.Uint16(b[:]), le.Uint16(b[2:])
		if length > maxName {
			return "", fmt.Errorf("a name of %d bytes", length)
		}
		text := make([]byte, length)
		if err := s.read(text); err != nil {
			return "", err
		}
		// The value, or where it stands.
		if err := s.read(b[:]); err != nil {
			return "", err
		}
		size := le.Uint32(b[:])
		if size > maxValue {
			return "", fmt.Errorf("a value of %d bytes", size)
		}
		value := make([]byte, size)
		if err := s.read(value); err != nil {
			return "", err
		}
		if prefix := int(kind & 0xff); prefix >= len(attributePrefixes) || attributePrefixes[prefix]+string(text) != name {
			continue
		}
		if kind&0x100 == 0 {
			return string(value), nil
		}
		if size != 8 {
			return "", errors.New("a value that stands nowhere")
		}
		s = f.attributesAt(table, le.Uint64(value))
		if err := s.read(b[:]); err != nil {
			return "", err
		}
		value = make([]byte, min(le.Uint32(b[:]), maxValue))
		return string(value), s.read(value)
	}
	return "", nil
}

func (f *FS) attributesAt(table int64, ref uint64) *stream {
	return &stream{f: f, at: table + int64(ref>>16), skip: int(ref & 0xffff), left: maxAttributes * (maxName + maxValue)}
}
