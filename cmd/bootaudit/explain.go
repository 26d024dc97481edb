package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"bootaudit/internal/transcript"
)

func runExplain(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the facts as a JSON object")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: bootaudit explain [-json] FILE\n\n"+
			"Say what happened in a saved console: a log (raw, stripped or gzipped) or an\nasciicast. FILE may be - for standard input.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return 2
	}
	return explain(os.Stdout, flags.Arg(0), *asJSON)
}

// explain prints what happened in the file at path.
func explain(out io.Writer, path string, asJSON bool) int {
	var report transcript.Report
	var err error
	if path == "-" {
		report, err = transcript.Read(os.Stdin)
	} else {
		report, err = transcript.ReadFile(path)
	}
	if err != nil {
		return fail(fmt.Errorf("explain: %w", err))
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		_, err = io.WriteString(out, report.Page())
	}
	if err != nil {
		return fail(fmt.Errorf("explain: %w", err))
	}
	return 0
}
