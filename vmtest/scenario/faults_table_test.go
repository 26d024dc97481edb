package scenario

import (
	"cmp"
	"context"
	"regexp"
	"time"

	"bootaudit/contract/check"
	"bootaudit/serial/watch"
	"bootaudit/vmtest"
)

// look is how a fault is looked for; it ends with what was found.
type look func(*session, context.Context) check.Result

// reaching looks at a step of the boot, or at the one that kept the boot from
// coming so far; "" is the last.
func reaching(id string) look {
	return func(s *session, ctx context.Context) check.Result {
		steps := s.Boot()
		table, err := check.NewTable(steps)
		if err != nil {
			return check.Doubt(err.Error())
		}
		f := table.Resolve(ctx, cmp.Or(id, steps[len(steps)-1].ID))
		if f.Because != "" {
			f = table.Resolve(ctx, f.Because)
		}
		return check.Result{Outcome: f.Outcome, Detail: f.Detail, Evidence: f.Evidence}
	}
}

// looksAtBoot are the looks that take steps, each of which has its own turn at the
// VM.
var looksAtBoot = []string{"boot", "tripwire", "kernel", "login", "root", "control-line"}

// looks are named as the checks that they are.
var looks = map[string]look{
	"boot": reaching(""),
	// On a fast host the shell comes before the fault does.
	"tripwire": func(s *session, ctx context.Context) check.Result {
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			r := reaching("bootloader")(s, ctx)
			if r.Outcome != check.Holds {
				return r
			}
			for _, trip := range s.Trips() {
				// The guest may outlive these two.
				if trip.Fatal || trip.ID == "out-of-memory" || trip.ID == "kernel-oops" {
					return check.Break(trip.ID + ": " + trip.Means)
				}
			}
		}
		return check.Hold("no fatal tripwire in two minutes")
	},
	"kernel":       reaching("kernel"),
	"login":        reaching("login"),
	"root":         reaching("root"),
	"control-line": reaching("control-line"),
	"storage-status": func(s *session, ctx context.Context) check.Result {
		return s.storageStatus(ctx, "clean")
	},
	"unit": func(s *session, ctx context.Context) check.Result {
		return s.unitEnds(ctx, s.fleet.subject.Contract.Units[0])
	},
	// A fault in the provisioner is mended in the VM that showed it.
	"patched": func(s *session, ctx context.Context) check.Result {
		storage := s.fleet.subject.Contract.Storage
		s.waitUnit(ctx, storage.Unit, "inactive")
		if err := s.VM().Root.Put(ctx, "/usr/lib/faults/bad-layout/disko", []byte("#!/bin/sh\nexec /usr/bin/disko \"$@\"\n"), 0o755); err != nil {
			return s.Broke(err)
		}
		if _, err := s.VM().Output(ctx, "set -e; swapoff -a; vgchange -q -an main; wipefs -q -a -f /dev/vda2 /dev/vda1; wipefs -q -a -f /dev/vda; "+
			"blockdev --rereadpt /dev/vda; udevadm settle; rm "+storage.StatusFile+"; systemctl --no-block restart "+storage.Unit); err != nil {
			return s.Broke(err)
		}
		for _, look := range []func(context.Context) check.Result{
			func(ctx context.Context) check.Result { return s.storageStatus(ctx, "clean") }, s.volumeGroup, s.volumes,
		} {
			if r := look(ctx); r.Outcome != check.Holds {
				return r
			}
		}
		return check.Hold("the disks are provisioned")
	},
	"volume-group": (*session).volumeGroup,
	"address":      (*session).address,
	"unplugged": func(s *session, ctx context.Context) check.Result {
		if err := s.VM().Monitor(ctx, "set_link", map[string]any{"name": "net", "up": false}, nil); err != nil {
			return s.Broke(err)
		}
		return s.address(ctx)
	},
	// A user on the console must not be able to end the machine.
	"poweroff": func(s *session, ctx context.Context) check.Result {
		if err := s.VM().Console.Type(ctx, "systemctl --no-ask-password poweroff\r"); err != nil {
			return s.Broke(err)
		}
		for end := time.After(time.Minute); ; {
			if said := refusedPoweroff.FindString(s.VM().Console.Screen()); said != "" {
				return check.Hold(said)
			}
			select {
			case <-s.VM().Done():
			case <-end:
			case <-time.After(100 * time.Millisecond):
				continue
			}
			return check.Break("nobody refused it: " + s.VM().Console.Screen())
		}
	},
	"reaches":  (*session).reaches,
	"ssh":      (*session).ssh,
	"commands": (*session).commands,
	// Until one of them fails.
	"commands-again": func(s *session, ctx context.Context) check.Result {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			if r := s.commands(ctx); r.Outcome != check.Holds {
				return r
			}
		}
		return check.Hold("a minute of commands")
	},
	"residue": func(s *session, ctx context.Context) check.Result {
		s.waitUnit(ctx, s.fleet.subject.Contract.Storage.Unit, "inactive")
		for _, look := range []func(context.Context) check.Result{
			func(ctx context.Context) check.Result { return s.residueStep(ctx, "seed") }, s.forceCleanup,
			func(ctx context.Context) check.Result { return s.residueStep(ctx, "verify") },
		} {
			if r := look(ctx); r.Outcome != check.Holds {
				return r
			}
		}
		return check.Hold("nothing is left")
	},
}

