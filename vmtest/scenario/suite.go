package scenario

import (
	"context"
	"slices"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/vmtest"
)

// Subject is the image that the scenarios boot, and what it must do.
type Subject struct {
	Contract contract.Contract
	// Unknown, when set, is why nobody can tell what the image promises: then it is
	// not booted.
	Unknown error
	// Target says how the image is to be booted.
	Target contract.Target
	// ISO is the image's path. It may build the image first; a [check.Lack] says
	// what it means that there is none. Nil is Target.File.
	ISO func(context.Context) (string, error)
	// Provenance is where the image came from, once ISO has returned; nil where
	// nobody knows.
	Provenance func() vmtest.Provenance
	// RootKey is the key that the image lets root log in with, where one was
	// given to it; the zero key is none that is known.
	RootKey contract.Key
	// KeyAtBoot is the fw_cfg file that hands the root key to the image; ""
	// where the image has the key embedded, or none.
	KeyAtBoot string
	// FaultAtBoot is the fw_cfg file that tells the image which faults to
	// have; "" where it has no such thing.
	FaultAtBoot string
}

// Scenario is a boot and the checks to make in it.
type Scenario struct {
	Name string
	// About says what the scenario shows.
	About string
	// Alone is true of a scenario that no other one should run beside: it has
	// the machine that the image's users have, and its times count.
	Alone bool
	// Cost is how long it takes, under TCG on idle CPUs.
	Cost   time.Duration
	Checks []check.Check

	session *session
}

// Suite is the scenarios of a subject. Its VMs start when the first check
// needs them.
type Suite struct {
	Scenarios []Scenario
	fleet     *fleet
}

// NewSuite makes the scenarios for subject, with VMs of harness. The zero values
// will do for looking at the tables.
func NewSuite(subject Subject, harness *vmtest.Harness) *Suite {
	f := &fleet{subject: subject, harness: harness, sessions: map[string]*session{}}
	suite := &Suite{fleet: f}
	for _, make := range scenarios {
		scenario := make(f)
		scenario.Alone = scenario.session == f.cleanVM()
		scenario.session.users++
		scenario.Checks = scenario.waived()
		suite.Scenarios = append(suite.Scenarios, scenario)
	}
	return suite
}

// waived are the scenario's checks with what the contract allows, and a last one
// about that.
func (s Scenario) waived() []check.Check {
	waivers, prefix := s.session.fleet.subject.Contract.Waivers(time.Now()), s.Name+"/"
	watched := slices.ContainsFunc(s.Checks, func(c check.Check) bool { return c.ID == tripwires })
	if watched {
		waivers = s.session.waivers
	}
	all := waivers.Over(prefix, s.Checks)
	if c, ok := waivers.Check(prefix, all, watched); ok {
		all = append(all, c)
	}
	return all
}

// Close ends every VM that was started, and completes its record.
func (s *Suite) Close() { s.fleet.close() }

// End says that a scenario is over. With the last one of those that share a VM,
// the VM ends. attr, when not nil, gets the VM's attribute in place of the
// harness's.
func (s *Suite) End(scenario Scenario, attr func(name, value string)) {
	s.fleet.mu.Lock()
	scenario.session.users--
	over := scenario.session.users == 0
	s.fleet.mu.Unlock()
	if over {
		scenario.session.Close(attr)
	}
}

// EndAlone ends the VMs of the scenarios that are [Scenario.Alone].
func (s *Suite) EndAlone() {
	for _, scenario := range s.Scenarios {
		if scenario.Alone {
			scenario.session.Close(nil)
		}
	}
}

// scenarios make a run's scenarios. Those that are alone are tried in this
// order; of the others go test starts the last first, so the longest is last.
var scenarios = []func(*fleet) Scenario{
	cleanDisk, network, announcement, noRootKey, existingStorage, uefi,
	detectionError, failedProvisioning, appliedWithoutEffect, residue,
}

// The VMs. That of clean-disk has what the image's users give it at least. The
// others have one CPU each: two such boots side by side take less time than one
// after the other with two CPUs each (see BenchmarkTuning).

