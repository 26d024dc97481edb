package initrd

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdStream is kept between frames: each may want a window of its own.
type zstdStream struct {
	d      *zstd.Decoder
	window uint64 // the largest so far
}

func openZstd(u *unpacker) (io.Reader, error) {
	frame := &zstdFrame{in: u.in}
	window, err := frame.header()
	if err != nil {
		return nil, err
	}
	if window > maxWindow {
		// lib/decompress_unzstd.c
		return nil, fmt.Errorf("its window is %d MiB, and the kernel reads no more than %d (zstd --ultra --long)", window>>20, maxWindow>>20)
	}
	if more := int64(window) - int64(u.zstd.window); more > 0 {
		if err := u.window(more); err != nil {
			return nil, err
		}
		u.zstd.window = window
	}
	if u.zstd.d == nil {
		u.zstd.d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
	}
	if err := u.zstd.d.Reset(frame); err != nil {
		return nil, err
	}
	return u.zstd.d, nil
}

// zstdFrame gives the bytes of one frame (RFC 8878, 3.1.1): the library goes on
// to the next, and takes padding for a broken one.
type zstdFrame struct {
	in   *input
	head []byte // not yet given
	left int64  // of the block
	sum  bool
	last bool
	done bool
}

// header reads a frame's header and tells its window.
func (f *zstdFrame) header() (window uint64, err error) {
	b, err := f.in.Peek(6)
	if err != nil {
		return 0, whole(err)
	}
	if string(b[:4]) != "\x28\xb5\x2f\xfd" {
		return 0, errors.New("malformed: " + startOf(b))
	}
	flags := b[4]
	f.sum = flags&4 != 0
	single := flags&0x20 != 0
	size := 5 + [...]int{0, 1, 2, 4}[flags&3]
	content := [...]int{0, 2, 4, 8}[flags>>6]
	if single {
		content = max(content, 1)
	} else {
		size++
		window = 1 << (10 + b[5]>>3)
		window += window / 8 * uint64(b[5]&7)
	}
	f.head = make([]byte, size+content)
	if err := f.in.full(f.head); err != nil {
		return 0, err
	}
	if single {
		for i := range content {
			window |= uint64(f.head[size+i]) << (8 * i)
		}
		if content == 2 {
			window += 256
		}
	}
	return window, nil
}

func (f *zstdFrame) Read(p []byte) (int, error) {
	for {
		switch {
		case len(f.head) > 0:
			n := copy(p, f.head)
			f.head = f.head[n:]
			return n, nil
		case f.left > 0:
			n, err := f.in.Read(p[:min(int64(len(p)), f.left)])
			f.left -= int64(n)
			return n, whole(err)
		case f.done:
			return 0, io.EOF
		case f.last:
			f.done = true
			if f.sum {
				f.left = 4
			}
			continue
		}
		f.head = make([]byte, 3)
		if err := f.in.full(f.head); err != nil {
			return 0, err
		}
		block := int64(f.head[0]) | int64(f.head[1])<<8 | int64(f.head[2])<<16
		f.last = block&1 != 0
		f.left = block >> 3
		if block>>1&3 == 1 { // one byte, repeated
			f.left = 1
		}
	}
}