var refusedPoweroff = regexp.MustCompile(`.*(?:Interactive authentication required|Access denied).*`)

// find is a check that looks for a fault, and the cause that it must name, as a
// regular expression. Cause "" is a fault that must do no harm. Shows is what
// the console shows when the cause can be known, where that is no tripwire.
type find struct {
	look, cause, shows string
	// says is what must be in the detail of a look that holds.
	says string
	// mayHold: a fast host may come through in spite of the fault.
	mayHold bool
}

// faultCase is a boot with one fault, or with several that do not touch each
// other, and what must be found, in this order.
type faultCase struct {
	faults string
	gate   bool        // it is booted by every run of the tests
	stage  watch.Stage // that the boot has reached at the first verdict
	// orLater: the fault races with the boot, which may have come further.
	orLater bool
	finds   []find
	change  func(*vmtest.Machine)
	filled  bool          // there is data on the disk
	limit   time.Duration // since the start, in place of the login limit
	// patience is for the silences; the default is 0.3, since an idle host boots
	// the stand-in in 20 s. Those that are about a silence wait less.
	patience float64
}

// ok is a find of no fault: the look must hold.
func ok(look string) find { return find{look: look} }

// broken is a find of a cause that a tripwire, the guest's systemd or the look
// itself is the evidence of.
func broken(look, cause string) find { return find{look: look, cause: cause} }

// shown is a find of a cause of which the console shows a sign.
func shown(look, cause, sign string) find { return find{look: look, cause: cause, shows: sign} }

