package initrd

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

var errXZ = errors.New("malformed")

// xzReader reads one stream of the format (xz-file-format.txt, version 1.1),
// as XZ Embedded does. The library's own reader of it makes a dictionary of as
// many bytes as a block claims, up to 4 GiB.
type xzReader struct {
	u      *unpacker
	in     byteCounter
	size   int       // of a block's checksum
	sum    hash.Hash // nil where it is of no known kind
	block  io.Reader
	blocks uint64
}

// byteCounter counts what a block takes, since that is padded.
type byteCounter struct {
	*input
	n int64
}

func (c *byteCounter) Read(p []byte) (int, error) {
	n, err := c.input.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *byteCounter) ReadByte() (byte, error) {
	b, err := c.input.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func openXZ(u *unpacker) (io.Reader, error) {
	x := &xzReader{u: u, in: byteCounter{input: u.in}}
	var head [12]byte
	if err := u.in.full(head[:]); err != nil {
		return nil, err
	}
	if string(head[:7]) != "\xfd7zXZ\x00\x00" || head[7] > 15 || crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, errXZ
	}
	x.size = [...]int{0, 4, 8, 16, 32, 64}[(int(head[7])+2)/3]
	switch head[7] {
	case 1:
		x.sum = crc32.NewIEEE()
	case 4:
		x.sum = crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		x.sum = sha256.New()
	}
	if head[7] > 1 {
		// Documentation/staging/xz.rst
		u.member.Refused = "it is xz with another checksum than CRC32, and the kernel reads no other (xz --check=crc32)"
	}
	return x, nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.block.Read(p)
		if x.sum != nil {
			x.sum.Write(p[:n])
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			x.block, err = nil, x.check()
		}
		if n > 0 || err != nil {
			return n, whole(err)
		}
	}
}

// check reads what follows a block: it is padded to four bytes.
func (x *xzReader) check() error {
	b := make([]byte, int(-x.in.n&3)+x.size)
	if err := x.in.full(b); err != nil {
		return err
	}
	if x.sum == nil {
		return nil
	}
	want, got := b[len(b)-x.size:], x.sum.Sum(nil)
	if x.size < 32 { // hash's are big-endian
		slices.Reverse(got)
	}
	if !slices.Equal(want, got) {
		return errSum
	}
	x.sum.Reset()
	return nil
}

// next opens the next block. At the stream's end it is io.EOF.
func (x *xzReader) next() error {
	size, err := x.in.input.ReadByte()
	if err != nil {
		return whole(err)
	}
	if size == 0 {
		return x.index()
	}
	header := make([]byte, (int(size)+1)*4)
	header[0] = size
	if err := x.in.full(header[1:]); err != nil {
		return err
	}
	body := header[:len(header)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(header[len(body):]) {
		return fmt.Errorf("a block's header: %w", errSum)
	}
	flags, at := body[1], 2
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit != 0 {
			_, n := binary.Uvarint(body[at:])
			at += max(n, 0)
		}
	}
	// One filter, LZMA2, with one byte of properties: the dictionary's size.
	if flags&3 != 0 || at < len(body) && body[at] != 0x21 {
		return fmt.Errorf("a filter beside LZMA2: %w", errors.ErrUnsupported)
	}
	if at+3 > len(body) || body[at+1] != 1 || body[at+2] > 40 {
		return errXZ
	}
	dictionary := int64(2|body[at+2]&1) << (body[at+2]/2 + 11)
	if err := x.u.window(dictionary); err != nil {
		return err
	}
	x.in.n = 0
	x.blocks++
	x.block, err = lzma.Reader2Config{DictCap: int(max(dictionary, lzma.MinDictCap))}.NewReader2(&x.in)
	return err
}

// index reads what ends a stream.
func (x *xzReader) index() error {
	x.in.n = 1
	records, err := binary.ReadUvarint(&x.in)
	if err == nil && records != x.blocks {
		return errXZ
	}
	for ; err == nil && records > 0; records-- {
		if _, err = binary.ReadUvarint(&x.in); err == nil {
			_, err = binary.ReadUvarint(&x.in)
		}
	}
	if err == nil {
		err = x.in.full(make([]byte, int(-x.in.n&3)+4+12))
	}
	if err != nil {
		return whole(err)
	}
	return io.EOF
}
