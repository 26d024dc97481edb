package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf16"
)

// maxFolder bounds a folder, as the specification does.
const maxFolder = 2 << 20

// node is a file or a folder, and the entry that leads to it.
type node struct {
	f           *FS
	name, alias string // alias is the short name
	folder, top bool
	first       uint32
	size        uint32
	changed     time.Time
}

func (n node) Name() string               { return n.name }
func (n node) Size() int64                { return int64(n.size) }
func (n node) ModTime() time.Time         { return n.changed }
func (n node) IsDir() bool                { return n.folder }
func (n node) Sys() any                   { return nil }
func (n node) Type() fs.FileMode          { return n.Mode().Type() }
func (n node) Info() (fs.FileInfo, error) { return n, nil }
func (n node) Target() (string, error)    { return "", errors.New("FAT has no links") }
func (n node) String() string             { return fs.FormatDirEntry(n) }

// ID is the first cluster: that of a root which has none is 0.
func (n node) ID() uint64 { return uint64(n.first) }

func (n node) Mode() fs.FileMode {
	if n.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (n node) Content() (io.ReaderAt, error) {
	c := &content{f: n.f, size: int64(n.size)}
	if n.size == 0 {
		return c, nil
	}
	want := (c.size + n.f.cluster - 1) / n.f.cluster
	if want > int64(n.f.clusters) {
		return nil, fmt.Errorf("fat: a file claims %d bytes of a file system of %d", n.size, n.f.Size)
	}
	var err error
	if c.runs, err = n.f.chain(n.first, want, want); err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	return c, nil
}

func (n node) Entries() ([]fs.DirEntry, error) {
	l, err := n.f.list(n)
	if err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	return l.entries, nil
}

type listing struct {
	entries []fs.DirEntry
	label   string
}

func (f *FS) list(n node) (listing, error) {
	var b []byte
	if n.top && f.Bits != 32 {
		b = make([]byte, f.slots*32)
		if err := f.readAt(b, f.root); err != nil {
			return listing{}, err
		}
	} else {
		runs, err := f.chain(n.first, -1, max(1, maxFolder/f.cluster))
		if err != nil {
			return listing{}, err
		}
		last := runs[len(runs)-1]
		b = make([]byte, (last.before+int64(last.count))*f.cluster)
		if _, err := (&content{f: f, runs: runs, size: int64(len(b))}).ReadAt(b, 0); err != nil {
			return listing{}, err
		}
	}
	var l listing
	var long longName
	for ; len(b) >= 32 && b[0] != 0; b = b[32:] {
		e := b[:32]
		switch attributes := e[11]; {
		case e[0] == 0xe5: // was removed
			long = longName{}
		case attributes&0x3f == 0x0f:
			long.add(e)
		case attributes&0x08 != 0:
			if n.top && l.label == "" {
				l.label = text(e[:11])
			}
			long = longName{}
		default:
			short := shortName(e)
			if short != "." && short != ".." {
				l.entries = append(l.entries, f.entry(e, long.name(e, short), short))
			}
			long = longName{}
		}
	}
	return l, nil
}

func (f *FS) entry(e []byte, name, short string) node {
	le := binary.LittleEndian
	n := node{
		f: f, name: name, alias: short, folder: e[11]&0x10 != 0,
		first: uint32(le.Uint16(e[26:])), size: le.Uint32(e[28:]), changed: moment(le.Uint16(e[24:]), le.Uint16(e[22:])),
	}
	if f.Bits == 32 {
		n.first |= uint32(le.Uint16(e[20:])&0x0fff) << 16
	}
	if n.folder {
		n.size = 0
	}
	return n
}

// shortName is the name in a slot, in small letters where it says so.
func shortName(e []byte) string {
	head := append([]byte{}, e[:8]...)
	if head[0] == 0x05 { // stands for the mark of what was removed
		head[0] = 0xe5
	}
	base, end := text(head), text(e[8:11])
	if e[12]&0x08 != 0 {
		base = strings.ToLower(base)
	}
	if e[12]&0x10 != 0 {
		end = strings.ToLower(end)
	}
	if end != "" {
		return base + "." + end
	}
	return base
}

// longName is put together of the slots before the short name's, last part first.
type longName struct {
	parts [][]byte
	next  byte // the number of the part that is awaited
	sum   byte
}

func (l *longName) add(e []byte) {
	number := e[0] &^ 0x40
	if e[0]&0x40 != 0 && number >= 1 && number <= 20 {
		*l = longName{next: number, sum: e[13]}
	}
	if l.next == 0 || number != l.next || e[13] != l.sum {
		*l = longName{}
		return
	}
	l.next--
	l.parts = append(l.parts, e)
}

// name is the long one where its parts are all there and belong to the short one.
func (l *longName) name(e []byte, short string) string {
	var sum byte
	for _, c := range e[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	if len(l.parts) == 0 || l.next != 0 || sum != l.sum {
		return short
	}
	var units []uint16
	for i := len(l.parts) - 1; i >= 0; i-- {
		p := l.parts[i]
		for _, span := range [][]byte{p[1:11], p[14:26], p[28:32]} {
			for ; len(span) > 0; span = span[2:] {
				u := binary.LittleEndian.Uint16(span)
				if u == 0 {
					return string(utf16.Decode(units))
				}
				units = append(units, u)
			}
		}
	}
	return string(utf16.Decode(units))
}

// moment is what a date and a time say; FAT knows no zone.
func moment(d, t uint16) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Date(1980+int(d>>9), time.Month(d>>5&15), int(d&31), int(t>>11), int(t>>5&63), int(t&31)*2, 0, time.UTC)
}
