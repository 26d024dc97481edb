package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"

	"bootaudit/contract"
	"bootaudit/internal/audit"
)

const listUsage = `usage: bootaudit list [-contract NAME]

Prints the checks of an audit by the names that -run and -skip take, each with its
condition. The scenarios are those for an image of the contract, pre-nixos unless
another one is named.

`

func runList(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	name := flags.String("contract", "pre-nixos", "a profile's `NAME`, or a TOML file")
	if status, done := parse(flags, args, listUsage); done {
		return status
	}
	terms, err := contract.Load(*name)
	if err != nil {
		return fail(err)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range audit.List(terms) {
		fmt.Fprintf(table, "%s\t%s\n", row.Test, row.Condition)
	}
	if err := table.Flush(); err != nil {
		return fail(err)
	}
	return 0
}
