package initrd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// entry is one of an archive that a test makes.
type entry struct {
	name   string
	mode   uint32
	body   string
	ino    uint32 // with more than one name
	dev    [2]uint32
	uid    uint32
	sum    bool // crc format
	claims int  // a size that is not the body's
}

func dir(name string) entry                   { return entry{name: name, mode: 0o40755} }
func file(name, body string) entry            { return entry{name: name, mode: 0o100644, body: body} }
func link(name, to string) entry              { return entry{name: name, mode: 0o120777, body: to} }
func program(name, b string) entry            { return entry{name: name, mode: 0o100755, body: b} }
func hard(n string, i uint32, b string) entry { return entry{name: n, mode: 0o100644, ino: i, body: b} }

// archive is a cpio archive with its trailer.
func archive(entries ...entry) []byte {
	return appendEntries(nil, append(entries, entry{name: trailer})...)
}

func appendEntries(out []byte, entries ...entry) []byte {
	for _, e := range entries {
		magic, links, size, sum := "070701", 1, len(e.body), uint32(0)
		if e.sum {
			magic = "070702"
			for _, c := range []byte(e.body) {
				sum += uint32(c)
			}
		}
		if e.ino != 0 {
			links = 2
		}
		if e.claims != 0 {
			size = e.claims
		}
		out = fmt.Appendf(out, "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", magic,
			e.ino, e.mode, e.uid, 0, links, 1700000000, size, 8, 1, e.dev[0], e.dev[1], len(e.name)+1, sum, e.name)
		out = pad(out)
		out = pad(append(out, e.body...))
	}
	return out
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// cat joins parts, each padded to the next multiple of 4.
func cat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(pad(out), p...)
	}
	return out
}

func written(t testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	return written(t, data, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
}

func xzed(t testing.TB, data []byte, check byte) []byte {
	return written(t, data, func(w io.Writer) (io.WriteCloser, error) {
		return xz.WriterConfig{CheckSum: check, BlockSize: 1 << 10, DictCap: 1 << 16}.NewWriter(w)
	})
}

func lz4ed(t testing.TB, data []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, lz4Magic)
	for len(data) > 0 {
		n := min(len(data), 1<<10)
		packed := make([]byte, lz4.CompressBlockBound(n))
		size, err := lz4.CompressBlock(data[:n], packed, nil)
		require.NoError(t, err)
		require.NotZero(t, size)
		out = binary.LittleEndian.AppendUint32(out, uint32(size))
		out = append(out, packed[:size]...)
		data = data[n:]
	}
	return out
}

// lzoed is an lzop file of data, in stored blocks, and of 300 NULs in a
// compressed one: 4 as they are, and the rest as a repetition.
func lzoed(_ testing.TB, data []byte) []byte {
	out := []byte("\x89LZO\x00\r\n\x1a\n\x10\x30\x20\xa0\x09\x40\x03\x05\x00\x00\x00\x01")
	out = append(out, make([]byte, 12)...)
	out = append(out, "\x06initrd\x00\x00\x00\x00"...)
	block := func(data, packed []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
		out = binary.BigEndian.AppendUint32(out, adler32.Checksum(data))
		out = append(out, packed...)
	}
	for ; len(data) > 0; data = data[min(len(data), lzoBlock):] {
		part := data[:min(len(data), lzoBlock)]
		block(part, part)
	}
	block(make([]byte, 300), []byte{17 + 4, 0, 0, 0, 0, 0x20, 0, 296 - 2 - 31 - 255, 0, 0, 0x11, 0, 0})
	return append(out, 0, 0, 0, 0)
}

var compressors = map[string]func(testing.TB, []byte) []byte{
	"gzip": gzipped,
	"xz":   func(t testing.TB, data []byte) []byte { return xzed(t, data, xz.CRC32) },
	"lz4":  lz4ed,
	"lzo":  lzoed,
	"lzma": func(t testing.TB, data []byte) []byte {
		return written(t, data, func(w io.Writer) (io.WriteCloser, error) { return lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
	},
	"zstd": func(t testing.TB, data []byte) []byte {
		return written(t, data, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	},
}

func read(t testing.TB, data []byte, c Config) (*FS, error) {
	return Read(t.Context(), bytes.NewReader(data), int64(len(data)), c)
}

// whole reads an initrd that must have no fault.
func sound(t testing.TB, data []byte, c Config) *FS {
	t.Helper()
	f, err := read(t, data, c)
	require.NoError(t, err)
	require.Nil(t, f.Stop)
	return f
}

// all is a Keep.
func all(_ string, size int64) int64 { return size }
