// Command bootaudit works beside `go test`: it turns a run's events into an
// audit, and reads a saved console transcript with the same eyes.
//
//	go test -json ./prereq ./iso ./vmtest | bootaudit report
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
)

// command is one of bootaudit's. run gets the arguments after its name and
// returns the exit status: 0, 1 where something is broken, 2 where what was
// asked for could not be done, 125 where it could not be told.
type command struct {
	name, args, what string
	run              func(ctx context.Context, args []string) int
}

var commands = []command{
	{"setup", "[-all]", "install what an audit needs and this host misses, through apt", runSetup},
	{"audit", "[-o DIR] [IMAGE]", "audit this host, an image and boots of it", runAudit},
	{"list", "[-contract NAME]", "list the checks of an audit", runList},
	{"report", "[-o DIR] [FILE...]", "turn `go test -json` events into an audit", runReport},
	{"explain", "[-json] [-contract NAME] FILE...", "say what happened in a saved console", runExplain},
	{"run", "[-uefi] [-keyless] [ISO]", "boot an image to its root prompt, for a person", runRun},
	{"version", "", "print what this program was built of", runVersion},
	{"attach", "[-end] [VM [COMMAND...]]", "get at a VM that a failed check has left running", runAttach},
}

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second interrupt ends us at once.
	context.AfterFunc(ctx, stop)
	if len(os.Args) < 2 {
		usage(os.Stderr)
		return 2
	}
	switch name := os.Args[1]; name {
	case "help", "-h", "-help", "--help":
		usage(os.Stdout)
		return 0
	default:
		for _, c := range commands {
			if c.name == name {
				return c.run(ctx, os.Args[2:])
			}
		}
		fmt.Fprintf(os.Stderr, "bootaudit: there is no command %q\n\n", name)
		usage(os.Stderr)
		return 2
	}
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: bootaudit COMMAND [arguments]")
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(table, "  bootaudit %s %s\t%s\n", c.name, c.args, c.what)
	}
	fmt.Fprintf(table, "  bootaudit help\tprint this\n")
	table.Flush()
	fmt.Fprintln(w, "\nEach command tells its flags with -h.")
}

// parse reads a command's flags. -h prints about and the flags. When done, the
// command ends with status.
func parse(flags *flag.FlagSet, args []string, about string) (status int, done bool) {
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), about)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, true
	case err != nil: // the flag package has said what
		return 2, true
	}
	return 0, false
}

// fail prints an error and returns the exit status of what could not be done.
func fail(err error) int {
	fmt.Fprintf(os.Stderr, "bootaudit: %v\n", err)
	return 2
}
