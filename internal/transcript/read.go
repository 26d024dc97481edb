package transcript

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"bootaudit/contract"

	"bootaudit/internal/cast"
	"bootaudit/internal/saved"
)

// Terms are what a saved console is held against. The zero value leaves it to the
// console: one that names a profile is of that.
type Terms struct {
	// Contract says which interface and which disks there are facts about.
	Contract *contract.Contract
}

// Read is [Terms.Read] of what the console itself tells.
func Read(r io.Reader) (Report, error) { return Terms{}.Read(r) }

// ReadFile is [Read] of a file.
func ReadFile(path string) (Report, error) { return Terms{}.ReadFile(path) }

// ReadFile is [Terms.Read] of a file.
func (t Terms) ReadFile(path string) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return Report{}, fmt.Errorf("%s is a folder, not a saved console", path)
	}
	return t.Read(f)
}

// head is how much of a file tells its format.
const head = saved.Head

// Read reads a saved console to its end. What could be read before an error in
// its format is reported, with the error as the report's Problem; the error of
// Read itself is that of r.
func (t Terms) Read(r io.Reader) (Report, error) {
	in, err := saved.Unpack(r)
	if err != nil {
		return Report{}, err
	}
	start, err := in.Peek(head)
	if err != nil && len(start) == 0 && !errors.Is(err, io.EOF) {
		return Report{Problem: err.Error()}, nil
	}
	if cast.Is(start) {
		return t.readCast(in)
	}
	return t.readRaw(in, start)
}

func (t Terms) readCast(in io.Reader) (Report, error) {
	a := newAnalyzer(t)
	shared := &saved.Cutter{Guest: a.guest, Skip: a.skip}
	sent := &unsend{guest: writer(shared), skip: shared.Pass}
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
	shared.Flush()
	report := a.finish()
	report.Format = "asciicast"
	if err != nil {
		report.Problem = err.Error()
	}
	return report, nil
}

func (t Terms) readRaw(in *bufio.Reader, start []byte) (Report, error) {
	a := newAnalyzer(t)
	shared := &saved.Cutter{Guest: a.guest, Skip: a.skip}
	guest, skip, end := writer(shared), shared.Pass, shared.Flush
	if hasResidue(start) {
		u := &unresidue{guest: guest, skip: skip}
		passOn := end
		guest, end = u.write, func() { u.flush(); passOn() }
	}
	format := "raw"
	if bytes.Contains(start, []byte("\r\n")) {
		sent := &unsend{guest: guest, skip: skip}
		passOn := end
		guest, end = writer(sent), func() { sent.flush(); passOn() }
	} else if len(start) > 0 {
		format = "no carriage returns"
	}
	file := &saved.Reader{Guest: guest, Skip: func(n int) { end(); a.skip(n) }, At: a.at}
	a.number = file.Number
	err := file.Read(in)
	end()
	report := a.finish()
	report.Format = cmp.Or(file.Form(), format)
	if err != nil && report.Bytes == 0 {
		return report, err
	}
	if err != nil {
		report.Problem = err.Error()
	}
	return report, nil
}

// writer is w's Write, of which no error comes.
func writer(w io.Writer) func([]byte) {
	return func(p []byte) { _, _ = w.Write(p) }
}
