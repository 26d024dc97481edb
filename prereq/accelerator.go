package prereq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"bootaudit/internal/microguest"
)

// kvmLimit ends the micro-guest's run under KVM. It takes 0.1 s; a KVM that
// emulates instructions one by one, because it is nested where it cannot be,
// runs real mode well, needs more than 20 s for this and hangs a real kernel.
const kvmLimit = 4 * time.Second

// choice is an accelerator, chosen once.
type choice struct {
	sync.Mutex
	name, why string
}

var accelerator choice

// Accelerator is what guests should run on here: "kvm" only when a guest ran on
// it and worked, else "tcg", and why. It is found once per process, in 5 s at
// most. Built with -tags tcg, it is always "tcg".
func Accelerator(ctx context.Context) (name, why string) { return accelerator.of(ctx, ThisHost()) }

func (c *choice) of(ctx context.Context, h Host) (name, why string) {
	c.Lock()
	defer c.Unlock()
	if c.name != "" {
		return c.name, c.why
	}
	limited, cancel := context.WithTimeout(ctx, kvmLimit+time.Second)
	defer cancel()
	r := auditor{Host: h}.kvm(limited)
	if ctx.Err() != nil { // the caller's end says nothing about KVM
		return "tcg", ctx.Err().Error()
	}
	c.name, c.why = "tcg", r.Detail
	if r.Outcome == Holds {
		c.name = "kvm"
	}
	return c.name, c.why
}

func (a auditor) kvm(ctx context.Context) Result {
	if forceTCG {
		return Skip("built with -tags tcg: guests are emulated")
	}
	without := func(detail, followUp string) Result {
		r := Skip(detail)
		r.Risk = "guests are emulated (TCG): boots take about ten times as long, and time limits must allow for it"
		r.FollowUp = followUp
		return r
	}
	const kvm = "/dev/kvm"
	switch err := a.Open(kvm); {
	case errors.Is(err, fs.ErrNotExist):
		if a.virtualises() {
			return without("there is no /dev/kvm, though the CPU can virtualise", "load the kernel module kvm_intel or kvm_amd; in a container, pass the device in")
		}
		return without("there is no /dev/kvm, and the CPU shows neither vmx nor svm", "enable virtualisation in the firmware, or nested virtualisation in the hypervisor, or run on a machine that has it")
	case errors.Is(err, fs.ErrPermission):
		r := without("KVM is there, and this user may not open it", fmt.Sprintf("usermod -aG kvm %s, then log in again", a.user()))
		r.Evidence = err.Error()
		if info, err := a.stat(kvm); err == nil {
			r.Evidence += fmt.Sprintf("\n%s uid %d, mode %s", kvm, a.UID, info.Mode())
		}
		return r
	case err != nil:
		return without(fmt.Sprintf("KVM is there and broken: %v", err), "see the host's kernel log")
	}
	path, err := a.LookPath(qemu)
	if err != nil {
		return without("not tried: "+err.Error(), "install QEMU")
	}
	ctx, cancel := context.WithTimeout(ctx, kvmLimit)
	defer cancel()
	report, err := a.Boot(ctx, microguest.Machine{QEMU: path, Accelerator: "kvm"})
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w; emulated, it takes a fraction of a second", err)
		}
		r := without(fmt.Sprintf("KVM is there and broken: a guest was started on it and %v", err),
			"run on a machine whose KVM works; where this one is itself a guest, ask its provider for nested virtualisation")
		r.Command = Command{Args: report.Command}.String()
		r.Evidence = report.Console + report.Stderr
		return r
	}
	r := Hold(fmt.Sprintf("a guest ran on KVM and did its work in %.2f s", report.Took.Seconds()))
	r.Command = Command{Args: report.Command}.String()
	r.Evidence = report.Console + report.Stderr
	return r
}

// virtualises says whether the CPU says that it can.
func (a auditor) virtualises() bool {
	text, _ := a.readFile("/proc/cpuinfo")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "flags") {
			flags := strings.Fields(line)
			return slices.Contains(flags, "vmx") || slices.Contains(flags, "svm")
		}
	}
	return false
}
