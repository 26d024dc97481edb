package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"bootaudit/internal/transcript"
)

const explainUsage = `usage: bootaudit explain [-json] FILE

Say what happened in a saved console: a log (raw, stripped or gzipped) or an
asciicast. FILE may be - for standard input.

`

func runExplain(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the facts as a JSON object")
	if status, done := parse(flags, args, explainUsage); done {
		return status
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
