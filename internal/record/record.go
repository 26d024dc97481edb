package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"bootaudit/internal/plain"
)

// Files in a VM's folder.
const (
	TranscriptFile = "serial.log" // every byte of the console, written by QEMU itself
	HarnessFile    = "harness.log"
	MetadataFile   = "metadata.json"
	CastFile       = "console.cast"
	ScreenFile     = "screen.txt"
	diagnostics    = "diagnostics"
)

// Record is what a VM leaves behind for people and other tools. A write that
// fails never fails the run: it is a line of the harness's log, and of warn.
//
// The console's pump says what it sees and must not wait for a disk. So a
// goroutine of the record's own writes the log, in order, and metadata.json, of
// which only the newest counts; close ends it when all is written.
type Record struct {
	folder string
	warn   func(string) // whoever watches

	mu     sync.Mutex
	change sync.Cond // of what follows
	count  int       // of diagnostics
	meta   Metadata
	stale  bool     // metadata.json
	lines  []byte   // of the log, to be written
	told   []string // to be passed to warn
	lost   int      // lines for which there was no room
	busy   bool     // writing
	closed bool
	done   chan struct{} // nothing will be written any more
}

// maxWaiting bounds what waits for a slow disk, in bytes of the log and in lines
// for whoever watches. A boot says some hundred lines.
const (
	maxWaiting = 1 << 20
	maxTold    = 1000
)

// New starts a record in folder, which exists or can be made.
func New(folder string, warn func(string)) *Record {
	r := &Record{folder: folder, warn: warn, done: make(chan struct{})}
	r.change.L = &r.mu
	if r.warn == nil {
		r.warn = func(string) {}
	}
	r.Check(os.MkdirAll(filepath.Join(folder, diagnostics), 0o755))
	log, err := os.OpenFile(r.Path(HarnessFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	r.Check(err)
	r.meta = Metadata{
		Logs:        Logs{Harness: r.Path(HarnessFile), Serial: r.Path(TranscriptFile)},
		Diagnostics: Diagnostics{Directory: r.Path(diagnostics), Artifacts: []Diagnostic{}},
		Stages:      []Stage{},
	}
	go r.write(log)
	return r
}

func (r *Record) Path(name string) string { return filepath.Join(r.folder, name) }

// Check passes a failed write on to warn.
func (r *Record) Check(err error) {
	if err != nil {
		r.warn(fmt.Sprintf("the VM's record is not whole: %v", err))
	}
}

// Say adds to the harness's log: a line with the time, further lines indented.
func (r *Record) Say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	text = strings.ReplaceAll(plain.Text(text), "\n", "\n    ")
	line := fmt.Sprintf("[%s] %s\n", time.Now().UTC().Format(time.RFC3339Nano), text)
	r.queue(func() {
		if len(r.lines)+len(line) > maxWaiting {
			r.lost++
			return
		}
		r.lines = append(r.lines, line...)
	})
}

// Pass passes a line to whoever watches, and does not wait for them either.
func (r *Record) Pass(text string) {
	r.queue(func() {
		if len(r.told) < maxTold {
			r.told = append(r.told, text)
		}
	})
}

// Note keeps an error in the metadata, and says it.
func (r *Record) Note(err error) {
	r.Say("%v", err)
	r.Update(func(m *Metadata) { m.Errors = append(m.Errors, err.Error()) })
}

// Update changes the metadata.
func (r *Record) Update(change func(*Metadata)) {
	r.queue(func() {
		change(&r.meta)
		r.stale = true
	})
}

// Now is the metadata as it is.
func (r *Record) Now() Metadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.meta // what its slices hold is added to, and never changed
}

// queue changes what is to be written, until the record is closed.
func (r *Record) queue(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		change()
		r.change.Broadcast()
	}
}

// write writes what is queued; it has a goroutine of its own.
func (r *Record) write(log *os.File) {
	defer close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for !r.waits() && !r.closed {
			r.change.Wait()
		}
		if !r.waits() {
			break
		}
		if r.lost > 0 {
			r.lines = fmt.Appendf(r.lines, "[%d lines came too fast to be written]\n", r.lost)
		}
		lines, told, stale, meta := r.lines, r.told, r.stale, r.meta
		r.lines, r.told, r.stale, r.lost, r.busy = nil, nil, false, 0, true
		r.mu.Unlock()
		if log != nil && len(lines) > 0 {
			_, err := log.Write(lines)
			r.Check(err)
		}
		if stale {
			r.Check(r.writeMetadata(meta))
		}
		for _, text := range told {
			r.warn(text)
		}
		r.mu.Lock()
		r.busy = false
		r.change.Broadcast()
	}
	if log != nil {
		r.Check(log.Close())
	}
}

// waits: something is to be written. r.mu is held.
func (r *Record) waits() bool { return r.stale || len(r.lines)+len(r.told)+r.lost > 0 }

func (r *Record) writeMetadata(meta Metadata) error {
	meta.GeneratedAt = time.Now().UTC().Format(time.RFC3339)
	text, err := sortedJSON(meta)
	if err != nil {
		return err
	}
	return renameio.WriteFile(r.Path(MetadataFile), text, 0o644)
}

// Flush waits until what was said so far is written.
func (r *Record) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.waits() || r.busy {
		r.change.Wait()
	}
}

// Timed sets one of the metadata's timings, unless that was done, to the seconds
// since the VM's start: "login", "root", "storage", "address" or "ssh".
func (r *Record) Timed(start time.Time, what string) {
	seconds := time.Since(start).Round(time.Millisecond).Seconds()
	r.Update(func(m *Metadata) {
		at := map[string]**float64{
			"login": &m.Timings.Login, "root": &m.Timings.Root, "storage": &m.Timings.Storage,
			"address": &m.Timings.Address, "ssh": &m.Timings.SSH,
		}[what]
		if at == nil {
			m.Errors = append(m.Errors, fmt.Sprintf("nothing is timed as %q", what))
		} else if *at == nil {
			*at = &seconds
		}
	})
}

// Save saves what was collected about a failure as
// diagnostics/<slug>-<NN>.<ext>, one counter per VM.
func (r *Record) Save(label, ext string, content []byte) string {
	r.mu.Lock()
	r.count++
	path := filepath.Join(r.folder, diagnostics, fmt.Sprintf("%s-%02d.%s", Slug(label), r.count, ext))
	r.mu.Unlock()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		r.Check(err)
		return path
	}
	r.Update(func(m *Metadata) {
		m.Diagnostics.Artifacts = append(m.Diagnostics.Artifacts, Diagnostic{label, path})
	})
	return path
}

// Close ends the record, once all of it is written.
func (r *Record) Close() {
	r.mu.Lock()
	r.closed = true
	r.change.Broadcast()
	r.mu.Unlock()
	<-r.done
}

var unsafeInName = regexp.MustCompile(`[^a-z0-9]+`)

// Slug is a label as part of a file's name.
func Slug(label string) string {
	s := strings.Trim(unsafeInName.ReplaceAllString(strings.ToLower(label), "-"), "-")
	if len(s) > 60 {
		s = strings.TrimRight(s[:60], "-")
	}
	if s == "" {
		return "diagnostic"
	}
	return s
}

// sortedJSON is v with its keys sorted, as the files' readers expect.
func sortedJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var sorted any
	if err := json.Unmarshal(text, &sorted); err != nil {
		return nil, err
	}
	text, err = json.MarshalIndent(sorted, "", "  ")
	return append(text, '\n'), err
}
