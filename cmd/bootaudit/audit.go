package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bootaudit/internal/audit"
	"bootaudit/internal/config"
	"bootaudit/internal/quote"
	"bootaudit/internal/report"
	"bootaudit/internal/runner"
)

const auditUsage = `usage: bootaudit audit [flags] [IMAGE]

Audits this host, the image and boots of it, as go test does in the repository, and
writes report.md, report.html, junit.xml and events.json. IMAGE is a file; else a
flag or the environment (BOOT_IMAGE_...) names what is audited.

	bootaudit audit my.iso
	bootaudit audit -run 'TestVM/clean-disk' -o out my.iso
	bootaudit audit -kernel vmlinuz -initrd initrd.img -cmdline console=ttyS0

Exit status: 0 when all that was asked for holds, 1 when something is broken, 2 when
the audit could not be made, 125 when nothing is broken but something that is needed
is not here or could not be told.

`

// choice is what the flags of an audit say.
type choice struct {
	variables map[string]*string // by the variable that each flag stands for
	profile   *string
	out       *string
	run, skip *string
	lenient   *bool
	json      *bool
	standIn   *bool
	timeout   *time.Duration
}

// chooses declares the flags.
func chooses(flags *flag.FlagSet) choice {
	c := choice{variables: map[string]*string{}}
	for _, f := range []struct{ name, variable, usage string }{
		{"flake", "BOOT_IMAGE_FLAKE", "`FLAKE` that builds the image"},
		{"contract", "BOOT_IMAGE_CONTRACT", "what the image promises: a profile's `NAME`, or a TOML file"},
		{"kernel", "BOOT_IMAGE_KERNEL", "kernel `FILE` to boot without a boot loader"},
		{"initrd", "BOOT_IMAGE_INITRD", "initrd `FILE` for it"},
		{"cmdline", "BOOT_IMAGE_CMDLINE", "command `LINE` for it"},
		{"bus", "BOOT_IMAGE_BUS", "boot the image from a cdrom, usb or disk"},
		{"firmware", "BOOT_IMAGE_VM_FIRMWARE", "boot by this `FIRMWARE`"},
	} {
		c.variables[f.variable] = flags.String(f.name, "", f.usage)
	}
	c.profile = flags.String("profile", "", "a profile's `NAME`, as -contract")
	c.out = flags.String("o", "", "write to this `DIR`; else audit/ and the time")
	c.run = flags.String("run", "", "run only the tests that match `PATTERN`, as go test's -run: see bootaudit list")
	c.skip = flags.String("skip", "", "leave out the tests that match `PATTERN`")
	c.lenient = flags.Bool("lenient", false, "skip, instead of fail, what is not here or cannot be told")
	c.json = flags.Bool("json", false, "write the events of go test -json to standard output, and nothing else")
	c.standIn = flags.Bool("stand-in", false, "audit bootaudit's own image, which is built if it is not in the cache")
	c.timeout = flags.Duration("timeout", 0, "end the tests after this `TIME`, such as 90m; 0 is never")
	return c
}

func runAudit(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("audit", flag.ContinueOnError)
	c := chooses(flags)
	if status, done := parse(flags, args, auditUsage); done {
		return status
	}
	if flags.NArg() > 1 {
		return fail(fmt.Errorf("audit: one image at a time, and flags before it: %s", quote.Line(flags.Args()...)))
	}
	door, err := c.enter(flags.Arg(0))
	if err != nil {
		return fail(fmt.Errorf("audit: %w", err))
	}
	// Before the environment is decoded, which is once: VMs leave their files there.
	folder := here(cmp.Or(*c.out, os.Getenv("BOOT_IMAGE_ARTIFACTS"), timedFolder()))
	os.Setenv("BOOT_IMAGE_ARTIFACTS", folder)
	if _, err := config.Load(); err != nil {
		return fail(err)
	}
	stream := &runner.Stream{}
	if stream.Run, err = runner.ParsePattern(*c.run); err != nil {
		return fail(err)
	}
	if stream.Skip, err = runner.ParsePattern(*c.skip); err != nil {
		return fail(err)
	}
	signal.Ignore(syscall.SIGPIPE)
	dir, err := auditFolder(folder)
	if err != nil {
		return fail(err)
	}
	return c.audit(ctx, door, stream, dir)
}

// enter puts what the flags and the argument say into the environment, where it is
// decoded, and is the door that says how to come again.
func (c choice) enter(image string) (audit.Door, error) {
	door := audit.Door{Command: "bootaudit audit", Environ: config.Assignments(), Version: built()}
	if *c.profile != "" {
		if *c.variables["BOOT_IMAGE_CONTRACT"] != "" {
			return door, errors.New("-profile and -contract are both given; one is enough")
		}
		*c.variables["BOOT_IMAGE_CONTRACT"] = *c.profile
	}
	set := func(name, value string) {
		os.Setenv(name, value)
		door.Environ = strings.TrimSpace(door.Environ + " " + name + "=" + quote.Word(value))
	}
	for _, name := range slices.Sorted(maps.Keys(c.variables)) {
		text := *c.variables[name]
		if text == "" {
			continue
		}
		switch name {
		case "BOOT_IMAGE_KERNEL", "BOOT_IMAGE_INITRD":
			text = here(text)
		case "BOOT_IMAGE_CONTRACT":
			if _, err := os.Stat(text); err == nil {
				text = here(text)
			}
		}
		set(name, text)
	}
	if image != "" {
		set("BOOT_IMAGE_FILE", here(image))
	}
	os.Setenv("BOOT_IMAGE_REQUIRE", "1")
	if *c.lenient {
		os.Setenv("BOOT_IMAGE_REQUIRE", "0")
		door.Command += " -lenient"
	}
	named := false
	for _, name := range []string{"BOOT_IMAGE_FILE", "BOOT_IMAGE_ISO", "BOOT_IMAGE_FLAKE", "BOOT_IMAGE_KERNEL"} {
		named = named || os.Getenv(name) != ""
	}
	switch {
	case !named && !*c.standIn:
		return door, errors.New("no image is given: name a file, or -flake, -kernel, or -stand-in for bootaudit's own")
	case named && *c.standIn:
		return door, errors.New("-stand-in and an image are both given; one is enough")
	case *c.standIn:
		door.Command += " -stand-in"
	}
	return door, nil
}

// here is a path as it is from where the program was called.
func here(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// audit runs the tests and makes the report of them.
func (c choice) audit(ctx context.Context, door audit.Door, stream *runner.Stream, dir string) int {
	in, events := io.Pipe()
	stream.Out = events
	limited := ctx
	if *c.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, *c.timeout)
		defer cancel()
	}
	go func() {
		for _, part := range door.Parts() {
			stream.Package(limited, part.Package, part.Test, part.Run)
		}
		events.Close()
	}()
	var shown io.Reader = in
	out := os.Stdout
	if *c.json {
		shown, out = io.TeeReader(in, os.Stdout), nil
	}
	run, err := follow(ctx, dir, "the audit", shown, out)
	return conclude(dir, []string{dir}, []*report.Run{run}, err, out)
}
