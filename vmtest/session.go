package vmtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/internal/queue"
	"bootaudit/internal/quote"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// fleet is the VMs of a run of scenarios, and what they share.
type fleet struct {
	subject  Subject
	cfg      config.Config
	out      io.Writer // a person who watches
	attr     func(name, value string)
	deadline time.Time // of every VM; zero is none
	timeout  time.Duration
	evidence time.Duration // kept back behind the deadline to save what a VM leaves
	// Limits of what is collected after a failure: of one collector, of all.
	collect, diagnosis time.Duration

	mu       sync.Mutex
	sessions map[string]*session
	order    []*session
	pace     float64 // how much slower than its cost the slowest boot was
}

func newFleet(subject Subject, cfg config.Config, w Watcher) *fleet {
	f := &fleet{
		subject: subject, cfg: cfg, out: w.Out, sessions: map[string]*session{},
		collect: collectLimit, diagnosis: diagnoseLimit,
	}
	if f.out == nil {
		f.out = io.Discard
	}
	f.attr = w.Attr
	if !w.Deadline.IsZero() {
		f.timeout = w.Timeout
		// A short -timeout leaves less for both.
		f.evidence = min(evidenceTime, f.timeout/5)
		f.deadline = w.Deadline.Add(-f.evidence)
	}
	return f
}

func (f *fleet) close() {
	for _, s := range f.order {
		s.close(nil)
	}
}

// session is one VM's life: booted by the first check that needs it, shared by
// scenarios that do not disturb each other, and recorded at its end.
type session struct {
	fleet    *fleet
	name     string
	cost     time.Duration
	users    int // scenarios that are not over; fleet.mu is held
	template Machine
	keyless  bool // the image gets no key, though one is known
	// unneeded, when set, says why the subject does without this VM, once its
	// image has been looked at.
	unneeded func() string
	account  serial.Account
	faults   string // for the image's knob
	// prepare, when set, puts on the disks what the scenario needs there.
	prepare func(Machine) error
	// steps are the way to a root shell as checks, each taken once.
	steps []check.Check
	// device is the control line's port in the guest; "" is the machine's.
	device string

	mu        sync.Mutex // held by a check: a guest has one state
	planned   func() (Machine, error)
	image     *iso.Image        // closed; its fields stay
	keyed     bool              // the image has a root key
	status    map[string]string // of the provisioning, once read
	vm        *VM
	record    *record
	temp      bool // the folder is of use only after a failure
	cast      *os.File
	release   func()    // of the host's CPUs
	judged    time.Time // the last check
	happened  time.Time // in the guest, what the check's last wait ended by
	failed    bool
	unsure    bool              // a check could not tell
	diagnosed map[string]bool   // topics that were looked into after a failure
	ipv4      string            // of the contract's interface
	digest    [sha256.Size]byte // of the disk that must not change
	closed    bool
	quiet     chan struct{}

	seenMu sync.Mutex // for the console's pump, which must not wait for a check
	began  time.Time  // of the VM
	stage  watch.Stage
	trips  []watch.Trip
}

// evidenceTime is kept back from a deadline to save what a VM leaves behind.
const evidenceTime = 20 * time.Second

// errNoTime ends what goes on when go test's deadline is near.
var errNoTime = errors.New("go test's -timeout is near; give a longer one")

// noTime is the result of a boot for which go test leaves too little time.
func (f *fleet) noTime(s *session, cost time.Duration) check.Result {
	var all time.Duration
	f.mu.Lock()
	for _, each := range f.sessions {
		all += each.cost
	}
	pace := max(f.pace, 1)
	f.mu.Unlock()
	want := time.Duration(float64(all)*pace*1.5)/time.Minute*time.Minute + 5*time.Minute
	return check.Doubt(fmt.Sprintf("not started: booting %s and looking takes about %s here, and go test's -timeout %s leaves %s; give -timeout %.0fm",
		s.name, cost.Round(time.Second), f.timeout, max(0, time.Until(f.deadline)).Round(time.Second), want.Minutes()))
}

// patience is the subject's, more of it where a login may take longer than it
// does by default.
func (f *fleet) patience() float64 {
	return cmp.Or(f.subject.Patience, 1) * f.cfg.Patience()
}

