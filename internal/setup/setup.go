// Package setup installs, through apt, the programs that an audit misses.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"bootaudit/internal/tools"
)

// System is the machine to install on; tests give one of their own.
type System struct {
	Root     bool                                           // whether we are root
	LookPath func(name string) (string, error)              // where a program is
	Missing  func(all []tools.Tool) []tools.Tool            // what cannot be found
	Run      func(ctx context.Context, argv []string) error // runs a command in the person's sight
}

// Run installs what of wanted is missing. It says first what and why, does
// nothing when nothing is missing, and uses sudo only when it is not root.
func Run(ctx context.Context, sys System, wanted []tools.Tool, out io.Writer) error {
	missing := sys.Missing(wanted)
	if len(missing) == 0 {
		fmt.Fprintln(out, "setup: nothing is missing")
		return nil
	}
	fmt.Fprintln(out, "setup: missing here:")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range missing {
		fmt.Fprintf(table, "  %s\t(package %s)\t%s\n", t.Name(), t.Package, t.Why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	packages := packagesOf(missing)
	prefix, err := aptPrefix(sys, packages)
	if err != nil {
		return err
	}
	// An update that fails (one dead mirror is enough) must not stop an
	// installation that the lists at hand allow.
	if err := sys.Run(ctx, append(slices.Clone(prefix), "update", "-q")); err != nil {
		fmt.Fprintf(out, "setup: apt-get update failed (%v); trying with the lists at hand\n", err)
	}
	install := append(slices.Clone(prefix), "install", "-qy", "--no-install-recommends")
	if err := sys.Run(ctx, append(install, packages...)); err != nil {
		return fmt.Errorf("apt-get could not install %s: %w; its output above says why", strings.Join(packages, " "), err)
	}
	if still := sys.Missing(wanted); len(still) > 0 {
		return fmt.Errorf("installed %s, yet %s", strings.Join(packages, " "), whyMissing(still))
	}
	return nil
}

// aptPrefix is the beginning of an apt-get command line, or an error that says
// what to install where we cannot.
func aptPrefix(sys System, packages []string) ([]string, error) {
	list := strings.Join(packages, " ")
	apt, err := sys.LookPath("apt-get")
	if err != nil {
		return nil, fmt.Errorf("this system has no apt-get; install what Debian calls %s with its own package manager, then run this again", list)
	}
	// env, because sudo drops the environment.
	argv := []string{"env", "DEBIAN_FRONTEND=noninteractive", apt}
	if sys.Root {
		return argv, nil
	}
	sudo, err := sys.LookPath("sudo")
	if err != nil {
		return nil, fmt.Errorf("not root, and sudo is not on the PATH; run as root: apt-get install --no-install-recommends %s", list)
	}
	return append([]string{sudo}, argv...), nil
}

func packagesOf(missing []tools.Tool) []string {
	var names []string
	for _, t := range missing {
		names = append(names, t.Package)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func whyMissing(still []tools.Tool) error {
	var all []error
	for _, t := range still {
		_, err := t.Find()
		all = append(all, err)
	}
	return errors.Join(all...)
}
