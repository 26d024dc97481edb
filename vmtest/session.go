package vmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/record"
	"bootaudit/serial/watch"
)

// Plan is a VM to be, and what is known of the image that it boots.
type Plan struct {
	Name string
	// Cost is how long booting and looking takes, under TCG on idle CPUs.
	Cost time.Duration
	// Machine is what to boot. It is asked once, when the VM is first needed, and
	// may build the image; a [check.Lack] says what it means that there is none.
	Machine func(context.Context) (Machine, error)
	// Prepare, when set, puts on the machine's disks what must be there.
	Prepare func(Machine) error
	// KernelArgs, when set, is the kernel's command line as the image's boot menu
	// has it, asked once Machine has been.
	KernelArgs func() []string
	// Contract is what the boot is held against.
	Contract contract.Contract
	// RootKey lets root log in over SSH.
	RootKey contract.Key
	// Provenance, when set, is asked when the VM has started.
	Provenance func() Provenance
}

// Provenance is where an image came from, for the record.
type Provenance struct {
	StorePath, Deriver, NARHash string
	Took                        time.Duration // the build
}

// Session is one VM's life: started when it is first asked for, booted to a root
// shell step by step, looked into when something is broken, recorded to its end.
// Its methods may be called by several goroutines.
type Session struct {
	harness *Harness
	plan    Plan
	// steps are the way to a root shell as checks, each taken once.
	steps []check.Check

	mu        sync.Mutex // held by a look: a guest has one state
	vm        *VM
	record    *record.Record
	temp      bool // the folder is of use only after a failure
	cast      *os.File
	release   func() // of the host's CPUs
	failed    bool
	unsure    bool            // a check could not tell
	rootless  string          // why there is no root shell, where none was promised
	diagnosed map[string]bool // topics that were looked into after a failure
	closed    bool
	quiet     chan struct{}

	seenMu sync.Mutex // for the console's pump, which must not wait for a look
	began  time.Time  // of the VM
	stage  watch.Stage
	trips  []watch.Trip
}

// Session is a VM as plan says. It starts with the first of its checks.
func (h *Harness) Session(plan Plan) *Session {
	h.mu.Lock()
	h.cost += plan.Cost
	h.mu.Unlock()
	s := &Session{harness: h, plan: plan}
	s.steps = s.newSteps()
	return s
}

// VM is the VM; nil before it has started.
func (s *Session) VM() *VM { return s.vm }

// Say adds a line to the VM's log, once there is a VM.
func (s *Session) Say(format string, args ...any) {
	if s.record != nil {
		s.record.Say(format, args...)
	}
}

// Save keeps what was found out about a failure in a file of the VM's folder,
// named after the label, and returns its path: "" before there is a VM.
func (s *Session) Save(label, ext string, content []byte) string {
	if s.record == nil {
		return ""
	}
	return s.record.Save(label, ext, content)
}

// Timed notes that the VM has come so far just now; what is one of "storage",
// "address" and "ssh". Before there is a VM it notes nothing.
func (s *Session) Timed(what string) {
	if s.vm != nil {
		s.record.Timed(s.vm.Started, what)
	}
}

// Settle says whether the VM has failed, whatever its checks said: what is broken
// may be what was to be shown.
func (s *Session) Settle(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = failed
}

// errNoTime ends what goes on when go test's deadline is near.
var errNoTime = errors.New("go test's -timeout is near; give a longer one")

// hide takes the contract's answers out of a result: a guest may show what was
// typed, and an answer may be a passphrase.
func (s *Session) hide(r check.Result) check.Result {
	for _, a := range s.plan.Contract.Answers {
		if len(a.Send) < 4 { // "yes" is no secret, and a letter is in each word
			continue
		}
		for _, text := range []*string{&r.Detail, &r.Evidence} {
			*text = strings.ReplaceAll(*text, a.Send, "(answer)")
		}
	}
	return r
}

// Do runs one check's look at the VM, with everyone else kept away. It ends in
// time to save evidence before go test's own deadline. What is broken is looked
// into: topic says what is collected beside the usual, "boot", "storage",
// "network" or "ssh".
func (s *Session) Do(ctx context.Context, topic string, look func(context.Context) check.Result) check.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.harness.deadline(); !d.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, d, errNoTime)
		defer cancel()
	}
	if limit := s.harness.SpawnTimeout; limit > 0 && s.vm != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, s.vm.Started.Add(limit),
			fmt.Errorf("the VM's %s are over (BOOT_IMAGE_VM_SPAWN_TIMEOUT)", limit))
		defer cancel()
	}
	if s.vm != nil {
		s.vm.short.Store(false)
	}
	r := s.hide(look(ctx))
	short := errors.Is(context.Cause(ctx), errNoTime) || s.vm != nil && s.vm.short.Load()
	if r.Outcome == check.Broken && short {
		r.Outcome = check.Unknown // our time was up, not the guest's
		if !strings.Contains(r.Detail, errNoTime.Error()) {
			r.Detail += "; " + errNoTime.Error()
		}
	}
	switch {
	case r.Outcome == check.Broken && !r.Past:
		s.failed = true
		s.diagnose(topic, r)
	case r.Outcome == check.Unknown:
		s.unsure = true
	}
	if s.record != nil {
		s.record.Say("%s: %s: %s", topic, r.Outcome, r.Detail)
	}
	return r
}
