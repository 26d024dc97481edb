package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/debug"
)

// version is set by the linker in a package's binary.
var version string

const versionUsage = `usage: bootaudit version

Prints what this program was built of.

`

func runVersion(_ context.Context, args []string) int {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	if status, done := parse(flags, args, versionUsage); done {
		return status
	}
	fmt.Println("bootaudit", built())
	return 0
}

// built is the version of the program, or the commit that it was built from.
func built() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
