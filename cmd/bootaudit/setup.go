package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"bootaudit/contract"
	"bootaudit/internal/config"
	"bootaudit/internal/near"
	"bootaudit/internal/setup"
	"bootaudit/internal/tools"
)

const setupUsage = `usage: bootaudit setup [-all]

Install what an audit of the target needs and this host misses, through apt. It
says first what and why, and does nothing when nothing is missing.

`

func runSetup(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	all := flags.Bool("all", false, "install what any target and the tests of bootaudit itself need, nix included")
	unknown := flags.String("unknown", "", "`NAMES` of variables that make was given and does not know: fail, and say which were meant")
	known := flags.String("known", "", "`NAMES` of the variables that make knows")
	if status, done := parse(flags, args, setupUsage); done {
		return status
	}
	if names := strings.Fields(*unknown); len(names) > 0 {
		for _, name := range names {
			fmt.Fprintf(os.Stderr, "make: there is no variable %s%s\n", name, near.Hint(name, strings.Fields(*known)))
		}
		return 2
	}
	cfg, err := config.Load()
	if err != nil {
		return fail(err)
	}
	system := setup.System{
		Root:     os.Geteuid() == 0,
		LookPath: exec.LookPath,
		Missing:  tools.Missing,
		Run: func(ctx context.Context, argv []string) error {
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
			return cmd.Run()
		},
	}
	if err := setup.Run(ctx, system, wanted(cfg.Target(), *all), os.Stdout); err != nil {
		return fail(fmt.Errorf("setup: %w", err))
	}
	return 0
}

// wanted is what auditing the target takes; all is what any target takes.
func wanted(target contract.Target, all bool) []tools.Tool {
	list := append(append([]tools.Tool{}, tools.Boot...), tools.UEFI...)
	if all || target.Firmware == contract.SecureBoot {
		list = append(list, tools.SecureBoot...)
	}
	if all || target.Kind == contract.KindStandIn {
		list = append(list, tools.StandIn()...)
	}
	if all || target.Kind == contract.KindFlake {
		list = append(list, tools.Nix...)
	}
	if all {
		list = append(list, tools.Test...)
	}
	return list
}
