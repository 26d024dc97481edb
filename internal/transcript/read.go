package transcript

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bootaudit/internal/cast"
)

// ReadFile is [Read] of a file.
func ReadFile(path string) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return Report{}, fmt.Errorf("%s is a folder, not a saved console", path)
	}
	return Read(f)
}

// head is how much of a file tells its format.
const head = 64 << 10

// Read reads a saved console to its end. What could be read before an error in
// its format is reported, with the error as the report's Problem; the error of
// Read itself is that of r.
func Read(r io.Reader) (Report, error) {
	in := bufio.NewReaderSize(r, head)
	start, err := in.Peek(head)
	if err != nil && !errors.Is(err, io.EOF) {
		return Report{}, err
	}
	if zipped(start) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return Report{}, fmt.Errorf("unzip: %w", err)
		}
		in = bufio.NewReaderSize(unzipped, head)
		start, _ = in.Peek(head) // a file that was cut short says so at its end
	}
	if cast.Is(start) {
		return readCast(in)
	}
	return readRaw(in, start)
}

// zipped is true of what unzips to something: two bytes do not make an archive.
func zipped(start []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(start))
	if err != nil {
		return false
	}
	_, err = io.ReadFull(z, make([]byte, 1))
	return err == nil || errors.Is(err, io.EOF)
}

func readCast(in io.Reader) (Report, error) {
	a := newAnalyzer()
	sent := &unsend{guest: a.guest, skip: a.skip}
	var total int64
	_, err := cast.Read(in, func(e cast.Event) error {
		if e.Code == 'o' {
			total += int64(len(e.Data))
			a.times = append(a.times, tick{total, e.At})
			sent.Write([]byte(e.Data))
		}
		return nil
	})
	sent.flush()
	report := a.finish()
	report.Format = "asciicast"
	if err != nil {
		report.Problem = err.Error()
	}
	return report, nil
}

func readRaw(in io.Reader, start []byte) (Report, error) {
	a := newAnalyzer()
	guest, end := a.guest, func() {}
	if hasResidue(start) {
		u := &unresidue{guest: guest, skip: a.skip}
		guest, end = u.write, u.flush
	}
	format := "raw"
	var out io.Writer = writer(guest)
	if bytes.Contains(start, []byte("\r\n")) {
		sent := &unsend{guest: guest, skip: a.skip}
		passOn := end
		out, end = sent, func() { sent.flush(); passOn() }
	} else if len(start) > 0 {
		format = "no carriage returns"
	}
	_, err := io.CopyBuffer(out, struct{ io.Reader }{in}, make([]byte, head))
	end()
	report := a.finish()
	report.Format = format
	if err != nil && report.Bytes == 0 {
		return report, err
	}
	if err != nil {
		report.Problem = err.Error()
	}
	return report, nil
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// instant is the moment as the clock of the watch.
func (m moment) instant() time.Time { return time.Unix(0, 0).Add(m.at) }
