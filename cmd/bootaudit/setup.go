package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"

	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/setup"
	"bootaudit/internal/tools"
)

func runSetup(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("bootaudit setup", flag.ContinueOnError)
	all := flags.Bool("all", false, "install what any target and the tests of bootaudit itself need, nix included")
	if err := flags.Parse(args); err != nil {
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
		fmt.Fprintf(os.Stderr, "bootaudit: setup: %v\n", err)
		return 1
	}
	return 0
}

// wanted is what auditing the target takes; all is what any target takes.
func wanted(target config.Kind, all bool) []tools.Tool {
	list := append(append([]tools.Tool{}, tools.Boot...), tools.UEFI...)
	if all || target == config.StandIn {
		list = append(list, fixtures.Tools()...)
	}
	if all || target == config.Flake {
		list = append(list, tools.Nix...)
	}
	if all {
		list = append(list, tools.Test...)
	}
	return list
}
