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

	"bootaudit/contract/check"
	"bootaudit/internal/microguest"
)

// kvmLimit ends the micro-guest's run under KVM. It takes 0.1 s; a KVM that
// emulates instructions one by one, because it is nested where it cannot be,
// runs real mode well, needs more than 20 s for this and hangs a real kernel.
const kvmLimit = 4 * time.Second

// kvmCPU is what QEMU must have used of it before KVM is called broken: it
// takes 0.2 s on one that works, and all there is on one that emulates. With
// less, the host was too busy, or QEMU waited for something.
const kvmCPU = time.Second

// emulated is why no guest is tried on KVM.
const emulated = "built with -tags tcg: guests are emulated"

// choice is an accelerator, chosen once.
type choice struct {
	sync.Mutex
	name, why string
}

var accelerator choice

// Accelerator is what guests should run on here: "kvm" only when a guest ran on
// it and worked, else "tcg", and why. It is found once per process, in 5 s at
// most; again where the host was too busy to tell. Built with -tags tcg, it is
// always "tcg".
func Accelerator(ctx context.Context) (name, why string) { return accelerator.of(ctx, thisHost()) }

func (c *choice) of(ctx context.Context, h host) (name, why string) {
	c.Lock()
	defer c.Unlock()
	if c.name != "" {
		return c.name, c.why
	}
	if forceTCG {
		return "tcg", emulated
	}
	limited, cancel := context.WithTimeout(ctx, kvmLimit+time.Second)
	defer cancel()
	r, certain := auditor{host: h}.tryKVM(limited)
	if ctx.Err() != nil { // the caller's end says nothing about KVM
		return "tcg", ctx.Err().Error()
	}
	if !certain {
		return "tcg", r.Detail
	}
	c.name, c.why = "tcg", r.Detail
	if r.Outcome == check.Holds {
		c.name = "kvm"
	}
	return c.name, c.why
}

func (a auditor) kvmApplies(context.Context) string {
	if forceTCG {
		return emulated
	}
	return ""
}

func (a auditor) kvm(ctx context.Context) check.Result {
	r, _ := a.tryKVM(ctx)
	return r
}

// tryKVM is certain unless the host was too busy to tell.
func (a auditor) tryKVM(ctx context.Context) (r check.Result, certain bool) {
	without := func(detail, followUp string) check.Result {
		return check.Warn(detail, "guests are emulated (TCG): boots take about ten times as long, and time limits must allow for it", followUp)
	}
	const kvm = "/dev/kvm"
	switch err := a.Open(kvm); {
	case errors.Is(err, fs.ErrNotExist):
		if a.virtualises() {
			return without("there is no /dev/kvm, though the CPU can virtualise", "load the kernel module kvm_intel or kvm_amd; in a container, pass the device in"), true
		}
		return without("there is no /dev/kvm, and the CPU shows neither vmx nor svm", "enable virtualisation in the firmware, or nested virtualisation in the hypervisor, or run on a machine that has it"), true
	case errors.Is(err, fs.ErrPermission):
		r := without("KVM is there, and this user may not open it", fmt.Sprintf("usermod -aG kvm %s, then log in again", a.user()))
		r.Evidence = err.Error()
		if info, err := a.stat(kvm); err == nil {
			r.Evidence += fmt.Sprintf("\n%s uid %d, mode %s", kvm, a.UID, info.Mode())
		}
		return r, true
	case err != nil:
		return without(fmt.Sprintf("KVM is there and broken: %v", err), "see the host's kernel log"), true
	}
	path, err := a.LookPath(qemu)
	if err != nil {
		return without("not tried: "+err.Error(), "install QEMU"), true
	}
	ctx, cancel := context.WithTimeout(ctx, kvmLimit)
	defer cancel()
	report, err := a.Boot(ctx, microguest.Machine{QEMU: path, Accelerator: "kvm"})
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	certain = true
	switch {
	case err == nil:
		r = check.Hold(fmt.Sprintf("a guest ran on KVM and did its work in %.2f s", report.Took.Seconds()))
	case late && report.CPU < kvmCPU:
		certain = false
		r = without(fmt.Sprintf("KVM is there and cannot be judged: a guest was started on it, QEMU got %.1f s of a CPU, and %v", report.CPU.Seconds(), err),
			"see what else this host does, and look again when it is less busy")
	default:
		if late {
			err = fmt.Errorf("%w; emulated, it takes a fraction of a second", err)
		}
		r = without(fmt.Sprintf("KVM is there and broken: a guest was started on it and %v", err),
			"run on a machine whose KVM works; where this one is itself a guest, ask its provider for nested virtualisation")
	}
	r.Command = call{Args: report.Command}.String()
	r.Evidence = report.Console + report.Stderr
	return r, certain
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
