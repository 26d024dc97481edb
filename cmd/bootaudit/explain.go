package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/term"

	"bootaudit/contract"
	"bootaudit/internal/plain"
	"bootaudit/internal/saved"
	"bootaudit/internal/transcript"
)

const explainUsage = `usage: bootaudit explain [-json] [-contract NAME] FILE...

Say what happened in a saved console: a log (raw, stripped, packed with gzip, xz
or zstd, with prefixes on its lines), a journal's export, or an asciicast. FILE
may be - for standard input, or a folder, of which each console is read in turn.

`

func runExplain(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the facts as a JSON object, one for each console")
	held := flags.String("contract", "", "what was booted: a profile's `NAME`, or a TOML file; else the console tells")
	if status, done := parse(flags, args, explainUsage); done {
		return status
	}
	var terms transcript.Terms
	if *held != "" {
		c, err := contract.Load(*held)
		if err != nil {
			return fail(fmt.Errorf("explain: %w", err))
		}
		terms.Contract = &c
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return 2
	}
	x := explainer{terms: terms, out: os.Stdout, asJSON: *asJSON, several: flags.NArg() > 1, colour: term.IsTerminal(int(os.Stdout.Fd())) && wantsColour(os.Getenv)}
	for _, path := range flags.Args() {
		x.explain(path)
	}
	return x.status
}

// wantsColour is false where somebody asked for none (no-color.org), or has a
// terminal that knows none.
func wantsColour(env func(string) string) bool {
	return env("NO_COLOR") == "" && env("TERM") != "dumb" && env("TERM") != ""
}

// explainer prints what happened in files, one after the other.
type explainer struct {
	terms   transcript.Terms
	out     io.Writer
	asJSON  bool
	several bool // each is named
	colour  bool
	begun   bool
	status  int
}

var url = regexp.MustCompile(`^[a-z][a-z0-9+]*://`)

// explain prints what happened in the file at path, or in those of a folder.
func (x *explainer) explain(path string) {
	if path == "-" {
		report, err := x.terms.Read(os.Stdin)
		x.print("standard input", report, err)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && url.MatchString(path):
		x.failed(fmt.Errorf("%s is a URL, and none is fetched: save what it shows, and name the file", path))
	case err == nil && info.IsDir():
		x.folder(path)
	default:
		report, err := x.terms.ReadFile(path)
		x.print(path, report, err)
	}
}

// folder explains each console under root, in the order of their names.
func (x *explainer) folder(root string) {
	x.several = true
	found := false
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			x.failed(err)
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		if reason := notConsole(path, entry); reason != "" {
			fmt.Fprintf(os.Stderr, "bootaudit: explain: %s skipped: %s\n", path, reason)
			return nil
		}
		found = true
		report, err := x.terms.ReadFile(path)
		x.print(path, report, err)
		return nil
	})
	if err != nil {
		x.failed(err)
	} else if !found {
		x.failed(fmt.Errorf("%s is a folder without a console in it", root))
	}
}

// notConsole is why a folder's file is not read, "" for one that is.
func notConsole(path string, entry fs.DirEntry) string {
	if !entry.Type().IsRegular() {
		return "it is no regular file"
	}
	f, err := os.Open(path)
	if err != nil {
		return "" // which is said when it is read
	}
	defer f.Close()
	in, err := saved.Unpack(f)
	if err != nil {
		return err.Error()
	}
	start, err := in.Peek(saved.Head)
	switch {
	case len(start) == 0 && errors.Is(err, io.EOF):
		return "it is empty"
	case len(start) > 0 && !saved.IsText(start):
		return "it is no text"
	}
	return ""
}

func (x *explainer) failed(err error) {
	x.status = fail(fmt.Errorf("explain: %w", err))
}

// print prints one console's report.
func (x *explainer) print(name string, report transcript.Report, err error) {
	if err != nil {
		x.failed(err)
		return
	}
	if x.asJSON {
		named := struct {
			File string `json:"file,omitempty"`
			transcript.Report
		}{Report: report}
		if x.several {
			named.File = name
		}
		enc := json.NewEncoder(x.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(named)
	} else {
		if x.several {
			if x.begun {
				fmt.Fprintln(x.out)
			}
			fmt.Fprintf(x.out, "== %s\n", plain.Line(name))
		}
		page := report.Page()
		if x.colour {
			page = report.ColorPage()
		}
		_, err = io.WriteString(x.out, page)
	}
	x.begun = true
	if err != nil {
		x.failed(err)
	}
}
