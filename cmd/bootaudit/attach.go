package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"bootaudit/internal/config"
	"bootaudit/internal/kept"
	"bootaudit/internal/plain"
)

const attachUsage = `usage: bootaudit attach [-end] [VM [COMMAND...]]

Get at a VM that BOOT_IMAGE_DEBUG=1 has kept, because a check of it failed: at its
serial console, which Ctrl-] leaves, or, with a command, at a root shell beside it.
Without a VM's name: the only one. Without a terminal, standard input is typed at
the console, and its end leaves.

`

func runAttach(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("attach", flag.ContinueOnError)
	end := flags.Bool("end", false, "end the VM")
	if status, done := parse(flags, args, attachUsage); done {
		return status
	}
	cfg, err := config.Load()
	if err != nil {
		return fail(err)
	}
	vm, err := kept.Find(string(cfg.CacheDir), flags.Arg(0))
	if err != nil {
		return fail(fmt.Errorf("attach: %w", err))
	}
	switch {
	case *end:
		if err := vm.End(ctx, string(cfg.CacheDir)); err != nil {
			return fail(fmt.Errorf("attach: %w", err))
		}
		fmt.Printf("VM %s has ended; its files are in %s\n", vm.Name, vm.Folder)
		return 0
	case flags.NArg() > 1:
		result, err := vm.Run(ctx, strings.Join(flags.Args()[1:], " "))
		if err != nil {
			return fail(fmt.Errorf("attach: %w", err))
		}
		show(os.Stdout, result.Stdout)
		show(os.Stderr, result.Stderr)
		return result.Status
	}
	fmt.Fprint(os.Stderr, vm.Usage())
	conn, err := vm.Console(ctx)
	if err != nil {
		return fail(fmt.Errorf("attach: %w", err))
	}
	return console(ctx, conn, vm.Name)
}

// show passes on what a command in the guest has written: as it is, but for a
// terminal, which would act on it.
func show(to *os.File, text []byte) {
	if term.IsTerminal(int(to.Fd())) {
		text = []byte(plain.Text(string(text)))
	}
	to.Write(text)
}

// leave is Ctrl-], the key that telnet and others use.
const leave = 0x1d

// console joins the terminal and a guest's serial console until Ctrl-], the end
// of standard input, or the guest's.
func console(ctx context.Context, conn net.Conn, name string) int {
	defer conn.Close()
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		old, err := term.MakeRaw(fd)
		if err != nil {
			return fail(err)
		}
		defer func() { _ = term.Restore(fd, old) }()
		// For a prompt to look at; a boot goes on without.
		_, _ = conn.Write([]byte("\r"))
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	left := make(chan bool, 1) // true: by a key, false: no more input
	go func() {
		buf := make([]byte, 256)
		for {
			n, err := os.Stdin.Read(buf)
			typed, _, leaves := strings.Cut(string(buf[:n]), string(rune(leave)))
			if _, writeErr := io.WriteString(conn, typed); writeErr != nil || err != nil || leaves {
				left <- leaves
				return
			}
		}
	}()
	heard := make(chan struct{}, 1)
	go func() {
		defer close(heard)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			os.Stdout.Write(buf[:n])
			if err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	// After the end of a piped input, its answers are awaited.
	var silence <-chan time.Time
	for {
		select {
		case byKey := <-left:
			if !byKey {
				silence = time.After(answerTime)
				continue
			}
			fmt.Fprintf(os.Stderr, "\r\n[left the console of %s]\r\n", name)
			return 0
		case _, more := <-heard:
			if !more {
				fmt.Fprintf(os.Stderr, "\r\n[the console of %s has ended]\r\n", name)
				return 0
			}
			if silence != nil {
				silence = time.After(answerTime)
			}
		case <-silence:
			fmt.Fprintf(os.Stderr, "\r\n[left the console of %s]\r\n", name)
			return 0
		}
	}
}

// answerTime is the silence of a guest after which its answers are taken to be
// complete.
const answerTime = 3 * time.Second