func (f *fleet) cleanVM() *session {
	return f.boot("clean-disk", 60*time.Second, false, vmtest.Machine{Network: true, Disks: []vmtest.Disk{{}}})
}

// cleanDisk boots with a blank disk: the whole way, each step a check.
func cleanDisk(f *fleet) Scenario {
	s := f.cleanVM()
	checks := s.Boot()
	previous := checks[len(checks)-1].ID
	checks = append(checks, s.commandsCheck(previous))
	checks = append(checks, s.ownChecks(previous)...)
	checks = append(checks, s.storageChecks(previous, "clean")...)
	checks = append(checks, s.unitChecks(previous)...)
	checks = append(checks, s.addressCheck(previous))
	end := "login"
	if f.subject.Contract.Loginless() {
		end = "expected"
	}
	checks = append(checks, s.recordedCheck(end), s.tripwireCheck(end))
	return Scenario{Name: "clean-disk", Cost: s.cost, Checks: checks, session: s,
		About: "a machine with one blank disk: the boot, the login, root, and the disk provisioned"}
}

// network asks the VM of clean-disk about its network.
func network(f *fleet) Scenario {
	s := f.cleanVM()
	checks := append([]check.Check{s.bootedCheck()}, s.networkChecks("booted")...)
	return Scenario{Name: "network", Cost: s.cost, Checks: checks, session: s,
		About: "the network card that the image sets up, and SSH through it (in the VM of clean-disk)"}
}

// announcement reads the console of clean-disk's VM.
func announcement(f *fleet) Scenario {
	s := f.cleanVM()
	checks := append([]check.Check{s.bootedCheck()}, s.announcementChecks("booted")...)
	return Scenario{Name: "announcement", Cost: s.cost, Checks: checks, session: s,
		About: "lines that the image writes to the console without being asked (in the VM of clean-disk)"}
}

func noRootKey(f *fleet) Scenario {
	s := f.boot("no-root-key", 45*time.Second, true, vmtest.Machine{CPUs: 1, Network: true, Disks: []vmtest.Disk{{MiB: 1024}}})
	s.unneeded = func() string {
		switch c := f.subject.Contract; {
		case !c.Network.NeedsRootKey:
			return "the contract makes nothing depend on a root key"
		case s.keyed:
			return "the image has a root key embedded"
		}
		return ""
	}
	checks := append([]check.Check{s.bootedCheck()}, s.keylessChecks("booted")...)
	return Scenario{Name: "no-root-key", Cost: s.cost, Checks: checks, session: s,
		About: "an image without a root key: nothing is renamed, and what cannot be observed is said"}
}

func existingStorage(f *fleet) Scenario {
	s := f.boot("existing-storage", 45*time.Second, true, vmtest.Machine{CPUs: 1, CDROM: vmtest.Virtio, Disks: []vmtest.Disk{{MiB: 256}}})
	s.prepare = s.fillDisk
	checks := append([]check.Check{s.bootedCheck(), s.mediumCheck("booted", "virtio")}, s.storageChecks("booted", "existing")...)
	checks = append(checks, s.untouchedCheck("booted"))
	return Scenario{Name: "existing-storage", Cost: s.cost, Checks: checks, session: s,
		About: "a disk with data on it: planned for, and not touched; and the CD on a virtio bus"}
}

func uefi(f *fleet) Scenario {
	s := f.boot("uefi", 60*time.Second, true, vmtest.Machine{CPUs: 1, Firmware: vmtest.UEFI})
	s.unneeded = func() string {
		switch {
		case !boots(s.image, "efi"):
			return "the image has no UEFI boot entry"
		case f.subject.Target.Firmware == vmtest.UEFI, f.subject.Target.Firmware == vmtest.SecureBoot, !boots(s.image, "bios"):
			return "every boot of this image is by UEFI"
		}
		return ""
	}
	return Scenario{Name: "uefi", Cost: s.cost, Checks: []check.Check{s.bootedCheck(), s.firmwareCheck("booted")}, session: s,
		About: "UEFI firmware, to a root shell"}
}

