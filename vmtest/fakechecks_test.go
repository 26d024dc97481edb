package vmtest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/rootkey"
	"bootaudit/serial"
)

// unitIn is a unit of the fake's systemd.
func unitIn(state, more string) string {
	return "LoadState=loaded\nActiveState=" + state + "\nJob=0\nExecMainStartTimestampMonotonic=5\nStateChangeTimestampMonotonic=9\n" + more
}

// state is what the guest's programs answer from, to be put back by restore.
func (g *fakeGuest) state() map[string]string {
	all := map[string]string{}
	for _, at := range []string{"units", "journal", "run", "net", "jobs", "vgs", "lvs", "mounts", "address", "links", "cd", "arrays", "authorized_keys", "ssh-user", "sshd-refuses", "cgroup", "bin/findmnt", "bin/lvs", "bin/mdadm"} {
		_ = filepath.WalkDir(filepath.Join(g.dir, at), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				all[strings.TrimPrefix(path, g.dir+"/")] = ""
			}
			return nil
		})
	}
	for name := range all {
		all[name] = g.get(name)
	}
	return all
}

func (g *fakeGuest) restore(saved map[string]string) {
	for name := range g.state() {
		if _, ok := saved[name]; !ok {
			g.unset(name)
		}
	}
	for name, text := range saved {
		if strings.HasPrefix(name, "bin/") {
			g.program(strings.TrimPrefix(name, "bin/"), text)
		} else {
			require.NoError(g.t, os.MkdirAll(filepath.Dir(filepath.Join(g.dir, name)), 0o755))
			g.set(name, text)
		}
	}
}

// checkRow is a guest that is changed after its boot, and what a look at it says.
type checkRow struct {
	name   string
	change func(*fakeGuest, *session)
	topic  string
	look   func(*session, context.Context) check.Result
	want   check.Outcome
	says   string        // pattern of the plain detail
	limit  time.Duration // for a look that waits for what does not come
}

const short = 5 * time.Second // of which the guest waits some 1.75 s

// unset and set are changes.
func unset(names ...string) func(*fakeGuest, *session) {
	return func(g *fakeGuest, _ *session) { g.unset(names...) }
}

func set(name, text string) func(*fakeGuest, *session) {
	return func(g *fakeGuest, _ *session) { g.set(name, text) }
}

func both(changes ...func(*fakeGuest, *session)) func(*fakeGuest, *session) {
	return func(g *fakeGuest, s *session) {
		for _, change := range changes {
			change(g, s)
		}
	}
}

// probe is the check of that name, which one of the scenario's functions made.
func probe(id string, checks func(*session) []check.Check) func(*session, context.Context) check.Result {
	return func(s *session, ctx context.Context) check.Result {
		for _, c := range checks(s) {
			if c.ID == id {
				s.mu.Unlock() // the probe takes it
				defer s.mu.Lock()
				return c.Probe(ctx)
			}
		}
		return check.Doubt("no check " + id)
	}
}

func cleanStatus(s *session, ctx context.Context) check.Result { return s.storageStatus(ctx, "clean") }

func firstUnit(s *session, ctx context.Context) check.Result {
	return s.unitEnds(ctx, s.fleet.subject.Contract.Units[0])
}

const provisioner = "units/pre-nixos.service"

var failedUnit = set(provisioner, unitIn("failed", "Result=exit-code\n"))

// deadlocked is a unit whose program starts another, which waits for it. The
// guest's "systemctl restart" never comes back.
func deadlocked(g *fakeGuest, s *session) {
	_, err := s.vm.Output(g.t.Context(), "systemctl restart sshd.service </dev/null >/dev/null 2>&1 & mkdir \"$GUEST/cgroup\"; echo $! >\"$GUEST/cgroup/cgroup.procs\"")
	require.NoError(g.t, err)
	g.set("jobs", "12 sshd.service start waiting\n")
	g.set("units/sshd.service", unitIn("inactive", "After=pre-nixos.service\n"))
	g.set(provisioner, unitIn("activating", "ControlGroup=/../../.."+g.dir+"/cgroup\n"))
}

// impatient runs commands with another wait for a lease.
type impatient struct{ serial.Runner }

func (r impatient) Run(ctx context.Context, command string) (serial.Result, error) {
	return r.Runner.Run(ctx, strings.Replace(command, "lease=60", "lease=-1", 1))
}

func withoutLease(s *session, ctx context.Context) check.Result {
	root := s.vm.Root
	defer func() { s.vm.Root = root }()
	s.vm.Root = impatient{root}
	return s.address(ctx)
}