// faultCases are in the order of a boot, but for what takes longest: that comes
// last, since go test starts the last of parallel tests first.
var faultCases = []faultCase{
	{faults: "initrd-panic", gate: true, stage: watch.KernelLoad, finds: []find{broken("boot", `^init-missing: `)}},
	{faults: "initrd-shell", gate: true, stage: watch.KernelLoad, finds: []find{broken("boot", `^initrd-shell: `)}},
	{faults: "stage-1-error", stage: watch.Initrd, finds: []find{broken("boot", `^(root-device-missing|root-not-mounted|initrd-shell): `)}},
	// On a slow host the silence is over its limit before the login comes.
	{faults: "tty0-last", gate: true, stage: watch.KernelLoad, orLater: true, finds: []find{
		shown("kernel", `silent until the (login|shell); the last console= |^no-kernel-console: `, `<<< Welcome`)}},
	{faults: "emergency", gate: true, stage: watch.Init, finds: []find{broken("boot", `^emergency-mode: `)}},
	{faults: "panic", stage: watch.Init, orLater: true, finds: []find{broken("boot", `^kernel-panic: `)}},
	{faults: "oom", gate: true, stage: watch.Init, orLater: true, finds: []find{broken("tripwire", `^out-of-memory: `)}},
	{faults: "oops", stage: watch.Init, orLater: true, finds: []find{broken("tripwire", `^kernel-oops: `)}},
	{faults: "reboot-loop", gate: true, stage: watch.Bootloader, finds: []find{broken("boot", `^reboot-loop: `)}, change: func(m *vmtest.Machine) { m.Reboot = true }},
	{faults: "login-loop", stage: watch.Login, finds: []find{broken("boot", `^login-loop: `)}},
	{faults: "root-refused", gate: true, stage: watch.Shell, finds: []find{
		shown("root", `(?s)cannot become root: sudo -i: .*su -: `, `su: .*\n`),
		ok("poweroff")}},
	{faults: "autologin-root,no-networkd", gate: true, stage: watch.Shell, finds: []find{
		shown("login", `^logged in as root \(uid 0, by automatic login\); the contract promises nixos`, `root@nixos:`),
		ok("control-line"),
		broken("address", `^lan is there, but no DHCP client runs`)}},
	{faults: "no-autologin,sudo-refused,detection-error", stage: watch.Shell, finds: []find{
		shown("login", `by login\); the contract promises an automatic login`, `nixos@nixos:`),
		shown("root", `^root by su -; the contract promises sudo -i`, `(?s)sudo: .*root@nixos:`),
		ok("control-line"),
		broken("storage-status", `^the status is plan-only/detection-error; the contract accepts applied/auto-applied`)}},
	{faults: "sudo-password,applied-without-effect", stage: watch.Shell, finds: []find{
		shown("root", `^root by su -; the contract promises sudo -i`, `(?s)sudo: .*root@nixos:`),
		ok("control-line"),
		ok("storage-status"),
		broken("volume-group", `^there is no volume group main, though the status says applied/auto-applied`)}},
	{faults: "network-unit-missing", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^the status is failed/`)}},
	{faults: "hang-activating", gate: true, stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("unit", `pre-nixos.service waits for sshd.service, and sshd.service waits for pre-nixos.service`)}},
	{faults: "pager,killed-pass", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^there is no \S+ and will be none: pre-nixos.service failed`)}},
	{faults: "root-shell-lost", gate: true, stage: watch.Shell, finds: []find{
		ok("boot"),
		shown("commands-again", `root was lost: the screen shows a user's shell`, `(?s)root@nixos:.*nixos@nixos:`)},
		change: func(m *vmtest.Machine) { m.Control = vmtest.None }},
	{faults: "no-nic,status-unknown", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^the status is confused/`),
		broken("address", `^there is no interface lan and will be none: pre-nixos.service has ended`)}},
	{faults: "missing-command,force-cleanup,sshd-refuses-first", gate: true, stage: watch.Shell, filled: true, finds: []find{
		ok("boot"),
		broken("commands", `^missing: findmnt$`),
		broken("storage-status", `^the status is plan-only/existing-storage-force-cleanup; the contract accepts applied/auto-applied`),
		ok("ssh"),
		ok("reaches"),
		broken("unplugged", `^lan has no carrier: its cable is unplugged`)}},
	{faults: "silence", gate: true, stage: watch.KernelLoad, finds: []find{broken("boot", `^(no-kernel-console|initrd-hangs|init-hangs): `)}, patience: 0.05},
	{faults: "no-kernel-console", stage: watch.KernelLoad, finds: []find{broken("boot", `^no-kernel-console: `)}, patience: 0.05},
	{faults: "flood", stage: watch.Login, orLater: true, limit: 45 * time.Second, finds: []find{
		{look: "boot", cause: `^no (shell after login|root shell|answer of the console's root shell) .*the console was flooded: \d+ bytes`, mayHold: true}}},
	{faults: "boot-hang", gate: true, stage: watch.Init, finds: []find{broken("boot", `^job-hangs: .*A start job is running for Fault boot-hang \(`)}, patience: 0.15},
	{faults: "bare-prompt,no-carrier,status-without-detail", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `has STATE="applied" and DETAIL="", and will not have more: pre-nixos.service has ended`),
		broken("address", `^there is no interface lan and will be none: pre-nixos.service has ended`)}},
	{faults: "noise,service-failed", gate: true, stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^the status is failed/auto-applied; `),
		broken("reaches", `^the guest reaches the host's loopback`)},
		change: func(m *vmtest.Machine) { m.Outside = true }},
	{faults: "bad-layout", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^the status is failed/auto-applied; .*insufficient free space.*"pre-nixos: disko failed"`),
		ok("patched")}},
	{faults: "carrier-unreadable", stage: watch.Shell, finds: []find{
		ok("boot"),
		broken("storage-status", `^the status is failed/auto-applied; .*"cat: /sys/class/net/\S+/carrier: Invalid argument"`)}},
	// Extra disks of one size are part of the plan, and what it made of them is
	// taken apart before they are seeded.
	{faults: "cleanup-ineffective", stage: watch.Shell, finds: []find{
		ok("boot"),
		{look: "volume-group", says: `^found: main .*; beside it: large `},
		broken("residue", `^left over: .*vg_residue`)},
		change: func(m *vmtest.Machine) { m.Disks = []vmtest.Disk{{MiB: 512}, {MiB: 256}, {MiB: 256}} }},
}
