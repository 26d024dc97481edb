package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bootaudit/contract"
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
	"bootaudit/internal/target"
	"bootaudit/prereq"
	"bootaudit/serial"
	"bootaudit/serial/watch"
	"bootaudit/vmtest"
)

const runUsage = `usage: bootaudit run [flags] [ISO]

Boot an image to its root prompt as the audit does, and leave its serial console to
you; Ctrl-] ends it. Without ISO: what the environment says is audited.

`

func runRun(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	uefi := flags.Bool("uefi", false, "boot by UEFI")
	keyless := flags.Bool("keyless", false, "hand the stand-in no root key")
	faults := flags.String("fault", "", "faults of the stand-in, separated by commas")
	keep := flags.String("o", "", "folder to keep the VM's files in: serial.log, console.cast (of the boot), command line")
	if status, done := parse(flags, args, runUsage); done {
		return status
	}
	cfg, err := config.Load()
	if err != nil {
		return fail(err)
	}
	if flags.NArg() > 0 {
		cfg.File, cfg.Flake = config.Path(flags.Arg(0)), ""
	}
	if err := boot(ctx, cfg, *uefi, *keyless, *faults, *keep); err != nil {
		return fail(fmt.Errorf("run: %w", err))
	}
	return 0
}

// boot boots cfg's target and joins the terminal and its console.
func boot(ctx context.Context, cfg config.Config, uefi, keyless bool, faults, keep string) error {
	terms, why, err := target.Profile(ctx, cfg, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "contract", why)
	boots, err := target.Medium(ctx, cfg, os.Stderr)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bootaudit-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	disk := vmtest.Disk{File: filepath.Join(folder, "disk.raw")}
	if keep != "" {
		if err := os.MkdirAll(keep, 0o755); err != nil {
			return err
		}
		folder = keep // the disk stays behind
	}
	recording, err := os.Create(filepath.Join(folder, "console.cast"))
	if err != nil {
		return err
	}
	defer recording.Close()
	m, key, err := machine(cfg, keyless, faults)
	if err != nil {
		return err
	}
	m.Folder, m.Disks = folder, []vmtest.Disk{disk}
	m = m.For(boots, terms)
	if uefi {
		m.Firmware = vmtest.UEFI
	}
	m.Accelerator, _ = prereq.Accelerator(ctx)
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%4.0fs %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	settings := watched(cfg, terms, say)
	settings.Recording = recording
	vm, err := vmtest.Launch(ctx, m, settings)
	if err != nil {
		return err
	}
	defer vm.Kill()
	limited, cancel := context.WithTimeout(ctx, cfg.LoginTimeout.Duration())
	defer cancel()
	err = vm.Boot(limited, serial.Account{User: terms.Login.User, Password: terms.Login.Password, RootBy: terms.Root.Methods})
	if err != nil {
		say("%v", err)
		say("the console is yours as it is")
	} else {
		say("root shell")
	}
	if vm.SSHPort != 0 && key.Private != "" {
		say("ssh -i %s -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@127.0.0.1", key.Private, vm.SSHPort, cmp.Or(terms.SSH.User, "root"))
	}
	say("Ctrl-] ends the VM")
	conn, err := vm.HandOver(ctx)
	if err != nil {
		return err
	}
	console(ctx, conn, "the VM")
	return nil
}

// machine is what cfg's image gets beside its disk, and the key that lets root
// log in over SSH; the zero key where none is known to.
func machine(cfg config.Config, keyless bool, faults string) (vmtest.Machine, contract.Key, error) {
	m := vmtest.Machine{Name: "run", Network: true, FWCfg: map[string]string{}}
	standIn := cfg.Target().Kind == contract.KindStandIn
	if standIn && faults != "" {
		m.FWCfg[fixtures.FaultFile] = faults
	}
	if standIn && keyless {
		return m, contract.Key{}, nil
	}
	key, err := rootkey.InImage(cfg)
	if standIn && err == nil {
		m.FWCfg[fixtures.RootKeyFile] = key.Authorized
	}
	return m, key, err
}

// watched is how the VM is watched: say gets each stage and tripwire.
func watched(cfg config.Config, terms contract.Contract, say func(format string, args ...any)) vmtest.Settings {
	return vmtest.Settings{
		Contract: terms,
		Patience: cfg.Patience(),
		OnStage:  func(r watch.Reached) { say("%s", r.Stage) },
		OnTrip:   func(t watch.Trip) { say("%s: %s", t.ID, t.Means) },
	}
}
