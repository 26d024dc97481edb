package saved

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

const xzMagic = "\xfd7zXZ\x00"

var errXZ = errors.New("it is no xz of one LZMA2 filter")

// xzReader reads .xz files (their format is xz-file-format.txt's, version 1.1).
// The library's own reader of that format makes a dictionary of as many bytes
// as a block claims, up to 4 GiB. Checksums are not looked at: a console with a
// wrong byte in it still is one.
type xzReader struct {
	in    *bufio.Reader
	count countingReader
	check int // size of a block's checksum
	block io.Reader
}

// countingReader counts what a block takes, since that is padded.
type countingReader struct {
	in *bufio.Reader
	n  int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.in.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func newXZ(r io.Reader) (io.Reader, error) {
	x := &xzReader{in: bufio.NewReader(r)}
	x.count.in = x.in
	return x, x.stream()
}

// stream reads the header of a stream.
func (x *xzReader) stream() error {
	var head [12]byte
	if _, err := io.ReadFull(x.in, head[:]); err != nil {
		return err
	}
	if string(head[:6]) != xzMagic || head[6] != 0 || head[7] > 15 {
		return errXZ
	}
	x.check = [...]int{0, 4, 8, 16, 32, 64}[(int(head[7])+2)/3]
	return nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		for x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.block.Read(p)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			x.block, err = nil, whole(discard(x.in, int(-x.count.n&3)+x.check))
		}
		if n > 0 || err != nil {
			return n, whole(err)
		}
	}
}

// whole is err, where the end of the input is the end of a part.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func discard(in *bufio.Reader, n int) error {
	_, err := in.Discard(n)
	return err
}

// next opens the next block. At the file's end it is io.EOF.
func (x *xzReader) next() error {
	size, err := x.in.ReadByte()
	if err != nil {
		return whole(err)
	}
	if size == 0 {
		return x.index()
	}
	header := make([]byte, (int(size)+1)*4)
	header[0] = size
	if _, err := io.ReadFull(x.in, header[1:]); err != nil {
		return whole(err)
	}
	body := header[:len(header)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(header[len(body):]) {
		return errXZ
	}
	flags, at := body[1], 2
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit != 0 {
			_, n := binary.Uvarint(body[at:])
			at += max(n, 0)
		}
	}
	// One filter, LZMA2, with one byte of properties: the dictionary's size.
	if flags&3 != 0 || at+3 > len(body) || body[at] != 0x21 || body[at+1] != 1 || body[at+2] > 40 {
		return errXZ
	}
	dictionary := int64(2|body[at+2]&1) << (body[at+2]/2 + 11)
	if dictionary > maxWindow {
		return fmt.Errorf("it needs a dictionary of %d MiB; %d are the most", dictionary>>20, maxWindow>>20)
	}
	x.count.n = 0
	x.block, err = lzma.Reader2Config{DictCap: int(dictionary)}.NewReader2(&x.count)
	return err
}

// index reads what ends a stream, and the header of one that follows.
func (x *xzReader) index() error {
	x.count.n = 1
	records, err := binary.ReadUvarint(&x.count)
	for ; err == nil && records > 0; records-- {
		if _, err = binary.ReadUvarint(&x.count); err == nil {
			_, err = binary.ReadUvarint(&x.count)
		}
	}
	if err == nil {
		err = discard(x.in, int(-x.count.n&3)+4+12)
	}
	if err != nil {
		return whole(err)
	}
	for {
		next, err := x.in.Peek(4)
		if len(next) == 0 {
			return io.EOF
		}
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if string(next) != "\x00\x00\x00\x00" {
			return x.stream()
		}
		_ = discard(x.in, 4)
	}
}
