package initrd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// unpacker is the state of one reading.
type unpacker struct {
	Config
	ctx  context.Context
	fs   *FS
	in   *input
	size int64

	member  *Member
	file    string // the entry being read
	at      int64  // in the unpacked member
	left    int64  // bytes that may still be unpacked
	kept    int64
	entries int
	names   int64
	steps   int
	links   map[linkKey]*node // of the archive being read
	buf     bytes.Buffer      // a file to inspect

	entryBuf [maxPath + 4]byte // a header, then a name
	zstd     zstdStream
}

func (u *unpacker) stopped(err error) *Stop {
	s := &Stop{File: u.file, At: u.at, Err: err}
	if u.member != nil {
		s.Offset = u.member.Offset
	} else {
		s.Offset = u.in.at()
	}
	return s
}

// other is what an initrd is that is no initramfs, seen by its first bytes.
func (u *unpacker) other() error {
	head, _ := u.in.Peek(2048)
	if len(head) == 0 && u.size == 0 {
		return &OtherError{Kind: "nothing: it is empty"}
	}
	if kind := ramdisk(head); kind != "" {
		return &OtherError{Kind: kind, Ramdisk: true}
	}
	return nil
}

// all is unpack_to_rootfs.
func (u *unpacker) all() (err error) {
	defer func() {
		// The decompressors are not written for hostile data.
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	for {
		b, ok, err := u.in.next()
		switch {
		case err != nil || !ok:
			return err
		case b == 0:
			err = u.in.padding()
		case b == '0' && u.in.at()%4 == 0:
			err = u.plain()
		default:
			err = u.packed()
		}
		if err != nil {
			return err
		}
		u.member = nil
	}
}

func (u *unpacker) begin(compression string) error {
	if len(u.fs.Members) >= maxMembers {
		return fmt.Errorf("more than %d archives: %w", maxMembers, ErrBound)
	}
	u.fs.Members = append(u.fs.Members, Member{Offset: u.in.at(), Compression: compression})
	u.member = &u.fs.Members[len(u.fs.Members)-1]
	return nil
}

// plain reads one archive that is not compressed, to its trailer or as far as
// entries come.
func (u *unpacker) plain() error {
	if err := u.begin(""); err != nil {
		return err
	}
	for m := u.member; ; {
		err := u.entry(u.in)
		m.Packed = u.in.at() - m.Offset
		m.Unpacked = m.Packed
		u.at = m.Unpacked
		if err != nil {
			return err
		}
		if err := u.aligned(u.in); err != nil {
			return err
		}
		if b, ok, err := u.in.next(); err != nil || !ok || b != '0' || m.Trailer {
			return err
		}
	}
}

// aligned goes to the next entry, which is at a multiple of 4.
func (u *unpacker) aligned(in *input) error {
	if err := in.padding(); err != nil {
		return err
	}
	if _, ok, err := in.next(); err != nil || !ok {
		return err
	}
	if in.at()%4 != 0 {
		return fmt.Errorf("broken padding: what follows an entry starts at byte %d, which is no multiple of 4: %w", in.at(), ErrTrailing)
	}
	return nil
}

// packed reads one compressed stream, in which are archives.
func (u *unpacker) packed() error {
	head, _ := u.in.Peek(16)
	m := methodOf(head)
	if m == nil {
		return u.junk(head)
	}
	if err := u.begin(m.name); err != nil {
		return err
	}
	out, err := m.open(u)
	if err == nil {
		err = u.archives(&input{stream: &stream{ctx: u.ctx, r: out, left: &u.left}})
	}
	u.member.Packed = u.in.at() - u.member.Offset
	if err != nil {
		if u.in.section.at >= u.size && u.in.Buffered() == 0 && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
			return fmt.Errorf("cut off in the middle of its %s data: %w", m.name, io.ErrUnexpectedEOF)
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("malformed: " + err.Error())
		}
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// archives reads what a member unpacks to.
func (u *unpacker) archives(in *input) error {
	in.Reader = bufio.NewReaderSize(in.stream, bufferSize)
	head, err := in.Peek(2048)
	if kind := ramdisk(head); kind != "" && len(u.fs.Members) == 1 {
		return &OtherError{Kind: kind, Ramdisk: true, Compression: u.member.Compression}
	}
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for {
		if err := u.aligned(in); err != nil {
			return err
		}
		b, ok, err := in.next()
		u.member.Unpacked, u.at = in.at(), in.at()
		switch {
		case err != nil || !ok:
			return err
		case b != '0':
			head, _ := in.Peek(16)
			if u.member.Entries == 0 && len(u.fs.Members) == 1 {
				return &OtherError{Kind: startOf(head), Compression: u.member.Compression}
			}
			return fmt.Errorf("junk in the archive: %s: %w", startOf(head), ErrTrailing)
		}
		err = u.entry(in)
		u.member.Unpacked, u.at = in.at(), in.at()
		if err != nil {
			return err
		}
	}
}

// junk is what stands where an archive should begin.
func (u *unpacker) junk(head []byte) error {
	says := startOf(head)
	switch {
	case bytes.HasPrefix(head, []byte("\x04\x22\x4d\x18")):
		says = "lz4 frames, where the kernel reads only legacy ones (lz4 -l)"
	case len(head) > 3 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		says = "a skippable zstd frame, which the kernel does not know (pzstd makes them)"
	case len(head) > 0 && head[0] == '0':
		says = fmt.Sprintf("a cpio archive at byte %d, which is no multiple of 4", u.in.at())
	}
	if len(u.fs.Members) == 0 {
		return &OtherError{Kind: says}
	}
	return fmt.Errorf("what follows at byte %d is no archive: %s: %w", u.in.at(), says, ErrTrailing)
}

// startOf describes first bytes.
func startOf(head []byte) string {
	head = head[:min(len(head), 8)]
	return fmt.Sprintf("the bytes % x", head)
}

// ramdisk is the file system that an old initrd is an image of.
func ramdisk(head []byte) string {
	has := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	switch {
	case has(1080, "\x53\xef"):
		return "an ext2 file system"
	case has(0, "hsqs"):
		return "a squashfs"
	case has(0, "-rom1fs-"):
		return "a romfs"
	case has(0, "\x45\x3d\xcd\x28"):
		return "a cramfs"
	case has(1040, "\x7f\x13"), has(1040, "\x8f\x13"), has(1040, "\x68\x24"), has(1040, "\x78\x24"):
		return "a minix file system"
	}
	return ""
}
