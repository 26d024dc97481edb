package squashfs

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	lzo "github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// An unpacker decompresses one block, to at most limit bytes.
type unpacker func(packed []byte, limit int) ([]byte, error)

func newUnpacker(compressor uint16) (unpacker, error) {
	switch compressor {
	case 1:
		return streamed(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }), nil
	case 3:
		return func(packed []byte, limit int) ([]byte, error) {
			out := make([]byte, limit)
			n, err := lzo.Decompress(packed, out)
			if err != nil {
				return nil, fmt.Errorf("lzo: %w", err)
			}
			return out[:n], nil
		}, nil
	case 4:
		return unpackXZ, nil
	case 5:
		return func(packed []byte, limit int) ([]byte, error) {
			out := make([]byte, limit)
			n, err := lz4.UncompressBlock(packed, out)
			if err != nil {
				return nil, fmt.Errorf("lz4: %w", err)
			}
			return out[:n], nil
		}, nil
	case 6:
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return func(packed []byte, limit int) ([]byte, error) {
			out, err := d.DecodeAll(packed, nil)
			if err == nil && len(out) > limit {
				err = errTooLarge
			}
			return out, err
		}, nil
	default:
		return nil, fmt.Errorf("compressed by method %d: %w", compressor, errors.ErrUnsupported)
	}
}

var errTooLarge = errors.New("a block is larger than its kind may be")

// streamed is the unpacker of a method whose library reads streams.
func streamed(open func(io.Reader) (io.Reader, error)) unpacker {
	return func(packed []byte, limit int) ([]byte, error) {
		r, err := open(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return readAll(r, limit)
	}
}

// readAll reads to the end, which must come within limit bytes.
func readAll(r io.Reader, limit int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(out) > limit {
		err = errTooLarge
	}
	return out, err
}
