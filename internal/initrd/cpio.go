package initrd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	cpioHeader = 110
	maxBase    = 255
	trailer    = "TRAILER!!!"
)

// Types of entries, in a mode.
const (
	typeMask = 0o170000
	typeFIFO = 0o010000
	typeChar = 0o020000
	typeDir  = 0o040000
	typeBlk  = 0o060000
	typeFile = 0o100000
	typeLink = 0o120000
	typeSock = 0o140000
)

// header is an entry's.
type header struct {
	ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, name, sum uint32

	summed bool
}

func (h *header) kind() uint32 { return h.mode & typeMask }

// hex reads digits as the kernel does, up to the first that is none.
func hex(digits []byte) (n uint32) {
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint32(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | uint32(c|0x20-'a'+10)
		default:
			return n
		}
	}
	return n
}

func parseHeader(b []byte) (*header, error) {
	h := &header{}
	switch string(b[:6]) {
	case "070701":
	case "070702":
		h.summed = true
	case "070707":
		return nil, errors.New("a cpio archive of the old portable format (odc), where the kernel reads newc only (cpio -H newc)")
	default:
		return nil, fmt.Errorf("no cpio entry: %s", startOf(b))
	}
	for i, field := range []*uint32{&h.ino, &h.mode, &h.uid, &h.gid, &h.nlink, &h.mtime, &h.size, &h.major, &h.minor, &h.rmajor, &h.rminor, &h.name, &h.sum} {
		*field = hex(b[6+8*i : 14+8*i])
	}
	return h, nil
}

// entry reads one entry with its content.
func (u *unpacker) entry(in *input) error {
	u.file = ""
	start := in.at()
	b := u.entryBuf[:cpioHeader]
	if err := in.full(b); err != nil {
		return cut("an entry's header", err)
	}
	h, err := parseHeader(b)
	if err != nil {
		if u.member.Entries == 0 && len(u.fs.Members) == 1 && start == u.member.Offset {
			return &OtherError{Kind: err.Error()}
		}
		return err
	}
	if u.entries++; u.entries > maxEntries {
		return fmt.Errorf("more than %d entries: %w", maxEntries, ErrBound)
	}
	named := (cpioHeader + int64(h.name) + 3) &^ 3
	end := start + (named+int64(h.size)+3)&^3
	if h.name == 0 || h.name > maxPath {
		u.member.Entries++
		return cut("an entry without a name", in.skip(end-in.at()))
	}
	raw := u.entryBuf[:named-cpioHeader]
	if err := in.full(raw); err != nil {
		return cut("an entry's name", err)
	}
	raw = raw[:h.name]
	if raw[len(raw)-1] != 0 {
		return errors.New("an entry's name has no end")
	}
	raw = raw[:bytes.IndexByte(raw, 0)]
	name := strings.ToValidUTF8(string(raw), "\uFFFD")
	if name == trailer {
		u.links = nil
		u.member.Trailer = true
		return u.rest(in, end)
	}
	u.file = path.Clean("/" + name)[1:]
	u.member.Trailer = false
	if u.member.Entries++; u.member.Entries == 1 {
		u.member.First = path.Clean(name)
	}
	if u.names += int64(len(name)); u.names > maxNames {
		return fmt.Errorf("names of more than %d MiB: %w", maxNames>>20, ErrBound)
	}
	switch {
	case h.kind() == typeLink:
		err = u.link(in, h, name)
	case h.kind() != typeFile && h.size > 0:
		// The kernel goes over these.
	default:
		err = u.make(in, h, name)
	}
	if err != nil {
		return err
	}
	if err := u.rest(in, end); err != nil {
		return err
	}
	u.file = ""
	return nil
}

// rest goes to an entry's end. The padding of the last may be missing.
func (u *unpacker) rest(in *input, end int64) error {
	left := end - in.at()
	err := in.skip(left)
	if left < 4 && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return cut("its content", err)
}

func (u *unpacker) link(in *input, h *header, name string) error {
	if h.size > maxPath {
		return nil
	}
	target := make([]byte, h.size)
	if err := in.full(target); err != nil {
		return cut("a link's target", err)
	}
	if i := bytes.IndexByte(target, 0); i >= 0 {
		target = target[:i]
	}
	if u.names += int64(len(target)); u.names > maxNames {
		return fmt.Errorf("names of more than %d MiB: %w", maxNames>>20, ErrBound)
	}
	n := newNode(h)
	n.target = string(target)
	_, err := u.put(name, n, true)
	return err
}

// make makes a file, folder or device, and reads a file's content.
func (u *unpacker) make(in *input, h *header, name string) error {
	key := linkKey{h.major, h.minor, h.ino, h.kind()}
	hard := h.nlink >= 2 && h.kind() != typeDir
	if old := u.links[key]; hard && old != nil {
		if n, err := u.put(name, old, true); err != nil || n == nil || h.size == 0 {
			return err
		}
		return u.content(in, h, old) // the last name has it
	}
	n, err := u.put(name, newNode(h), false)
	if err != nil || n == nil {
		return err
	}
	if hard {
		if u.links == nil {
			u.links = map[linkKey]*node{}
		}
		u.links[key] = n
	}
	if h.kind() != typeFile {
		return nil
	}
	return u.content(in, h, n)
}

// content reads what a file holds.
func (u *unpacker) content(in *input, h *header, n *node) error {
	size := int64(h.size)
	u.forget(n)
	n.size, n.seen = size, nil
	keep := int64(defaultKeep)
	if u.Keep != nil {
		keep = u.Keep(u.file, size)
	}
	keep = max(min(keep, size), 0)
	inspected := u.Inspect != nil && size <= maxInspect
	read := keep
	if inspected {
		read = size
	}
	u.buf.Reset()
	_, err := io.CopyN(&u.buf, in, read)
	data := u.buf.Bytes()
	if keep = min(keep, int64(len(data))); u.kept+keep <= maxKept {
		n.data = bytes.Clone(data[:keep])
		u.kept += keep
	}
	if err != nil {
		return cut("its content", whole(err))
	}
	if inspected {
		n.seen = u.Inspect(u.file, data)
	}
	if h.summed {
		return u.sum(in, h, data)
	}
	return nil
}

var errSum = errors.New("its checksum is wrong")

// sum compares a crc archive's checksum, of the first bytes and the rest.
func (u *unpacker) sum(in *input, h *header, data []byte) error {
	var sum uint32
	left := int64(h.size) - int64(len(data))
	for {
		for _, c := range data {
			sum += uint32(c)
		}
		if left == 0 {
			break
		}
		if _, _, err := in.next(); err != nil {
			return err
		}
		data, _ = in.Peek(int(min(left, int64(in.Buffered()))))
		if len(data) == 0 {
			return cut("its content", io.ErrUnexpectedEOF)
		}
		left -= int64(len(data))
		_, _ = in.Discard(len(data)) // stays until the next read
	}
	if sum != h.sum {
		return errSum
	}
	return nil
}

// cut says what an end was in the middle of.
func cut(what string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut off in %s: %w", what, err)
	}
	return err
}