func residue(f *fleet) Scenario {
	s := f.boot("residue", 90*time.Second, true, vmtest.Machine{CPUs: 1, Disks: []vmtest.Disk{{}, {MiB: 1536}, {MiB: 1536}}})
	s.unneeded = func() string {
		if f.subject.Contract.Storage.ForceCleanup == "" {
			return "the contract promises no forced clean-up"
		}
		return ""
	}
	checks := append([]check.Check{s.bootedCheck()}, s.residueChecks("booted")...)
	return Scenario{Name: "residue", Cost: s.cost, Checks: checks, session: s,
		About: "RAID and LVM left-overs on two extra disks, and the forced clean-up"}
}

func detectionError(f *fleet) Scenario {
	// A disk that fails every read does not do: wipefs finds no signature on
	// it and exits 0.
	s := f.boot("detection-error", 45*time.Second, true, vmtest.Machine{CPUs: 1, Disks: []vmtest.Disk{{MiB: 256}}})
	s.faults = "detection-error"
	s.unneeded = s.knobless
	checks := append([]check.Check{s.bootedCheck()}, s.storageChecks("booted", "detection-error")...)
	return Scenario{Name: "detection-error", Cost: s.cost, Checks: checks, session: s,
		About: "a disk whose content cannot be told: planned for only, and said so"}
}

func failedProvisioning(f *fleet) Scenario {
	s := f.boot("failed-provisioning", 45*time.Second, true, vmtest.Machine{CPUs: 1, Disks: []vmtest.Disk{{MiB: 1024, Faulty: vmtest.FailWrites}}})
	s.unneeded = s.storageUnneeded
	checks := append([]check.Check{s.bootedCheck()}, s.storageChecks("booted", "failed")...)
	return Scenario{Name: "failed-provisioning", Cost: s.cost, Checks: checks, session: s,
		About: "a disk that cannot be written: the status says failed"}
}

func appliedWithoutEffect(f *fleet) Scenario {
	s := f.boot("applied-without-effect", 45*time.Second, true, vmtest.Machine{CPUs: 1, Disks: []vmtest.Disk{{MiB: 1024}}})
	s.faults = "applied-without-effect"
	s.unneeded = s.knobless
	return Scenario{Name: "applied-without-effect", Cost: s.cost, Checks: []check.Check{s.bootedCheck(), s.emptyWordCheck("booted")}, session: s,
		About: "an image that says applied and touches nothing: the audit is not taken in"}
}

// knobless says why a fault that only a knob of the image makes is not tried.
func (s *session) knobless() string {
	if s.fleet.subject.FaultAtBoot == "" {
		return "the image has no knob for this fault"
	}
	return s.storageUnneeded()
}

// hour is the limit of a check that has limits of its own inside.
const hour = time.Hour

// check makes a probe of a look at the session's VM.
func (s *session) check(topic string, look func(context.Context) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result { return s.look(ctx, topic, look) }
}

// row is a check of the runtime section that needs an earlier row, and a root
// shell.
func (s *session) row(need, id, condition, how string, applies func(context.Context) string, remedy, topic string, look func(context.Context) check.Result) check.Check {
	c := s.seen(need, id, condition, how, remedy, topic, look)
	c.Applies = func(ctx context.Context) string {
		if applies != nil {
			if why := applies(ctx); why != "" {
				return why
			}
		}
		return s.NoRoot(ctx)
	}
	return c
}

// seen is a check of the runtime section that needs an earlier row, and nobody in
// the guest.
func (s *session) seen(need, id, condition, how, remedy, topic string, look func(context.Context) check.Result) check.Check {
	c := check.Check{
		ID: id, Section: check.SectionRuntime, Condition: condition, How: how, Remedy: remedy,
		Timeout: hour, Probe: s.check(topic, look),
	}
	if need != "" {
		c.Needs = []string{need}
	}
	return c
}

// bootedCheck is the first row of a scenario that is not about booting.
func (s *session) bootedCheck() check.Check {
	c := s.seen("", "booted", "the image boots to a root shell", "the steps of clean-disk",
		"see the scenario clean-disk, which takes the boot step by step", "boot", nil)
	c.Applies = s.ifNeeded
	c.Probe = s.Booted // each of the steps has its turn
	return c
}
