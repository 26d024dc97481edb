package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// Owner is what Linux knows of a file beside what package io/fs asks for.
type Owner struct {
	Inode, UID, GID uint32
	Links           int
	Major, Minor    uint32 // of a device
}

// node is an inode, by one of its names.
type node struct {
	f       *FS
	name    string
	mode    fs.FileMode
	size    int64
	changed time.Time
	flags   uint32
	owner   Owner
	raw     []byte // the inode
}

const (
	flagEncrypted = 0x800
	flagExtents   = 0x80000
	flagInline    = 0x10000000

	maxLink = 4 << 10 // bytes, as Linux has it
)

// types are of an inode's mode, from the fourth hexadecimal digit.
var types = map[uint16]fs.FileMode{
	0x1: fs.ModeNamedPipe, 0x2: fs.ModeDevice | fs.ModeCharDevice, 0x4: fs.ModeDir, 0x6: fs.ModeDevice,
	0x8: 0, 0xa: fs.ModeSymlink, 0xc: fs.ModeSocket,
}

func (f *FS) node(name string, number uint32) (*node, error) {
	if number == 0 || number > f.inodes {
		return nil, fmt.Errorf("inode %d of %d", number, f.inodes)
	}
	fail := func(err error) (*node, error) { return nil, fmt.Errorf("inode %d: %w", number, err) }
	table, err := f.inodeTable(uint64((number - 1) / f.inodesPer))
	if err != nil {
		return fail(err)
	}
	at := int64((number-1)%f.inodesPer) * f.inodeSize
	b, err := f.at(table+uint64(at/f.block), at%f.block, f.inodeSize)
	if err != nil {
		return fail(err)
	}
	le := binary.LittleEndian
	mode := le.Uint16(b)
	typ, ok := types[mode>>12]
	if !ok {
		return fail(fmt.Errorf("is free, or of no known type: its mode is %#o", mode))
	}
	n := &node{
		f: f, name: name, mode: typ | fs.FileMode(mode&0o777), flags: le.Uint32(b[0x20:]), raw: b,
		size:    int64(le.Uint32(b[4:])) | int64(le.Uint32(b[0x6c:]))<<32,
		changed: time.Unix(int64(int32(le.Uint32(b[0x10:]))), 0).UTC(),
		owner: Owner{
			Inode: number, Links: int(le.Uint16(b[0x1a:])),
			UID: uint32(le.Uint16(b[2:])) | uint32(le.Uint16(b[0x78:]))<<16,
			GID: uint32(le.Uint16(b[0x18:])) | uint32(le.Uint16(b[0x7a:]))<<16,
		},
	}
	for bit, m := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			n.mode |= m
		}
	}
	if len(b) > 128 && le.Uint16(b[0x80:]) >= 0x8c-0x80 {
		extra := int64(le.Uint32(b[0x88:])) // two bits of seconds, then nanoseconds
		n.changed = time.Unix(n.changed.Unix()+extra&3<<32, extra>>2).UTC()
	}
	switch {
	case typ&fs.ModeDevice != 0:
		n.size = 0
		if old := le.Uint32(b[0x28:]); old != 0 {
			n.owner.Major, n.owner.Minor = old>>8&0xff, old&0xff
		} else {
			d := le.Uint32(b[0x2c:])
			n.owner.Major, n.owner.Minor = d>>8&0xfff, d&0xff|d>>12&0xfff00
		}
	case n.size < 0 || n.size > f.block<<32:
		return fail(fmt.Errorf("claims %d bytes", uint64(n.size)))
	}
	return n, nil
}

func (n *node) Name() string       { return n.name }
func (n *node) Size() int64        { return n.size }
func (n *node) Mode() fs.FileMode  { return n.mode }
func (n *node) ModTime() time.Time { return n.changed }
func (n *node) IsDir() bool        { return n.mode.IsDir() }
func (n *node) ID() uint64         { return uint64(n.owner.Inode) }
func (n *node) Sys() any           { o := n.owner; return &o }

func (n *node) fail(err error) error { return fmt.Errorf("ext4: inode %d: %w", n.owner.Inode, err) }

// Content is a file's.
func (n *node) Content() (io.ReaderAt, error) {
	c, err := n.content()
	if err != nil {
		return nil, n.fail(err)
	}
	return c, nil
}

func (n *node) content() (io.ReaderAt, error) {
	switch {
	case n.flags&flagEncrypted != 0:
		return nil, fmt.Errorf("is encrypted: %w", errors.ErrUnsupported)
	case n.flags&flagInline != 0:
		data, err := n.inline()
		if err != nil {
			return nil, err
		}
		if n.size > int64(len(data)) {
			return nil, fmt.Errorf("claims %d bytes, and has %d", n.size, len(data))
		}
		return bytes.NewReader(data[:n.size]), nil
	}
	runs, err := n.runs()
	if err != nil {
		return nil, err
	}
	return &content{f: n.f, runs: runs, size: n.size}, nil
}

// Target is where a symbolic link leads; a short one stands in the inode.
func (n *node) Target() (string, error) {
	if n.mode.Type() != fs.ModeSymlink {
		return "", n.fail(errors.New("is not a symbolic link"))
	}
	if n.size > maxLink {
		return "", n.fail(fmt.Errorf("a link of %d bytes", n.size))
	}
	b := make([]byte, n.size)
	if n.size < 60 && n.flags&(flagExtents|flagInline|flagEncrypted) == 0 {
		copy(b, n.raw[0x28:])
	} else {
		c, err := n.content()
		if err != nil {
			return "", n.fail(err)
		}
		if got, err := c.ReadAt(b, 0); got < len(b) {
			return "", n.fail(err)
		}
	}
	target, _, _ := strings.Cut(string(b), "\x00")
	return target, nil
}

// inline is data that stands in the inode: where its map would be, and in the
// attribute system.data. The place of that one is told from the first entry on.
func (n *node) inline() ([]byte, error) {
	data := bytes.Clone(n.raw[0x28 : 0x28+60])
	le := binary.LittleEndian
	if len(n.raw) <= 128+4 {
		return data, nil
	}
	at := 0x80 + int(le.Uint16(n.raw[0x80:]))
	if at > len(n.raw)-4 || le.Uint32(n.raw[at:]) != 0xea020000 {
		return data, nil
	}
	values := n.raw[at+4:]
	for e := values; len(e) >= 16 && le.Uint32(e) != 0; {
		length := 16 + (int(e[0])+3)&^3
		if length > len(e) {
			break
		}
		if e[1] == 7 && string(e[16:16+int(e[0])]) == "data" && le.Uint32(e[4:]) == 0 {
			from, size := int(le.Uint16(e[2:])), int64(le.Uint32(e[8:]))
			if from > len(values) || size > int64(len(values)-from) {
				return nil, fmt.Errorf("inline data of %d bytes at byte %d of %d", size, from, len(values))
			}
			return append(data, values[from:from+int(size)]...), nil
		}
		e = e[length:]
	}
	return data, nil
}
