// Package initrd reads an initramfs as the Linux kernel unpacks it
// (init/initramfs.c): cpio archives one after the other, each plain or
// compressed, where later entries replace earlier ones and what has no folder
// to be in is lost. It may be hostile: what is unpacked and kept is bounded, and
// no size is believed before its bytes were seen.
package initrd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Config says what is kept of what is read. Only the zero value's bounds are
// those of an initrd that somebody else made.
type Config struct {
	// Keep is how many of a file's first bytes can be read afterwards. The name is
	// the archive's. Nil keeps the first 64.
	Keep func(name string, size int64) int64
	// Inspect is shown the whole of each file of up to 32 MiB, which it must not
	// hold on to; what it returns is in [Sys]. Nil inspects nothing.
	Inspect func(name string, content []byte) any
	// MaxUnpacked bounds the bytes of all that is decompressed; 0 is 2 GiB.
	MaxUnpacked int64
}

const (
	defaultKeep     = 64
	defaultUnpacked = 2 << 30
	// maxKept bounds the bytes kept of all files.
	maxKept    = 64 << 20
	maxInspect = 32 << 20
	// maxEntries bounds the tree; a whole distribution in an initramfs has some
	// 200,000 files, and names of 15 MiB.
	maxEntries = 400_000
	maxNames   = 64 << 20
	// maxMembers is far from the two or three that an initrd has.
	maxMembers = 1000
	// maxSteps bounds the folders that are gone through to find where entries
	// belong: ten for each would be many.
	maxSteps = 20_000_000
	// maxDepth bounds how deep folders are in one another, and maxPath their paths,
	// which through links may become longer than any name.
	maxDepth = 128
	maxPath  = 4096 // bytes, as Linux has it for a name
)

// FS is what the kernel has after unpacking: also /dev, /dev/console and /root,
// which come with it. Its files are safe for concurrent use.
type FS struct {
	Members []Member
	// Stop is where and why reading ended before the end; nil at the end.
	Stop *Stop
	// Lost are the first entries that could not be made, and LostCount is how many
	// there were: their folder is missing, or something else has their name.
	Lost      []string
	LostCount int

	root *node
}

// Member is one cpio archive, or one compressed stream of them.
type Member struct {
	Offset      int64  // in the initrd
	Compression string // gzip, bzip2, lzma, xz, lzo, lz4, zstd; "" where plain
	Packed      int64
	Unpacked    int64
	Entries     int
	First       string // the first entry
	Trailer     bool   // it ends as cpio ends an archive
	// Refused is why the kernel does not unpack it, though it can be read.
	Refused string
}

// Stop is the end of what can be read. Err is an [io.ErrUnexpectedEOF] where
// the initrd is cut off, an [errors.ErrUnsupported] where it may be sound but
// cannot be read here, an [ErrBound] where it is more than is looked at, and a
// context's error, an [ErrTrailing] after whole archives; anything else is a fault
// of the initrd.
type Stop struct {
	Offset int64  // in the initrd, of the member
	At     int64  // in the unpacked member
	File   string // the entry being read; "" between entries
	Err    error
}

func (s *Stop) Error() string {
	where := fmt.Sprintf("the archive at byte %d", s.Offset)
	if s.File != "" {
		where += fmt.Sprintf(", in %s", s.File)
	}
	return fmt.Sprintf("%s: %v", where, s.Err)
}

// Unwrap is the reason.
func (s *Stop) Unwrap() error { return s.Err }

// ErrBound is an initrd that is larger than what is looked at.
var ErrBound = errors.New("more than is looked at of an initrd")

// ErrTrailing is the end of what the kernel unpacks where more follows: it
// complains ("Initramfs unpacking failed"), and goes on with what it has: so does
// Linux 6.1, and starts an /init that was there.
var ErrTrailing = errors.New("the kernel unpacks nothing from there on")

// OtherError is an initrd that is no initramfs.
type OtherError struct {
	Kind        string // an old ramdisk's file system, or what it starts with
	Ramdisk     bool   // the kernel could mount it, if it still has that
	Compression string
}

func (e *OtherError) Error() string {
	packed := ""
	if e.Compression != "" {
		packed = " (" + e.Compression + "-compressed)"
	}
	if e.Ramdisk {
		return fmt.Sprintf("an old ramdisk%s, not an initramfs: it holds %s", packed, e.Kind)
	}
	return fmt.Sprintf("no initramfs%s: it starts with %s", packed, e.Kind)
}

// Read reads the initrd of size bytes. The error is an [OtherError] where it is
// no initramfs; where only its beginning is one, that is the result's Stop.
func Read(ctx context.Context, r io.ReaderAt, size int64, c Config) (*FS, error) {
	if c.MaxUnpacked == 0 {
		c.MaxUnpacked = defaultUnpacked
	}
	u := &unpacker{Config: c, ctx: ctx, fs: &FS{root: newRoot()}, left: c.MaxUnpacked, steps: maxSteps}
	size -= bootConfig(r, size)
	u.size = size
	u.in = newInput(&section{ctx: ctx, r: r, size: size})
	if other := u.other(); other != nil {
		return nil, other
	}
	if err := u.all(); err != nil {
		u.fs.Stop = u.stopped(err)
	}
	if other := (*OtherError)(nil); u.fs.Stop != nil && errors.As(u.fs.Stop.Err, &other) && len(u.fs.Members) < 2 {
		return nil, other
	}
	return u.fs, nil
}

// bootConfig is how many bytes at the initrd's end are the kernel's boot
// configuration (Documentation/admin-guide/bootconfig.rst), which it takes off
// before it unpacks the rest. Boot loaders may have added up to three NULs.
func bootConfig(r io.ReaderAt, size int64) int64 {
	const magic = "#BOOTCONFIG\n"
	tail := make([]byte, min(size, 8+int64(len(magic))+3))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	at := bytes.LastIndex(tail, []byte(magic))
	if at < 8 {
		return 0
	}
	all := int64(binary.LittleEndian.Uint32(tail[at-8:])) + int64(len(tail)-at) + 8
	if all > size {
		return 0
	}
	return all
}
