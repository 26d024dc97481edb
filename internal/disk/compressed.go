package disk

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow is what a zstd frame may want: what its levels up to 19 do is 8 MiB.
const maxWindow = 16 << 20

var compressors = []struct {
	magic, name string
	open        func(r io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b", "gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"\xfd7zXZ\x00", "xz", openXZ},
	{"\x28\xb5\x2f\xfd", "zstd", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	}},
	{"BZh", "bzip2", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"\x04\x22\x4d\x18", "lz4", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{"\x02\x21\x4c\x18", "lz4 (legacy)", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
}

// compressed tells what is, and what of: its beginning is unpacked.
func compressed(f file, head []byte) (Identity, bool) {
	for _, c := range compressors {
		if !has(head, 0, c.magic) {
			continue
		}
		i := Identity{Format: Compressed, Words: "compressed with " + c.name}
		// More than that does not become one head.
		r, err := c.open(io.NewSectionReader(f, 0, min(f.size, 4<<20)))
		if err != nil {
			return i, true
		}
		if closer, ok := r.(interface{ Close() }); ok { // zstd's
			defer closer.Close()
		}
		inner := make([]byte, headSize)
		n, err := io.ReadFull(r, inner)
		if n == 0 || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return i, true
		}
		of := beginning(inner[:n])
		i.Of = &of
		i.Words += ": " + of.Words
		return i, true
	}
	return Identity{}, false
}

// beginning is what a file is whose first bytes alone are known. What its end or
// its length would tell is not looked for.
func beginning(b []byte) Identity {
	f := file{bytes.NewReader(b), int64(len(b))}
	if has(b, 512, "EFI PART") || has(b, 4096, "EFI PART") {
		return Identity{Format: Raw, Words: "a raw disk image with a GPT"}
	}
	for _, look := range []func(file, []byte) (Identity, bool){container, optical, program} {
		if i, ok := look(f, b); ok {
			i.Refused = "" // said of the whole
			return i
		}
	}
	if i, ok := rawDisk(f, b); ok {
		if i.Format == Raw && !strings.Contains(i.Words, "without") {
			i.Words = "a raw disk image with an MBR"
		}
		return i
	}
	return Identity{Format: Unknown, Words: other(b)}
}

// openXZ reads the first block of an .xz file. The library's own reader of that
// format makes a dictionary of as many bytes as the block claims, up to 4 GiB; the
// beginning of a block needs none that is larger than itself.
func openXZ(r io.Reader) (io.Reader, error) {
	h := make([]byte, 13)
	if _, err := io.ReadFull(r, h); err != nil {
		return nil, err
	}
	header := make([]byte, int(h[12])*4+3)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	// One filter and no lengths, as a stream is written; or lengths before it.
	at := 1
	for _, bit := range []byte{0x40, 0x80} {
		if header[0]&bit != 0 {
			for at < len(header) && header[at]&0x80 != 0 {
				at++
			}
			at++
		}
	}
	if h[12] == 0 || header[0]&3 != 0 || at >= len(header) || header[at] != 0x21 {
		return nil, errors.New("no block of LZMA2 alone")
	}
	return lzma.Reader2Config{DictCap: headSize}.NewReader2(r)
}
