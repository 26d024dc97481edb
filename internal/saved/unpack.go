package saved

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// Head is how much of a file tells what it is.
	Head = 64 << 10
	// maxUnpacked bounds what comes out of a packed file: boots are a few MB,
	// and a bomb must end some time.
	maxUnpacked = 1 << 30
	// maxWindow is how far a packer may look back. xz -9 and zstd --ultra -22
	// need 64 and 128 MiB; only what a file fills of it is touched.
	maxWindow = 128 << 20
	// gzipMagic is gzip's, with the one way to compress that there is.
	gzipMagic = "\x1f\x8b\x08"
)

// Unpack is what r holds, unpacked if its beginning is that of a packed file
// (gzip, xz, zstd), and in UTF-8 if it was in UTF-16. Its first [Head] bytes can be peeked at.
func Unpack(r io.Reader) (*bufio.Reader, error) { return unpack(r, maxUnpacked) }

func unpack(r io.Reader, most int64) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, Head)
	start, err := in.Peek(Head)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var kind string
	var open func(io.Reader) (io.Reader, error)
	switch {
	case bytes.HasPrefix(start, []byte(gzipMagic)):
		kind, open = "gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	case bytes.HasPrefix(start, []byte(xzMagic)):
		kind, open = "xz", newXZ
	case bytes.HasPrefix(start, []byte("\x28\xb5\x2f\xfd")):
		kind, open = "zstd", func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		}
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return nil, errors.New("this is a zip archive: unpack it, and name the console in it")
	case isUTF16(start):
		return bufio.NewReaderSize(&utf16Reader{in: in, big: start[0] == 0xfe}, Head), nil
	default:
		return in, nil
	}
	unpacked, err := open(in)
	if err != nil {
		return nil, fmt.Errorf("this begins like a %s file, and is none or a damaged one (%w): get it anew", kind, err)
	}
	return bufio.NewReaderSize(&bounded{in: unpacked, kind: kind, most: most, left: most}, Head), nil
}

// bounded reads an unpacked file and says in its errors which packer's it is.
type bounded struct {
	in         io.Reader
	kind       string
	most, left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than %d MiB come out of this %s file; only the first were read", b.most>>20, b.kind)
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the %s file was cut short; what is in front of the cut was read", b.kind)
	default:
		err = fmt.Errorf("the %s file is damaged (%w); what is in front of the damage was read", b.kind, err)
	}
	return n, err
}

// IsText is false of the beginning of a file that is no console, packed or not.
func IsText(start []byte) bool {
	odd := 0
	for _, b := range start {
		if b < 0x20 && !bytes.ContainsRune([]byte("\t\n\r\b\a\x1b\x0e\x0f"), rune(b)) || b == 0x7f {
			odd++
		}
	}
	// A UART's noise at a reset is some bytes; an executable's zeros are many.
	return len(start) > 0 && odd*10 <= len(start)
}
