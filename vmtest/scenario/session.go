package scenario

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/once"
	"bootaudit/iso"
	"bootaudit/serial"
	"bootaudit/vmtest"
)

// fleet is the VMs of a suite, and what they share.
type fleet struct {
	subject Subject
	harness *vmtest.Harness

	mu       sync.Mutex
	sessions map[string]*session
	order    []*session
}

func (f *fleet) close() {
	for _, s := range f.order {
		s.Close(nil)
	}
}

// session is a VM that boots the subject's image, shared by scenarios that do not
// disturb each other, and what its checks have learnt.
type session struct {
	*vmtest.Session
	fleet    *fleet
	name     string
	cost     time.Duration
	users    int // scenarios that are not over; fleet.mu is held
	template vmtest.Machine
	keyless  bool // the image gets no key, though one is known
	// unneeded, when set, says why the subject does without this VM, once its
	// image has been looked at.
	unneeded func() string
	faults   string            // for the image's knob
	waivers  *contract.Waivers // of tripwires
	// prepare, when set, puts on the disks what the scenario needs there.
	prepare func(vmtest.Machine) error

	planned once.Value[vmtest.Machine]
	image   *iso.Image // closed; its fields stay
	keyed   bool       // the image has a root key
	// firmware is what the machine boots by.
	firmware string

	// What a check leaves for later ones. The VM has one look at a time.
	status   map[string]string // of the provisioning, once read
	ipv4     string            // of the contract's interface
	digest   [sha256.Size]byte // of the disk that must not change
	judged   time.Time         // the last check
	happened time.Time         // in the guest, what the check's last wait ended by
}

// boot makes the session of a VM that boots the subject's image on machine,
// with its root key unless keyless.
func (f *fleet) boot(name string, cost time.Duration, keyless bool, machine vmtest.Machine) *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[name]; s != nil {
		return s
	}
	terms := f.subject.Contract
	machine.Account = serial.Account{User: terms.Login.User, Password: terms.Login.Password, RootBy: terms.Root.Methods}
	s := &session{fleet: f, name: name, cost: cost, template: machine, keyless: keyless, waivers: terms.Waivers(time.Now())}
	s.Session = f.harness.Session(vmtest.Plan{
		Name: name, Cost: cost, Contract: terms, RootKey: f.subject.RootKey,
		Machine: s.plan, Prepare: s.prepareDisks, Provenance: f.subject.Provenance, KernelArgs: s.kernelArgs,
	})
	f.sessions[name] = s
	f.order = append(f.order, s)
	return s
}

// look is [vmtest.Session.Do], which notes when the check was over.
func (s *session) look(ctx context.Context, topic string, look func(context.Context) check.Result) check.Result {
	return s.Do(ctx, topic, func(ctx context.Context) check.Result {
		s.happened = time.Time{}
		r := look(ctx)
		s.judged = time.Now()
		return r
	})
}

// kernelArgs is the kernel's command line as the image's boot menu has it, of the
// entry that boots by itself.
func (s *session) kernelArgs() []string {
	loader := "syslinux"
	if s.firmware != "" && s.firmware != vmtest.BIOS {
		loader = "grub"
	}
	var args []string
	if s.image == nil {
		return nil
	}
	for _, m := range s.image.Menus {
		if m.Default < 0 || m.Default >= len(m.Entries) || m.Platform != "" && (m.Platform == "efi") != (loader == "grub") {
			continue // or it is the other firmware's
		}
		if args == nil || m.Loader == loader || m.Platform == "efi" {
			args = m.Entries[m.Default].Args
		}
	}
	return args
}

func (s *session) prepareDisks(m vmtest.Machine) error {
	if s.prepare == nil {
		return nil
	}
	return s.prepare(m)
}

// plan is the machine of the session, worked out once: the image is found and
// looked into first.
func (s *session) plan(ctx context.Context) (vmtest.Machine, error) {
	return s.planned.Get(ctx, s.work)
}

func (s *session) work(ctx context.Context) (vmtest.Machine, error) {
	m, subject := s.template, s.fleet.subject
	if subject.Unknown != nil {
		return m, &check.Lack{Outcome: check.Unknown, Err: subject.Unknown}
	}
	path, err := subject.path(ctx)
	if err != nil {
		return m, err
	}
	target := subject.Target
	target.File = path
	image, err := iso.OpenTarget(target)
	if err != nil {
		return m, fmt.Errorf("the image: %w", err)
	}
	defer image.Close()
	s.image = image
	m = m.For(image.On(target), subject.Contract)
	if m.Firmware == "" && boots(image, "efi") && !boots(image, "bios") {
		m.Firmware = vmtest.UEFI
	}
	s.firmware = m.Firmware
	s.keyed = image.Root != nil &&
		len(image.Root.AuthorizedKeys(subject.Contract.RootKey.Files, subject.Contract.Name)) > 0
	if subject.KeyAtBoot != "" && !s.keyless && subject.RootKey.Authorized != "" {
		m.FWCfg = withEntry(m.FWCfg, subject.KeyAtBoot, subject.RootKey.Authorized)
		s.keyed = true
	}
	if s.faults != "" {
		m.FWCfg = withEntry(m.FWCfg, subject.FaultAtBoot, s.faults)
	}
	return m, nil
}

// boots says whether an image has a boot entry for a platform, bios or efi.
func boots(image *iso.Image, platform string) bool {
	return slices.ContainsFunc(image.Boot, func(e iso.BootEntry) bool { return e.Bootable && e.Platform == platform })
}

// path is the image's, which may have to be built.
func (s Subject) path(ctx context.Context) (string, error) {
	switch {
	case s.ISO != nil:
		return s.ISO(ctx)
	case s.Target.File != "":
		return s.Target.File, nil
	case s.Target.Kernel != "":
		return s.Target.Kernel, nil
	default:
		return "", errors.New("no image was given")
	}
}

func withEntry(m map[string]string, key, value string) map[string]string {
	out := map[string]string{key: value}
	maps.Copy(out, m)
	return out
}

// patient is a limit as this run has it: a host that is slow has a longer one.
func (s *session) patient(limit time.Duration) time.Duration {
	return time.Duration(float64(limit) * max(1, s.fleet.harness.Patience))
}

// ifNeeded asks why the subject does without the VM, once its image has been
// looked at.
func (s *session) ifNeeded(ctx context.Context) string {
	if s.unneeded == nil {
		return ""
	}
	if _, err := s.plan(ctx); err != nil {
		return "" // which the boot says
	}
	return s.unneeded()
}
