package vmtest

import (
	"fmt"
	"strings"
	"time"

	"bootaudit/internal/plain"
	"bootaudit/serial/watch"
)

func (s *session) describe(m *metadata) {
	vm := s.vm
	m.Artifact.Fingerprint = s.fleet.subject.RootKey.Fingerprint
	if built := s.fleet.subject.Built; built != nil {
		b := built()
		m.Artifact.StorePath, m.Artifact.Deriver, m.Artifact.NARHash = b.StorePath, b.Deriver, b.NARHash
		took := b.Took.Round(time.Millisecond).Seconds()
		m.Timings.Build = &took
	}
	m.QEMU = qemuData{Command: vm.Machine.CommandLine(), Version: vm.Version}
	for i, d := range vm.Machine.Disks {
		if i == 0 {
			m.QEMU.DiskImage = d.File
		} else {
			m.QEMU.ExtraDisks = append(m.QEMU.ExtraDisks, d.File)
		}
	}
	if vm.SSHPort != 0 {
		m.SSH = sshData{Host: "127.0.0.1", Port: vm.SSHPort, Executable: "built in (golang.org/x/crypto/ssh)"}
	}
	m.Timings.Start = vm.Started.UTC().Format(time.RFC3339)
}

// tell prints a line about the VM for whoever watches.
func (s *session) tell(format string, args ...any) {
	text := plain.Text(fmt.Sprintf(format, args...))
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	fmt.Fprintf(s.fleet.out, "vm %s: %s\n", s.name, strings.ReplaceAll(text, "\n", " "))
}

func (s *session) onStage(r watch.Reached) {
	s.seenMu.Lock()
	s.stage = r.Stage
	s.seenMu.Unlock()
	s.record.pass(fmt.Sprintf("%.0fs %s", time.Since(s.started0()).Seconds(), r.Stage))
	seconds := r.At.Sub(s.started0()).Round(time.Millisecond).Seconds()
	s.record.update(func(m *metadata) { m.Stages = append(m.Stages, stageData{string(r.Stage), seconds}) })
	s.record.say("stage %s: %s", r.Stage, r.Line)
}

func (s *session) onTrip(t watch.Trip) {
	s.seenMu.Lock()
	s.trips = append(s.trips, t)
	s.seenMu.Unlock()
	s.record.pass(fmt.Sprintf("%.0fs tripwire %s: %s", time.Since(s.started0()).Seconds(), t.ID, t.Means))
	seconds := t.At.Sub(s.started0()).Round(time.Millisecond).Seconds()
	s.record.update(func(m *metadata) { m.Trips = append(m.Trips, trippedData{t.ID, t.Line, t.Fatal, seconds}) })
	s.record.say("tripwire %s (%s): %s", t.ID, t.Means, t.Line)
}

// started0 is when the VM was started, or is being started: the console may
// speak before [Launch] has returned.
func (s *session) started0() time.Time {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return s.began
}

func (s *session) begins(at time.Time) {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	s.began = at
}

// heartbeat says every ten seconds how far the boot is, until the shell.
func (s *session) heartbeat() {
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
