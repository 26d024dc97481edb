package vmtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/record"
	"bootaudit/internal/screen"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// The steps, in the order of a boot.

func (s *Session) bootloader(ctx context.Context) check.Result {
	if err := s.vm.Continue(ctx); err != nil {
		return s.Broke(err)
	}
	if s.vm.Machine.Kernel != "" {
		return check.Hold("the machine loads the kernel itself")
	}
	return s.await(ctx, watch.Bootloader)
}

func (s *Session) kernel(ctx context.Context) check.Result {
	if err := s.vm.PassMenu(ctx); err != nil {
		return s.Broke(err)
	}
	return s.speaks(ctx, watch.Initrd)
}

func (s *Session) systemd(ctx context.Context) check.Result { return s.speaks(ctx, watch.Init) }

// speaks awaits a stage of the boot. One that passes in silence, so that a login
// is the next that is heard, may show that the kernel's console is another one.
func (s *Session) speaks(ctx context.Context, stage watch.Stage) check.Result {
	r := s.await(ctx, stage)
	at := s.vm.stageAt(stage)
	if r.Outcome != check.Holds || at.Stage == "" || !at.Stage.Reached(watch.Login) {
		return r
	}
	device, args := s.plan.Contract.Console.Device, s.kernelArgs()
	here := cmp.Or(device, s.vm.Machine.Console)
	came := fmt.Sprintf("%s after %.1f s", at.Stage, at.At.Sub(s.vm.Started).Seconds())
	heard := stage == watch.Init && !s.vm.stageAt(watch.Initrd).Stage.Reached(watch.Init) // the kernel was
	switch last := lastConsole(args); {
	case last != "" && device != "" && last != device:
		// As it looks.
	case last != "" && slices.Contains(args, "quiet"): // loglevel= silences the kernel alone
		return check.Hold(came + ", and nothing of the kernel before: its command line says quiet").With(r.Evidence)
	case heard && (last == here || s.linesBefore(at) > issueLines):
		return check.Hold(came + "; what came after the kernel is of an init that is not known").With(r.Evidence)
	case device == "":
		return check.Warn(came+", and nothing was heard before it", "should the boot hang there, nothing will tell where",
			"put console=ttyS0,115200n8 last on the kernel's command line, without quiet").With(r.Evidence)
	}
	return past(check.Break(fmt.Sprintf("nothing was heard of it: after the boot loader the console was silent until the %s; the last console= on the kernel's command line is not the serial port", at.Stage)), r.Evidence)
}

// issueLines is how many lines a getty may print before its prompt: those are no
// word of an init's.
const issueLines = 15

func (s *Session) kernelArgs() []string {
	if s.plan.KernelArgs == nil {
		return nil
	}
	return s.plan.KernelArgs()
}

// lastConsole is the device of the last console= of a kernel's command line.
func lastConsole(args []string) (device string) {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "console="); ok {
			device, _, _ = strings.Cut(value, ",")
		}
	}
	return device
}

// linesBefore is how many lines the console had between a stage and the one
// before it.
func (s *Session) linesBefore(at watch.Reached) int {
	var from int64
	for _, r := range s.vm.Stages() {
		if r.Offset < at.Offset {
			from = max(from, r.Offset)
		}
	}
	f, err := os.Open(s.record.Path(record.TranscriptFile))
	if err != nil {
		return 0
	}
	defer f.Close()
	n := 0
	lines := screen.Lines{Each: func(line screen.Line) {
		if len(bytes.TrimSpace(line.Text)) > 0 {
			n++
		}
	}}
	_, _ = io.Copy(&lines, io.NewSectionReader(f, from, at.Offset-from))
	lines.Flush()
	return n
}

func (s *Session) await(ctx context.Context, stage watch.Stage) check.Result {
	reached, err := s.vm.Await(ctx, stage)
	if errors.Is(err, errExpected) {
		return check.Hold("not heard of; the console has shown what the contract expects")
	}
	if err != nil {
		return s.Broke(err)
	}
	r := check.Hold(fmt.Sprintf("%s after %.1f s", reached.Stage, reached.At.Sub(s.vm.Started).Seconds()))
	r.Evidence = reached.Line
	return r
}

