package vmtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/once"
)

// step is one part of the way from QEMU's start to a root shell. Each is also
// a check of the scenario that is about booting.
type step struct {
	id        string
	condition string
	how       string
	remedy    string
	take      func(*Session, context.Context) check.Result
	// unneeded, when set, says why the step is not needed.
	unneeded func(*Session, context.Context) string
}

// automaticLogin is serial's word for a login that nobody typed.
const automaticLogin = "automatic login"

const lookAtConsole = "look at serial.log and screen.txt in the VM's folder, or bootaudit explain serial.log"

var steps = []step{
	{"qemu", "QEMU starts the machine", "qemu-system-x86_64, see command.txt",
		"read QEMU's message; make setup installs QEMU", (*Session).start, nil},
	{"bootloader", "the boot loader appears on the serial console", "read the serial console",
		"give the boot loader a serial terminal (ISOLINUX: SERIAL 0 115200; GRUB: terminal_output serial)", (*Session).bootloader, nil},
	{"kernel", "the kernel's first stage appears on the serial console", "pass the boot menu, read the serial console",
		"put console=ttyS0,115200n8 last on the kernel's command line", (*Session).kernel, nil},
	// The ID is older than the words: any init will do.
	{"systemd", "init appears on the serial console", "read the serial console", lookAtConsole, (*Session).systemd, nil},
	{expectedStep, "the console shows what the contract expects", "look for console.expect in each line, and on the screen", lookAtConsole, (*Session).expected, (*Session).unexpected},
	{"login", "the console logs the contract's user in as promised", "read the prompt's screen line; ask id(1), with an answer that no echo can imitate",
		"check the getty of the serial console (autologin) in the image", (*Session).login, (*Session).loginless},
	{"root", "the login user becomes root without a password", "sudo -i, su - ; ask id(1)",
		"check sudoers (NOPASSWD) in the image", (*Session).becomeRoot, (*Session).unasked},
	{"control-line", "root opens a control line for the other checks", "start a shell on a second port",
		"load virtio_console in the guest; without a port, commands share the console", (*Session).openRoot, (*Session).NoRoot},
}

// expectedStep is no way to the next step: an image may have it, or a login, or
// both.
const expectedStep = "expected"

// lastStep is the ID of the last of the steps.
var lastStep = steps[len(steps)-1].id

// newSteps makes checks of the steps. Each needs the one before, and is taken
// once: a VM has one boot, whoever asks. A promise that was broken on the way,
// such as an automatic login, does not end the way.
func (s *Session) newSteps() []check.Check {
	var all []check.Check
	for i, step := range steps {
		var taken once.Value[check.Result]
		c := check.Check{
			ID: step.id, Section: check.SectionRuntime, Condition: step.condition, How: step.how, Remedy: step.remedy, Timeout: time.Hour, // each has limits of its own

			Probe: func(ctx context.Context) check.Result {
				r, err := taken.Get(ctx, func(ctx context.Context) (check.Result, error) {
					return s.Do(ctx, "boot", func(ctx context.Context) check.Result { return s.take(ctx, step) }), nil
				})
				if err != nil { // its turn did not come
					return check.Doubt(err.Error())
				}
				return r
			},
		}
		switch {
		case i > 0 && steps[i-1].id == expectedStep:
			c.Needs, c.After = []string{steps[i-2].id}, []string{expectedStep}
		case i > 0:
			c.Needs = []string{steps[i-1].id}
		}
		if step.unneeded != nil {
			c.Applies = func(ctx context.Context) string { return step.unneeded(s, ctx) }
		}
		all = append(all, c)
	}
	return all
}

// mayStayUser: an image of which nothing is promised need not let anybody become
// root.
func (s *Session) mayStayUser() bool {
	return s.plan.Contract.Name != "" && len(s.plan.Contract.Root.Methods) == 0
}

// unrooted says, once the step of that name has been taken, why there is no root
// shell to be had and need not be; "" else.
func (s *Session) unrooted(ctx context.Context, step string) string {
	if why := s.loginless(ctx); why != "" {
		return why
	}
	if !s.mayStayUser() {
		return ""
	}
	reach(ctx, s.steps, step)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rootless
}

func (s *Session) unexpected(ctx context.Context) string {
	return check.Unless(s.plan.Contract.Console.Expect.Regexp != nil, "the contract expects no line of the console")(ctx)
}

func (s *Session) loginless(ctx context.Context) string {
	return check.Unless(!s.plan.Contract.Loginless(), "the contract promises what the console shows, and no login")(ctx)
}

// unasked is why nobody need become root, once somebody has logged in.
func (s *Session) unasked(ctx context.Context) string { return s.unrooted(ctx, "login") }

// NoRoot boots the VM, and says why it has no root shell where none was promised;
// "" else.
func (s *Session) NoRoot(ctx context.Context) string { return s.unrooted(ctx, "root") }

// take takes a step, by the time that a login may take.
func (s *Session) take(ctx context.Context, step step) check.Result {
	if limit := s.harness.LoginTimeout; s.vm != nil && limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, s.vm.Started.Add(limit),
			fmt.Errorf("%s since the start are over (BOOT_IMAGE_VM_LOGIN_TIMEOUT)", limit))
		defer cancel()
	}
	r := step.take(s, ctx)
	if cause := context.Cause(ctx); r.Outcome == check.Broken && cause != nil && !strings.Contains(r.Detail, cause.Error()) {
		r.Detail += fmt.Sprintf(" (%v)", cause)
	}
	return r
}

// Boot is the way to a root shell as checks: QEMU, boot loader, kernel, init,
// login, root, control line. Each is taken once, whoever asks. A promise that was
// broken fails the session, also where the boot got past it.
func (s *Session) Boot() []check.Check {
	checks := slices.Clone(s.steps)
	for i, c := range checks {
		checks[i].Probe = func(ctx context.Context) check.Result {
			r := c.Probe(ctx)
			if r.Outcome == check.Broken && r.Past {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.failed = true
				s.diagnose("boot", r)
			}
			return r
		}
	}
	return checks
}

// reach resolves the steps up to id. Its result is that of id, or else of the step
// that kept the boot from coming so far, and blocked says so.
func reach(ctx context.Context, steps []check.Check, id string) (r check.Result, blocked string) {
	table, err := check.NewTable(steps)
	if err != nil {
		return check.Doubt(err.Error()), ""
	}
	f := table.Resolve(ctx, id)
	if f.Because != "" {
		f = table.Resolve(ctx, f.Because)
		blocked = fmt.Sprintf("the boot did not come so far: %s: ", f.Condition)
	}
	return check.Result{Outcome: f.Outcome, Detail: f.Detail, Evidence: f.Evidence, Command: f.Command, Risk: f.Risk, FollowUp: f.FollowUp}, blocked
}

// Booted takes all the steps of [Session.Boot], for who is about something else.
func (s *Session) Booted(ctx context.Context) check.Result {
	last := lastStep
	if s.plan.Contract.Loginless() {
		last = expectedStep
	}
	r, blocked := reach(ctx, s.steps, last)
	r.Detail = blocked + r.Detail
	if why := s.NoRoot(ctx); why != "" && r.Outcome == check.NotNeeded {
		return check.Hold("a login; " + why)
	}
	if last == expectedStep {
		return r
	}
	if r.Outcome.Met() {
		r = check.Hold(fmt.Sprintf("a root shell after %.0f s", s.rootSeconds()))
	}
	return r
}

func (s *Session) rootSeconds() float64 {
	if at := s.record.Now().Timings.Root; at != nil {
		return *at
	}
	return 0
}
