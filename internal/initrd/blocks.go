package initrd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"

	lzo "github.com/anchore/go-lzo"
	"github.com/pierrec/lz4/v4"
)

// blocks reads a stream of blocks that are unpacked one by one. Next is the
// next one, and io.EOF at the end.
type blocks struct {
	next func() ([]byte, error)
	out  []byte
}

func (b *blocks) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		var err error
		if b.out, err = b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}

const (
	lz4Magic = 0x184c2102
	lz4Block = 8 << 20
)

// openLZ4 opens legacy frames (lib/decompress_unlz4.c): they end with the
// initrd, or with a block of no bytes.
func openLZ4(u *unpacker) (io.Reader, error) {
	if err := u.window(2 * lz4Block); err != nil {
		return nil, err
	}
	if head, err := u.in.Peek(4); err != nil || binary.LittleEndian.Uint32(head) != lz4Magic {
		return nil, errors.New("malformed")
	}
	var packed bytes.Buffer
	var out []byte
	return &blocks{next: func() ([]byte, error) {
		for {
			head, err := u.in.Peek(4)
			if len(head) < 4 {
				return nil, err
			}
			size := binary.LittleEndian.Uint32(head)
			if size == 0 {
				return nil, io.EOF
			}
			_, _ = u.in.Discard(4)
			if size == lz4Magic {
				continue
			}
			if int(size) > lz4.CompressBlockBound(lz4Block) {
				return nil, fmt.Errorf("malformed: a block of %d bytes", size)
			}
			packed.Reset()
			if _, err := io.CopyN(&packed, u.in, int64(size)); err != nil {
				return nil, whole(err)
			}
			if out == nil {
				out = make([]byte, lz4Block)
			}
			n, err := lz4.UncompressBlock(packed.Bytes(), out)
			if err != nil {
				return nil, fmt.Errorf("malformed: %w", err)
			}
			return out[:n], nil
		}
	}}, nil
}

// lzoBlock is the largest that lib/decompress_unlzo.c reads.
const lzoBlock = 256 << 10

// openLZO opens what lzop writes.
func openLZO(u *unpacker) (io.Reader, error) {
	flags, err := lzopHeader(u.in)
	if err != nil {
		return nil, err
	}
	packed, out := make([]byte, lzoBlock), make([]byte, lzoBlock)
	word := func() (n uint32, err error) {
		var b [4]byte
		err = u.in.full(b[:])
		return binary.BigEndian.Uint32(b[:]), err
	}
	return &blocks{next: func() ([]byte, error) {
		size, err := word()
		if err != nil {
			return nil, err
		}
		if size == 0 {
			return nil, io.EOF
		}
		from, err := word()
		if err != nil {
			return nil, err
		}
		if size > lzoBlock || from > size || from == 0 {
			return nil, fmt.Errorf("malformed: a block of %d bytes from %d", size, from)
		}
		var adler, crc uint32
		for _, s := range []struct {
			bit  uint32
			to   *uint32
			only bool
		}{{1, &adler, true}, {0x100, &crc, true}, {2, new(uint32), from < size}, {0x200, new(uint32), from < size}} {
			if flags&s.bit != 0 && s.only {
				if *s.to, err = word(); err != nil {
					return nil, err
				}
			}
		}
		if err := u.in.full(packed[:from]); err != nil {
			return nil, err
		}
		data := packed[:from]
		if from < size {
			n, err := lzo.Decompress(packed[:from], out[:size])
			if err == nil && n != int(size) {
				err = fmt.Errorf("%d bytes of %d", n, size)
			}
			if err != nil {
				return nil, fmt.Errorf("malformed: %w", err)
			}
			data = out[:size]
		}
		if flags&1 != 0 && adler32.Checksum(data) != adler || flags&0x100 != 0 && crc32.ChecksumIEEE(data) != crc {
			return nil, errSum
		}
		return data, nil
	}}, nil
}

// lzopHeader reads a file's header, and tells which checksums blocks have.
func lzopHeader(in *input) (flags uint32, err error) {
	var b [9 + 7]byte
	if err := in.full(b[:]); err != nil {
		return 0, err
	}
	if string(b[:9]) != "\x89LZO\x00\r\n\x1a\n" {
		return 0, errors.New("malformed")
	}
	version := binary.BigEndian.Uint16(b[9:])
	rest := 4 + 8
	if version >= 0x940 {
		rest += 1 + 4
	}
	more := make([]byte, rest)
	if err := in.full(more); err != nil {
		return 0, err
	}
	if version >= 0x940 {
		more = more[1:]
	}
	flags = binary.BigEndian.Uint32(more)
	if flags&0x800 != 0 { // a filter's number
		if err := in.skip(4); err != nil {
			return 0, err
		}
	}
	name, err := in.ReadByte()
	if err == nil {
		err = in.skip(int64(name) + 4)
	}
	return flags, whole(err)
}