func (s *Session) expected(ctx context.Context) check.Result {
	if s.plan.Contract.Console.Expect.Regexp == nil {
		return check.Hold("nothing is expected but a login")
	}
	r, err := s.vm.awaitExpected(ctx)
	if err != nil {
		return s.Broke(err)
	}
	return check.Hold(fmt.Sprintf("it does after %.1f s", r.At.Sub(s.vm.Started).Seconds())).With(strings.TrimSpace(r.Line))
}

func (s *Session) login(ctx context.Context) check.Result {
	want := s.plan.Contract.Login
	who, err := s.vm.Login(ctx, s.vm.Machine.Account)
	switch {
	case errors.Is(err, serial.ErrNoUser) && want == contract.Login{}:
		s.rootless = "the console asks who logs in, and nobody is named to log in as"
		return check.Hold(fmt.Sprintf("the console asks who logs in after %.0f s", time.Since(s.vm.Started).Seconds())).With(lastLines(s.vm.Console.Screen(), 12))
	case err != nil:
		return s.Broke(err)
	}
	s.record.Timed(s.vm.Started, "login")
	r := check.Hold(fmt.Sprintf("%s after %.0f s", who, time.Since(s.vm.Started).Seconds()))
	r.Evidence = lastLines(s.vm.Console.Screen(), 12)
	switch {
	case want.User != "" && who.User != want.User:
		return past(check.Break(fmt.Sprintf("logged in as %s; the contract promises %s", who, want.User)), r.Evidence)
	case want.UID != 0 && who.UID != want.UID:
		return past(check.Break(fmt.Sprintf("logged in as %s; the contract promises uid %d", who, want.UID)), r.Evidence)
	case want.Automatic && who.By != automaticLogin:
		return past(check.Break(fmt.Sprintf("logged in as %s; the contract promises an automatic login", who)), r.Evidence)
	}
	return r
}

func (s *Session) becomeRoot(ctx context.Context) check.Result {
	who, err := s.vm.BecomeRoot(ctx, s.vm.Machine.Account)
	if err != nil && s.vm.alive.Err() == nil && ctx.Err() == nil && s.mayStayUser() {
		s.record.Note(err)
		s.rootless = "nobody becomes root here, which the contract does not promise"
		return check.Warn("the login user does not become root", "what only root sees is not looked at",
			"name in the contract's [login] and [root] who becomes root, and how").With(err.Error())
	}
	if err != nil {
		return s.Broke(err)
	}
	s.record.Timed(s.vm.Started, "root")
	want := s.plan.Contract.Root
	r := check.Hold(fmt.Sprintf("%s after %.0f s", who, time.Since(s.vm.Started).Seconds()))
	r.Evidence = lastLines(s.vm.Console.Screen(), 12)
	if want.Passwordless && len(want.Methods) > 0 && who.By != want.Methods[0] {
		return past(check.Break(fmt.Sprintf("root by %s; the contract promises %s without a password", who.By, want.Methods[0])), r.Evidence)
	}
	return r
}

func (s *Session) openRoot(ctx context.Context) check.Result {
	note, err := s.vm.OpenRoot(ctx)
	if err != nil && s.vm.alive.Err() == nil && ctx.Err() == nil && s.mayStayUser() {
		s.record.Note(err)
		s.rootless = "root's shell runs no commands of ours here, and the contract promises none"
		return check.Warn("root's shell runs no commands of ours", "what only root sees is not looked at",
			"put base64, cksum, head, id, stty and a POSIX shell into the image").With(err.Error())
	}
	if err != nil {
		return s.Broke(err)
	}
	s.harness.paced(s.plan.Cost, time.Since(s.vm.Started))
	if note != "" {
		r := check.Warn("commands share the console", "commands are slower, and what the guest prints meanwhile is between them",
			"give the guest virtio_console (CONFIG_VIRTIO_CONSOLE), for a port of their own")
		return r.With(note)
	}
	return check.Hold("root's commands go over a port of their own")
}

// past is a result that was broken, and does not end the boot.
func past(r check.Result, evidence string) check.Result {
	r.Past = true
	return r.With(evidence)
}
