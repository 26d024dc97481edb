package vmtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/once"
	"bootaudit/internal/plain"
	"bootaudit/internal/record"
	"bootaudit/internal/screen"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// step is one part of the way from QEMU's start to a root shell. Each is also
// a check of the scenario that is about booting.
type step struct {
	id        string
	condition string
	how       string
	remedy    string
	take      func(*Session, context.Context) check.Result
}

// automaticLogin is serial's word for a login that nobody typed.
const automaticLogin = "automatic login"

const lookAtConsole = "look at serial.log and screen.txt in the VM's folder, or bootaudit explain serial.log"

var steps = []step{
	{"qemu", "QEMU starts the machine", "qemu-system-x86_64, see command.txt",
		"read QEMU's message; make setup installs QEMU", (*Session).start},
	{"bootloader", "the boot loader appears on the serial console", "read the serial console",
		"give the boot loader a serial terminal (ISOLINUX: SERIAL 0 115200; GRUB: terminal_output serial)", (*Session).bootloader},
	{"kernel", "the kernel's first stage appears on the serial console", "pass the boot menu, read the serial console",
		"put console=ttyS0,115200n8 last on the kernel's command line", (*Session).kernel},
	{"systemd", "systemd appears on the serial console", "read the serial console", lookAtConsole, (*Session).systemd},
	{"login", "the console logs the contract's user in as promised", "read the prompt's screen line; ask id(1), with an answer that no echo can imitate",
		"check the getty of the serial console (autologin) in the image", (*Session).login},
	{"root", "the login user becomes root without a password", "sudo -i, su - ; ask id(1)",
		"check sudoers (NOPASSWD) in the image", (*Session).becomeRoot},
	{"control-line", "root opens a control line for the other checks", "start a shell on a second port",
		"load virtio_console in the guest; without a port, commands share the console", (*Session).openRoot},
}

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
		if i > 0 {
			c.Needs = []string{steps[i-1].id}
		}
		all = append(all, c)
	}
	return all
}

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
	r, blocked := reach(ctx, s.steps, lastStep)
	r.Detail = blocked + r.Detail
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

func (s *Session) bootloader(ctx context.Context) check.Result {
	if err := s.vm.Continue(ctx); err != nil {
		return s.Broke(err)
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

// speaks awaits a stage of the boot, which must not pass in silence: a login
// prompt alone shows that the kernel's console is another one.
func (s *Session) speaks(ctx context.Context, stage watch.Stage) check.Result {
	r := s.await(ctx, stage)
	if at := s.vm.stageAt(stage); r.Outcome == check.Holds && at.Stage.Reached(watch.Login) {
		return past(check.Break(fmt.Sprintf("nothing was heard of it: after the boot loader the console was silent until the %s; the last console= on the kernel's command line is not the serial port", at.Stage)), r.Evidence)
	}
	return r
}

func (s *Session) await(ctx context.Context, stage watch.Stage) check.Result {
	reached, err := s.vm.Await(ctx, stage)
	if err != nil {
		return s.Broke(err)
	}
	r := check.Hold(fmt.Sprintf("%s after %.1f s", reached.Stage, reached.At.Sub(s.vm.Started).Seconds()))
	r.Evidence = reached.Line
	return r
}

func (s *Session) login(ctx context.Context) check.Result {
	want := s.plan.Contract.Login
	who, err := s.vm.Login(ctx, s.vm.Machine.Account)
	if err != nil {
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

// Broke is the result of an error that a VM's method returned, named by the
// tripwire that was touched, if one was.
func (s *Session) Broke(err error) check.Result {
	s.record.Note(err)
	r := check.Break(err.Error())
	var trip *serial.TripError
	var waited *serial.WaitError
	switch {
	case errors.As(err, &trip):
		t := trip.Trip
		r.Detail = fmt.Sprintf("%s: %s (stage reached: %s)", t.ID, t.Means, orNone(t.Stage))
		r.Evidence = t.Line
		r.FollowUp = t.Remedy
	case errors.As(err, &waited):
		r.Detail = fmt.Sprintf("no %s after %s: %v (stage reached: %s)", waited.Want, waited.Waited.Round(time.Second), waited.Err, orNone(waited.Stage))
	}
	if errors.As(err, &waited) && waited.Dropped > 0 {
		r.Detail += fmt.Sprintf("; the console was flooded: %d bytes came too fast to be looked at", waited.Dropped)
	}
	if errors.As(err, &waited) {
		r.Evidence = strings.TrimSpace(r.Evidence + "\nscreen:\n" + lastLines(waited.Screen, 20))
	}
	job := s.lastJob()
	if trip != nil {
		job = runningJob.FindString(trip.Trip.Line)
	}
	if job != "" {
		r.Detail += "; systemd's last word is: " + job
	}
	if trip == nil {
		// What the console warned of before may be why.
		for _, t := range s.Trips() {
			r.Detail += fmt.Sprintf("; the console had shown %s: %s", t.ID, t.Line)
		}
	}
	if s.vm.alive.Err() != nil && !strings.Contains(r.Detail, ErrEnded.Error()) {
		r.Detail += "; " + context.Cause(s.vm.alive).Error()
	}
	return r
}

var runningJob = regexp.MustCompile(`A (?:start|stop) job is .*?\)`)

// lastJob is the job that systemd's spinner showed last, if the boot has not
// come to a login.
func (s *Session) lastJob() string {
	if s.vm.Console.Stage() != watch.Init {
		return ""
	}
	tail, err := lastBytes(s.record.Path(record.TranscriptFile), 16<<10)
	if err != nil {
		return ""
	}
	last := ""
	lines := screen.Lines{Each: func(line screen.Line) {
		if job := runningJob.Find(line.Text); job != nil {
			last = plain.Line(string(job))
		}
	}}
	_, _ = lines.Write(tail)
	lines.Flush()
	return last
}

// Trips are the tripwires that were touched so far.
func (s *Session) Trips() []watch.Trip {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	return slices.Clone(s.trips)
}

func orNone(stage watch.Stage) string {
	if stage == "" {
		return "none"
	}
	return string(stage)
}

// past is a result that was broken, and does not end the boot.
func past(r check.Result, evidence string) check.Result {
	r.Past = true
	return r.With(evidence)
}

// lastLines are the last n lines of text that are not blank.
func lastLines(text string, n int) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
