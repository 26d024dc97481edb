package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/queue"
	"bootaudit/internal/quote"
	"bootaudit/internal/record"
	"bootaudit/prereq"
)

// start starts QEMU, once; the guest does not run yet.
func (s *Session) start(ctx context.Context) check.Result {
	h, name := s.harness, s.plan.Name
	cost := h.price(s.plan.Cost)
	late := func() bool { return !h.Deadline.IsZero() && time.Until(h.deadline()) < cost }
	if late() {
		return h.noTime(name, cost)
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return unable(fmt.Errorf("%w: %w", ErrNoQEMU, err)) // before an image is built for nothing
	}
	machine, err := s.plan.Machine(ctx)
	if err != nil {
		return unable(err)
	}
	machine.Name = name
	if err := machine.withDefaults().validate(); err != nil {
		return check.Doubt("not started: " + err.Error()) // asked for by who audits, not by the image
	}
	why := "asked for"
	if machine.Accelerator == "" {
		machine.Accelerator, why = prereq.Accelerator(ctx)
	}
	folder, temp, err := record.Folder(h.Artifacts, h.LogRoot, name, time.Now())
	if err != nil {
		return check.Doubt(err.Error())
	}
	machine.Folder, s.temp = folder, temp
	machine = machine.withDefaults()
	s.begins(time.Now())
	s.record = record.New(folder, func(text string) { s.tell("%s", text) })
	s.record.Update(func(m *record.Metadata) {
		m.Name, m.Accelerator, m.Firmware, m.Artifact.ISO = name, machine.Accelerator, machine.Firmware, machine.ISO
	})
	if s.cast, err = os.Create(filepath.Join(folder, record.CastFile)); err != nil {
		s.record.Check(err)
	}
	if s.plan.Prepare != nil {
		if err := s.plan.Prepare(machine); err != nil {
			return check.Doubt(err.Error())
		}
	}
	if machine.Accelerator == "tcg" {
		// Of the host's CPUs, those that our control group lets us use.
		host, want := runtime.GOMAXPROCS(0), machine.CPUs
		if room, err := roomForGuests(); err == nil { // else the check memory says why
			want = share(host, room, machine)
		}
		s.release, err = queue.CPUs(ctx, filepath.Join(h.Cache, "cpus"), host, want,
			func() {
				s.tell("waits until %d of the host's %d CPUs are free of other emulated guests", want, host)
			})
		if err != nil {
			return check.Doubt(err.Error())
		}
	}
	if late() { // after the image's build, and the queue
		return h.noTime(name, cost)
	}
	settings := Settings{Contract: s.plan.Contract, Keep: h.Keep, Patience: h.patience(), Quiet: slices.Contains(s.kernelArgs(), "quiet"), OnStage: s.onStage, OnTrip: s.onTrip}
	if s.cast != nil {
		settings.Recording = s.cast
	}
	vm, err := Launch(ctx, machine, settings)
	if err != nil {
		return unable(err)
	}
	vm.until = h.deadline()
	s.vm = vm
	s.begins(vm.Started)
	s.record.Update(func(m *record.Metadata) { s.describe(m) })
	s.record.Say("qemu %s started, accelerator %s (%s)", vm.Version, machine.Accelerator, why)
	s.quiet = make(chan struct{})
	go s.heartbeat()
	r := check.Hold(fmt.Sprintf("QEMU %s runs the machine on %s", vm.Version, machine.Accelerator))
	r.Command = quote.Lines(vm.Machine.CommandLine()...)
	r.Evidence = "accelerator: " + why + "\nfiles: " + folder
	if machine.Network && machine.Outside {
		r.Outcome = check.Risk
		r.Risk = "the guest reaches what listens on this host, on its loopback too, and whatever this host reaches"
		r.FollowUp = `take network = "outside" out of the contract, unless the image cannot do without`
	}
	return r
}

// unable is a VM that could not be started: something that is not here, or
// QEMU's refusal.
func unable(err error) check.Result {
	var missing *check.Lack
	switch {
	case errors.As(err, &missing):
		return check.Result{Outcome: missing.Outcome, Detail: err.Error()}
	case errors.Is(err, ErrNoQEMU), errors.Is(err, ErrNoUEFI):
		return check.Miss(err.Error())
	default:
		return check.Break(err.Error()) // that QEMU starts is what was asked
	}
}
