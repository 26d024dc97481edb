package iso

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// do runs one operation on the image: alone, within opLimit of its turn, and
// with a panic on a malformed structure turned into an error.
func (img *Image) do(op func() error) error {
	return img.doFrom(time.Time{}, opLimit, maxReads, op)
}

// ask is do for a question to several files.
func (img *Image) ask(op func() error) error {
	return img.doFrom(time.Time{}, askLimit, maxReads, op)
}

// long is do for what reads a large file from end to end, and has bounds of its own.
func (img *Image) long(op func() error) error {
	return img.doFrom(time.Time{}, ramLimit, maxLong, op)
}

// doFrom is do with the limit counted from start, where that is not zero, and of so
// many bytes at most.
func (img *Image) doFrom(start time.Time, limit time.Duration, most int64, op func() error) (err error) {
	img.mu.Lock()
	defer img.mu.Unlock()
	if start.IsZero() {
		// Not before the lock: waiting for other checks is no fault of the image.
		start = time.Now()
	}
	img.file.until, img.file.bytes, img.file.listed, img.file.most = start.Add(limit), 0, 0, most
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return op()
}

// guarded is the image's file. A read is refused when it is too large, or one
// too many, or comes too late, so that a loop in the image's structures ends.
type guarded struct {
	File   io.ReaderAt
	size   int64
	until  time.Time
	bytes  int64 // that the operation has read
	most   int64 // that it may
	listed int   // entries of folders that it has gone through
}

// list counts entries of a folder that are gone through.
func (g *guarded) list(entries int) error {
	if g.listed += entries; g.listed > maxListed {
		return fmt.Errorf("more than %d entries of folders: the image is malformed", maxListed)
	}
	return g.late()
}

func (g *guarded) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case len(p) > maxRead:
		return 0, fmt.Errorf("malformed: a structure claims to be %d bytes long", len(p))
	case off < 0 || off >= g.size:
		return 0, fmt.Errorf("malformed: a structure claims to be at byte %d of %d", off, g.size)
	}
	if err := g.late(); err != nil {
		return 0, err
	}
	if g.bytes += max(int64(len(p)), minRead); g.bytes > g.most {
		return 0, fmt.Errorf("malformed: more than %d MiB are to be read of it at once", g.most>>20)
	}
	n, err := g.File.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("cut off: %d bytes wanted at byte %d of %d", len(p), off, g.size)
	}
	return n, err
}

func (g *guarded) late() error {
	if time.Now().After(g.until) {
		return errors.New("reading did not end in time: the image is malformed, or this host is too busy")
	}
	return nil
}
