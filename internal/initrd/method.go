package initrd

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/ulikunitz/xz/lzma"
)

// method is a compression by the two bytes that the kernel tells it by
// (lib/decompress.c). What open returns reads one stream of it and no byte
// beyond.
type method struct {
	name, magic string
	open        func(*unpacker) (io.Reader, error)
}

var methods = []method{
	{"gzip", "\x1f\x8b", openGzip},
	{"gzip", "\x1f\x9e", openGzip},
	{"bzip2", "BZ", openBzip2},
	{"lzma", "\x5d\x00", openLZMA},
	{"xz", "\xfd7", openXZ},
	{"lzo", "\x89L", openLZO},
	{"lz4", "\x02\x21", openLZ4},
	{"zstd", "\x28\xb5", openZstd},
}

func methodOf(head []byte) *method {
	for i := range methods {
		if bytes.HasPrefix(head, []byte(methods[i].magic)) {
			return &methods[i]
		}
	}
	return nil
}

// maxWindow bounds the dictionary of a stream. xz -9 has 64 MiB, zstd's kernel
// side reads no more than 128.
const maxWindow = 128 << 20

// window accounts for a dictionary that is to be made: a thousand streams may
// each claim one.
func (u *unpacker) window(size int64) error {
	if size > maxWindow {
		return fmt.Errorf("it needs a dictionary of %d MiB, and %d are the most: %w", size>>20, maxWindow>>20, errors.ErrUnsupported)
	}
	if u.left -= size; u.left < 0 {
		return fmt.Errorf("its dictionaries: %w", ErrBound)
	}
	return nil
}

func openGzip(u *unpacker) (io.Reader, error) {
	r, err := gzip.NewReader(u.in.Reader)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	return r, nil
}

func openBzip2(u *unpacker) (io.Reader, error) {
	return &oneBzip2{r: bzip2.NewReader(u.in.Reader), in: u.in}, nil
}

// oneBzip2 ends where the library would go on to another stream and there is
// none.
type oneBzip2 struct {
	r  io.Reader
	in *input
}

func (b *oneBzip2) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if bad := bzip2.StructuralError(""); errors.As(err, &bad) && strings.Contains(string(bad), "continuation") {
		b.in.back(2)
		err = io.EOF
	}
	return n, err
}

func openLZMA(u *unpacker) (io.Reader, error) {
	head, err := u.in.Peek(lzma.HeaderLen)
	if err != nil {
		return nil, whole(err)
	}
	size := int64(head[1]) | int64(head[2])<<8 | int64(head[3])<<16 | int64(head[4])<<24
	if err := u.window(size); err != nil {
		return nil, err
	}
	return lzma.ReaderConfig{DictCap: maxWindow}.NewReader(u.in.Reader)
}
