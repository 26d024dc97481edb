package initrd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// input is bytes with a place. What it reads from is a section of the initrd,
// where bytes may be skipped unread, or what is unpacked of one.
type input struct {
	*bufio.Reader
	section *section
	stream  *stream
}

const bufferSize = 64 << 10

func newInput(s *section) *input {
	return &input{Reader: bufio.NewReaderSize(s, bufferSize), section: s}
}

// at is the place of the next byte.
func (in *input) at() int64 {
	if in.section != nil {
		return in.section.at - int64(in.Buffered())
	}
	return in.stream.n - int64(in.Buffered())
}

// skip goes over n bytes. An end before is an [io.ErrUnexpectedEOF].
func (in *input) skip(n int64) error {
	if in.section != nil && n > int64(in.Buffered()) {
		to := in.at() + n
		if to > in.section.size || to < 0 {
			in.section.at = in.section.size
			in.Reset(in.section)
			return io.ErrUnexpectedEOF
		}
		in.section.at = to
		in.Reset(in.section)
		return nil
	}
	_, err := in.Discard(int(n))
	return whole(err)
}

// full reads all of p.
func (in *input) full(p []byte) error {
	_, err := io.ReadFull(in, p)
	return whole(err)
}

// next is the next byte, which stays; false at the end.
func (in *input) next() (byte, bool, error) {
	b, err := in.Peek(1)
	if len(b) == 1 {
		return b[0], true, nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return 0, false, err
}

// back goes back by n bytes of the initrd itself.
func (in *input) back(n int64) {
	in.section.at = max(in.at()-n, 0)
	in.Reset(in.section)
}

// padding goes over NULs.
func (in *input) padding() error {
	for {
		b, ok, err := in.next()
		if err != nil || !ok || b != 0 {
			return err
		}
		have, _ := in.Peek(in.Buffered())
		n := 0
		for n < len(have) && have[n] == 0 {
			n++
		}
		_, _ = in.Discard(n)
	}
}

// whole is err, where the end of the input is the end of a part.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// section is the initrd itself.
type section struct {
	ctx      context.Context
	r        io.ReaderAt
	size, at int64
}

func (s *section) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.at >= s.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.size-s.at)]
	n, err := s.r.ReadAt(p, s.at)
	s.at += int64(n)
	if n == len(p) {
		err = nil
	} else if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// stream is what a decompressor gives, counted against what may be unpacked.
type stream struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	left *int64
	err  error // the end, which a second read would go beyond
}

func (s *stream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.err = err
	if *s.left -= int64(n); *s.left < 0 {
		return 0, fmt.Errorf("its unpacked bytes: %w", ErrBound)
	}
	return n, err
}