// do runs one check's look at the VM, with everyone else kept away. It ends in
// time to save evidence before go test's own deadline.
func (s *session) do(ctx context.Context, topic string, look func(context.Context) check.Result) check.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.fleet.deadline; !d.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, d, errNoTime)
		defer cancel()
	}
	if limit := s.fleet.cfg.SpawnTimeout.Duration(); limit > 0 && s.vm != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, s.vm.Started.Add(limit),
			fmt.Errorf("the VM's %s are over (BOOT_IMAGE_VM_SPAWN_TIMEOUT)", limit))
		defer cancel()
	}
	s.happened = time.Time{}
	r := look(ctx)
	s.judged = time.Now()
	if r.Outcome == check.Broken && errors.Is(context.Cause(ctx), errNoTime) {
		r.Outcome = check.Unknown // our time was up, not the guest's
	}
	switch {
	case r.Outcome == check.Broken && !r.Past:
		s.failed = true
		s.diagnose(topic, r)
	case r.Outcome == check.Unknown:
		s.unsure = true
	}
	if s.record != nil {
		s.record.say("%s: %s: %s", topic, r.Outcome, r.Detail)
	}
	return r
}

// start starts QEMU, once; the guest does not run yet.
func (s *session) start(ctx context.Context) check.Result {
	f := s.fleet
	f.mu.Lock()
	cost := time.Duration(float64(s.cost) * max(f.pace, 1))
	f.mu.Unlock()
	late := func() bool { return !f.deadline.IsZero() && time.Until(f.deadline) < cost }
	if late() {
		return f.noTime(s, cost)
	}
	machine, err := s.plan(ctx)
	if err != nil {
		return unable(err)
	}
	machine.Name = s.name
	why := "asked for"
	if machine.Accelerator == "" {
		machine.Accelerator, why = prereq.Accelerator(ctx)
	}
	folder, temp, err := runFolder(string(f.cfg.Artifacts), string(f.cfg.LogRoot), s.name, time.Now())
	if err != nil {
		return check.Doubt(err.Error())
	}
	machine.Folder, s.temp = folder, temp
	machine = machine.withDefaults()
	s.begins(time.Now())
	s.record = newRecord(folder, func(text string) { s.tell("%s", text) })
	s.record.update(func(m *metadata) {
		m.Name, m.Accelerator, m.Firmware, m.Artifact.ISO = s.name, machine.Accelerator, machine.Firmware, machine.ISO
	})
	if s.cast, err = os.Create(filepath.Join(folder, castFile)); err != nil {
		s.record.check(err)
	}
	if s.prepare != nil {
		if err := s.prepare(machine); err != nil {
			return check.Doubt(err.Error())
		}
	}
	if machine.Accelerator == "tcg" {
		// Of the host's CPUs, those that our control group lets us use.
		host, want := runtime.GOMAXPROCS(0), machine.CPUs
		if room, err := roomForGuests(); err == nil { // else the check memory says why
			want = share(host, room, machine)
		}
		s.release, err = queue.CPUs(ctx, filepath.Join(string(f.cfg.CacheDir), "cpus"), host, want,
			func() {
				s.tell("waits until %d of the host's %d CPUs are free of other emulated guests", want, host)
			})
		if err != nil {
			return check.Doubt(err.Error())
		}
	}
	if late() { // after the image's build, and the queue
		return f.noTime(s, cost)
	}
	settings := Settings{Contract: f.subject.Contract, Keep: f.cfg.Debug, Patience: f.patience(), OnStage: s.onStage, OnTrip: s.onTrip, device: s.device}
	if s.cast != nil {
		settings.Recording = s.cast
	}
	vm, err := Launch(ctx, machine, settings)
	if err != nil {
		return unable(err)
	}
	s.vm = vm
	s.begins(vm.Started)
	s.record.update(func(m *metadata) { s.describe(m) })
	s.record.say("qemu %s started, accelerator %s (%s)", vm.Version, machine.Accelerator, why)
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
	var missing *iso.NoImage
	switch {
	case errors.As(err, &missing):
		return check.Result{Outcome: missing.Outcome, Detail: err.Error()}
	case errors.Is(err, ErrNoQEMU), errors.Is(err, ErrNoUEFI):
		return check.Miss(err.Error())
	default:
		return check.Break(err.Error())
	}
}