var checkRows = []checkRow{
	{"another status", set("run/storage-status", "STATE=plan-only\nDETAIL=existing-storage\n"), "storage", cleanStatus, check.Broken,
		`^the status is plan-only/existing-storage; the contract accepts applied/auto-applied; the last words of pre-nixos.service: "storage: applied/auto-applied"$`, 0},
	{"half a status", set("run/storage-status", "STATE=applied\n"), "storage", cleanStatus, check.Broken,
		`^/run/storage-status has STATE="applied" and DETAIL="", and will not have more: pre-nixos.service has ended \(`, 0},
	{"no status", both(unset("run/storage-status"), failedUnit), "storage", cleanStatus, check.Broken,
		`^there is no /run/storage-status and will be none: pre-nixos.service failed \(.*result=exit-code`, 0},
	{"status in time", both(unset("run/storage-status"), set(provisioner, unitIn("activating", ""))), "storage", cleanStatus, check.Broken,
		`^there is no whole /run/storage-status: pre-nixos.service is still under way after all the time for it`, short},
	{"no volume group", unset("vgs"), "storage", (*session).volumeGroup, check.Broken,
		`^there is no volume group main, though the status says applied/auto-applied$`, 0},
	{"another volume group", set("vgs", "  large 9g 1\n"), "storage", (*session).volumeGroup, check.Broken, `^there is no volume group main`, 0},
	{"two volume groups", set("vgs", "  main 3g 1\n  large 9g 1\n"), "storage", (*session).volumeGroup, check.Holds, `^found: main 3g 1; beside it: large 9g 1$`, 0},
	{"no volume", set("lvs", "  slash 3g\n"), "storage", (*session).volumes, check.Broken, `^volume group main has no volume swap$`, 0},
	{"not mounted", unset("mounts"), "storage", (*session).mounted, check.Broken, `^nothing is mounted on /mnt$`, 0},
	{"no journal", unset("journal/pre-nixos.service"), "storage", (*session).journal, check.Broken, `^the journal has no line of pre-nixos.service$`, 0},
	{"no command", unset("bin/findmnt", "bin/lvs"), "boot", (*session).commands, check.Broken, `^missing: findmnt, lvs$`, 0},
	{"failed unit", failedUnit, "unit", firstUnit, check.Broken, `^it does not come to inactive: pre-nixos.service failed \(.*; the last words of`, 0},
	{"no unit", unset(provisioner), "unit", firstUnit, check.Broken, `^it does not come to inactive: pre-nixos.service is not-found`, 0},
	{"never started", set(provisioner, "LoadState=loaded\nActiveState=inactive\nExecMainStartTimestampMonotonic=0\n"), "unit", firstUnit, check.Broken,
		`pre-nixos.service was never started, and no job is left that would`, 0},
	{"deadlock", deadlocked, "unit", firstUnit, check.Broken,
		`^it does not come to inactive: pre-nixos.service waits for sshd.service, and sshd.service waits for pre-nixos.service: [^;]*$`, 0},
	{"unit in time", set(provisioner, unitIn("activating", "")), "unit", firstUnit, check.Broken, `is still under way after all the time for it`, short},

	{"no interface", unset("net", "address"), "network", (*session).address, check.Broken, `^there is no interface lan and will be none: pre-nixos.service has ended`, 0},
	{"no carrier", both(unset("address"), set("net/lan/carrier", "0\n")), "network", (*session).address, check.Broken, `^lan has no carrier: its cable is unplugged$`, 0},
	{"no client", unset("address", "units/systemd-networkd.service"), "network", (*session).address, check.Broken, `^lan is there, but no DHCP client runs`, 0},
	{"no lease", unset("address"), "network", withoutLease, check.Broken, `^lan has no address, and nobody has answered its DHCP client`, 0},
	{"address in time", both(unset("address"), set(provisioner, unitIn("activating", ""))), "network", (*session).address, check.Broken,
		`^lan has no address: pre-nixos.service is still under way`, short},
	{"no network status", unset("run/network-status"), "network", (*session).networkStatus, check.Broken, `^it cannot be read: .*No such file`, 0},
	{"another network status", set("run/network-status", "LAN_IPV4=192.0.2.1\n"), "network", func(s *session, ctx context.Context) check.Result {
		s.ipv4 = "10.0.2.15"
		return s.networkStatus(ctx)
	}, check.Broken, `^it does not name 10.0.2.15$`, 0},

	{"sshd is late", set("sshd-refuses", "X"), "ssh", (*session).ssh, check.Holds, `^id -un answers root at try 2, port N$`, 0},
	{"sshd is deaf", set("sshd-refuses", strings.Repeat("X", 100)), "ssh", (*session).ssh, check.Broken, `^\d+ tries as root on 127.0.0.1:N, the last: ssh: handshake failed: .* \(context deadline exceeded\)$`, 3 * time.Second},
	{"another key", func(g *fakeGuest, _ *session) {
		other, err := rootkey.Load(g.t.TempDir(), false)
		require.NoError(g.t, err)
		g.set("authorized_keys", other.Authorized)
	}, "ssh", (*session).ssh, check.Broken, `^sshd lets nobody in as root with the key SHA256:\S+: .*unable to authenticate`, 10 * time.Second},
	{"another user", set("ssh-user", "nobody"), "ssh", (*session).ssh, check.Broken, `^id -un answers "nobody", not root$`, 0},
	{"no sshd", set("units/sshd.service", unitIn("failed", "")), "ssh", (*session).ssh, check.Broken, `^sshd.service does not run: sshd.service failed`, 0},

	{"renamed without a key", func(g *fakeGuest, s *session) {
		g.set("links", "eth0\n"+s.fleet.subject.Contract.Network.Interface+"\nlo\n")
	}, "network", (*session).nothingRenamed, check.Broken, `^there is an interface lan$`, 0},
	{"nothing announced", nil, "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`storage: \w+`))
	}, check.Broken, `^0 on the console; besides, 0 in login notices and 1 in the journal$`, 0},
	{"announced in a notice", nil, "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`message of the day`))
	}, check.Broken, `^0 on the console; besides, 1 in login notices and 0 in the journal$`, 0},
	{"announcer in time", set(provisioner, unitIn("activating", "")), "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`x`))
	}, check.Broken, `^its unit does not end: pre-nixos.service is still under way`, short},
	{"another bus", set("cd", "/sys/devices/pci0000:00/ata1/block/sr0\n"), "boot", probe("cd-bus", func(s *session) []check.Check {
		return []check.Check{s.mediumCheck("", "virtio")}
	}), check.Broken, `^the CD is not on virtio$`, 0},
	{"BIOS", nil, "boot", probe("efi", func(s *session) []check.Check { return []check.Check{s.firmwareCheck("")} }), check.Broken, `it was BIOS$`, 0},

	{"written to", func(_ *fakeGuest, s *session) { s.digest[0]++ }, "storage", probe("untouched", func(s *session) []check.Check {
		return []check.Check{s.untouchedCheck("")}
	}), check.Broken, `^the guest has written to it$`, 0},
	{"a pass that failed", failedUnit, "storage", probe("untouched", func(s *session) []check.Check {
		return []check.Check{s.untouchedCheck("")}
	}), check.Broken, `^the pass did not end well: pre-nixos.service failed`, 0},
	{"no claim", set("run/storage-status", "STATE=failed\nDETAIL=auto-applied\n"), "storage", probe("found-out", func(s *session) []check.Check {
		return []check.Check{s.emptyWordCheck("")}
	}), check.Broken, `^the status does not even claim it: the status is failed/auto-applied`, 0},
	{"a claim that is true", nil, "storage", probe("found-out", func(s *session) []check.Check {
		return []check.Check{s.emptyWordCheck("")}
	}), check.Broken, `^the lie was believed: found: main`, 0},
	{"no seed", func(g *fakeGuest, _ *session) { g.program("mdadm", "#!/bin/sh\necho busy >&2\nexit 3\n") }, "storage", func(s *session, ctx context.Context) check.Result {
		return s.residueStep(ctx, "seed")
	}, check.Broken, `^mdadm --stop --scan failed with exit status 3$`, 0},
	{"left over", both(set("vgs", " vg_residue\n"), set("arrays", "ARRAY /dev/md127\n")), "storage", func(s *session, ctx context.Context) check.Result {
		return s.residueStep(ctx, "verify")
	}, check.Broken, `^left over: array vg_residue$`, 0},
	{"no clean-up", func(_ *fakeGuest, s *session) {
		s.fleet.subject.Contract.Storage.Outcomes = []contract.Outcome{{When: "force-cleanup", State: "applied"}}
	}, "storage", (*session).forceCleanup, check.Broken, `^the status is plan-only/existing-storage-force-cleanup; the contract accepts applied`, 0},
}

// TestChecksOnAFake boots one guest and then changes what it answers: each kind
// of failure of each check is said by name.
func TestChecksOnAFake(t *testing.T) {
	beside(t)
	g := newFakeGuest(t, toShell)
	g.set("motd", "the message of the day")
	s := g.session(g.config())
	s.template.Disks = []Disk{{MiB: 4}, {MiB: 4}}
	require.Equal(t, check.Holds, s.booted(t.Context()).Outcome)
	saved := g.state()
	for _, row := range checkRows {
		t.Run(row.name, func(t *testing.T) {
			g.restore(saved)
			s.status = map[string]string{"STATE": "applied", "DETAIL": "auto-applied"}
			if row.change != nil {
				row.change(g, s)
			}
			ctx := t.Context()
			if row.limit != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.limit)
				defer cancel()
			}
			s.failed = false
			r := s.do(ctx, row.topic, func(ctx context.Context) check.Result { return row.look(s, ctx) })
			assert.Equal(t, row.want, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
			assert.Regexp(t, row.says, g.plain(r.Detail))
			assert.Equal(t, row.want == check.Broken, s.failed)
		})
	}
}
