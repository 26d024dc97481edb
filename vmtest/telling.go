package vmtest

import (
	"fmt"
	"time"

	"bootaudit/internal/record"
	"bootaudit/serial/watch"
)

func (s *Session) describe(m *record.Metadata) {
	vm := s.vm
	m.Artifact.Fingerprint = s.plan.RootKey.Fingerprint
	if s.plan.Provenance != nil {
		p := s.plan.Provenance()
		m.Artifact.StorePath, m.Artifact.Deriver, m.Artifact.NARHash = p.StorePath, p.Deriver, p.NARHash
		took := p.Took.Round(time.Millisecond).Seconds()
		m.Timings.Build = &took
	}
	m.QEMU = record.QEMU{Command: vm.Machine.CommandLine(), Version: vm.Version}
	for i, d := range vm.Machine.Disks {
		if i == 0 {
			m.QEMU.DiskImage = d.File
		} else {
			m.QEMU.ExtraDisks = append(m.QEMU.ExtraDisks, d.File)
		}
	}
	if vm.SSHPort != 0 {
		m.SSH = record.SSH{Host: "127.0.0.1", Port: vm.SSHPort, Executable: "built in (golang.org/x/crypto/ssh)"}
	}
	m.Timings.Start = vm.Started.UTC().Format(time.RFC3339)
}

// tell prints a line about the VM for whoever watches.
func (s *Session) tell(format string, args ...any) { s.harness.tell(s.plan.Name, format, args...) }

func (s *Session) onStage(r watch.Reached) {
	s.seenMu.Lock()
	s.stage = r.Stage
	s.seenMu.Unlock()
	s.record.Pass(fmt.Sprintf("%.0fs %s", time.Since(s.started0()).Seconds(), r.Stage))
	seconds := r.At.Sub(s.started0()).Round(time.Millisecond).Seconds()
	s.record.Update(func(m *record.Metadata) {
		m.Stages = append(m.Stages, record.Stage{Stage: string(r.Stage), Seconds: seconds})
	})
	s.record.Say("stage %s: %s", r.Stage, r.Line)
}

func (s *Session) onTrip(t watch.Trip) {
	s.seenMu.Lock()
	s.trips = append(s.trips, t)
	s.seenMu.Unlock()
	s.record.Pass(fmt.Sprintf("%.0fs tripwire %s: %s", time.Since(s.started0()).Seconds(), t.ID, t.Means))
	seconds := t.At.Sub(s.started0()).Round(time.Millisecond).Seconds()
	s.record.Update(func(m *record.Metadata) {
		m.Trips = append(m.Trips, record.Trip{ID: t.ID, Line: t.Line, Fatal: t.Fatal, Seconds: seconds})
	})
	s.record.Say("tripwire %s (%s): %s", t.ID, t.Means, t.Line)
}

// started0 is when the VM was started, or is being started: the console may
// speak before [Launch] has returned.
func (s *Session) started0() time.Time {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return s.began
}

func (s *Session) begins(at time.Time) {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	s.began = at
}

// heartbeat says every ten seconds how far the boot is, until the shell.
func (s *Session) heartbeat() {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.quiet:
			return
		case <-s.vm.Done():
			return
		case <-tick.C:
			s.seenMu.Lock()
			stage := s.stage
			s.seenMu.Unlock()
			if stage == watch.Shell {
				return
			}
			if stage == "" {
				stage = "no output yet"
			}
			s.tell("%.0fs %s", time.Since(s.vm.Started).Seconds(), stage)
		}
	}
}
