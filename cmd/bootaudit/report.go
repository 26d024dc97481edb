package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"bootaudit/internal/config"
	"bootaudit/internal/report"
)

const reportUsage = `usage: bootaudit report [-o DIR] [FILE...]

Reads go test -json events from the files, or from standard input, and writes
report.md, report.html, junit.xml and events.json to DIR. Without -o, DIR is
what BOOT_IMAGE_ARTIFACTS names, else audit/ and the time. In a folder called
audit, the link latest is set to DIR.

	go test -json ./prereq ./iso ./vmtest | bootaudit report
	bootaudit report -o both laptop.json ci.json
	bootaudit report -cast2 -o audit/latest audit/latest/events.json

Exit status: 0 when all that was asked for holds, 1 when a check is broken, a test
failed or the events are not whole, 2 when the report could not be made, 125 when
nothing is broken but something that is needed is not here or could not be told.

`

func runReport(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	out := flags.String("o", "", "write to this `DIR`")
	cast2 := flags.Bool("cast2", false, "write each recording also as "+report.Cast2File+", for asciinema 2")
	if status, done := parse(flags, args, reportUsage); done {
		return status
	}
	// A reader of our output that goes away (| head) must not cost the report.
	signal.Ignore(syscall.SIGPIPE)
	dir, err := auditFolder(*out)
	if err != nil {
		return fail(err)
	}
	if files := flags.Args(); len(files) > 0 {
		near := []string{dir}
		for _, name := range files {
			near = append(near, filepath.Dir(name))
		}
		runs, err := readFiles(dir, files)
		if *cast2 && err == nil {
			err = report.NewAudit(runs...).WriteCast2(near...)
		}
		return conclude(dir, near, runs, err, os.Stdout)
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return fail(errors.New("standard input is a terminal; pipe the output of go test -json into bootaudit report, or name files that hold it"))
	}
	run, err := follow(ctx, dir, "standard input", os.Stdin, os.Stdout)
	if *cast2 && err == nil {
		err = report.NewAudit(run).WriteCast2(dir)
	}
	return conclude(dir, []string{dir}, []*report.Run{run}, err, os.Stdout)
}

// conclude writes the report about what was read, although not all of it was, to
// dir, and says on out, when not nil, what came of it. Artifacts may lie near.
func conclude(dir string, near []string, runs []*report.Run, err error, out *os.File) int {
	if err != nil && (len(runs) == 0 || runs[0] == nil) {
		return fail(err)
	}
	audit := report.NewAudit(runs...)
	audit.Attach(near...)
	err = errors.Join(err, audit.Write(dir))
	if filepath.Base(filepath.Dir(dir)) == "audit" {
		err = errors.Join(err, report.Latest(dir))
	}
	if out != nil {
		audit.Conclude(out, shown(dir), coloured(out))
	}
	if err != nil {
		return fail(err)
	}
	return audit.Status()
}

// coloured tells an output that is to have colours: a terminal's, unless NO_COLOR
// is set (https://no-color.org).
func coloured(out *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(out.Fd()))
}

// timedFolder is the folder of an audit that names none.
func timedFolder() string {
	return filepath.Join("audit", time.Now().UTC().Format("2006-01-02T150405Z"))
}

// auditFolder makes the folder to write to, and returns its absolute name.
func auditFolder(dir string) (string, error) {
	if dir == "" {
		cfg, err := config.Load()
		if err != nil {
			return "", err
		}
		dir = string(cfg.Artifacts)
	}
	if dir == "" {
		dir = timedFolder()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("no folder for the report: %w; name another with -o", err)
	}
	return dir, nil
}

// shown is a folder's name as a person would type it here.
func shown(dir string) string {
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, dir); err == nil && filepath.IsLocal(short) {
			return short
		}
	}
	return dir
}

// follow reads a stream of events, shows on out, when not nil, what happens, and saves each byte
// before it is looked at. It returns what was read also when saving failed.
func follow(ctx context.Context, dir, name string, in io.Reader, out *os.File) (*report.Run, error) {
	live := &report.Live{Out: io.Discard}
	if out != nil {
		live.Out, live.Colour = out, coloured(out)
	}
	if fd := int(out.Fd()); out != nil && term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		live.Width = 80
		if width, _, err := term.GetSize(fd); err == nil && width > 0 {
			live.Width = width
		}
	}
	saved, err := createEvents(dir)
	if err != nil {
		return nil, err
	}
	run := live.Follow(ctx, name, io.TeeReader(in, saved))
	return run, saved.close()
}

// events is an events.json being written. It drops what cannot be written (a
// full disk), so that reading goes on.
type events struct {
	file *os.File // nil: nothing is to be written
	err  error
	last byte
}

func (e *events) Write(p []byte) (int, error) {
	if len(p) > 0 {
		e.last = p[len(p)-1]
	}
	if e.err == nil && e.file != nil {
		_, e.err = e.file.Write(p)
	}
	return len(p), nil
}

// close says also what could not be written.
func (e *events) close() error {
	if e.file != nil {
		e.err = errors.Join(e.err, e.file.Close())
	}
	if e.err != nil {
		return fmt.Errorf("the events could not all be saved: %w", e.err)
	}
	return nil
}

// createEvents makes a new events.json; one that is there already is kept
// under another name.
func createEvents(dir string) (*events, error) {
	name := filepath.Join(dir, report.EventsFile)
	if info, err := os.Stat(name); err == nil {
		old := filepath.Join(dir, "events-"+info.ModTime().UTC().Format("2006-01-02T150405.000Z")+".json")
		if err := os.Rename(name, old); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &events{file: file}, nil
}

// readFiles reads saved streams, and keeps them together as dir's events.json.
// It returns what was read also when saving failed.
func readFiles(dir string, names []string) ([]*report.Run, error) {
	var runs []*report.Run
	var inputs []*os.File
	defer func() {
		for _, f := range inputs {
			f.Close()
		}
	}()
	own := false // dir's events.json is one of the files
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, f)
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a folder; name the file that holds the output of go test -json, such as %s",
				name, filepath.Join(name, report.EventsFile))
		}
		if there, err := os.Stat(filepath.Join(dir, report.EventsFile)); err == nil && os.SameFile(info, there) {
			own = true
		}
	}
	saved := &events{}
	if !own {
		var err error
		if saved, err = createEvents(dir); err != nil {
			return nil, err
		}
	}
	for _, f := range inputs {
		run := report.NewRun(f.Name())
		for line := range report.Lines(io.TeeReader(f, saved)) {
			run.Add(line)
		}
		if saved.last != '\n' {
			fmt.Fprintln(saved) // the next file's first line begins a line of its own
		}
		run.End()
		runs = append(runs, run)
	}
	return runs, saved.close()
}
