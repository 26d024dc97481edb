package scenario

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/internal/rootkey"
	"bootaudit/serial"
	"bootaudit/vmtest"
)

// checkRow is a guest that is changed after its boot, and what a look at it says.
type checkRow struct {
	name   string
	change func(testing.TB, *fakevm.Guest, *session)
	topic  string // "" is a look that takes its turn by itself
	look   func(*session, context.Context) check.Result
	want   check.Outcome
	says   string        // pattern of the plain detail
	limit  time.Duration // for a look that waits for what does not come
}

const short = 5 * time.Second // of which the guest waits some 1.75 s

// unset and set are changes.
func unset(names ...string) func(testing.TB, *fakevm.Guest, *session) {
	return func(_ testing.TB, g *fakevm.Guest, _ *session) { g.Unset(names...) }
}

func set(name, text string) func(testing.TB, *fakevm.Guest, *session) {
	return func(_ testing.TB, g *fakevm.Guest, _ *session) { g.Set(name, text) }
}

func both(changes ...func(testing.TB, *fakevm.Guest, *session)) func(testing.TB, *fakevm.Guest, *session) {
	return func(t testing.TB, g *fakevm.Guest, s *session) {
		for _, change := range changes {
			change(t, g, s)
		}
	}
}

// probe is the check of that name, which one of the scenario's functions made.
func probe(id string, checks func(*session) []check.Check) func(*session, context.Context) check.Result {
	return func(s *session, ctx context.Context) check.Result {
		for _, c := range checks(s) {
			if c.ID == id {
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

var failedUnit = set(provisioner, fakevm.UnitIn("failed", "Result=exit-code\n"))

// deadlocked is a unit whose program starts another, which waits for it. The
// guest's "systemctl restart" never comes back.
func deadlocked(t testing.TB, g *fakevm.Guest, s *session) {
	_, err := s.VM().Output(t.Context(), "systemctl restart sshd.service </dev/null >/dev/null 2>&1 & mkdir \"$GUEST/cgroup\"; echo $! >\"$GUEST/cgroup/cgroup.procs\"")
	require.NoError(t, err)
	g.Set("jobs", "12 sshd.service start waiting\n")
	g.Set("units/sshd.service", fakevm.UnitIn("inactive", "After=pre-nixos.service\n"))
	g.Set(provisioner, fakevm.UnitIn("activating", "ControlGroup=/../../.."+g.Dir+"/cgroup\n"))
}

// impatient runs commands with another wait for a lease.
type impatient struct{ serial.Runner }

func (r impatient) Run(ctx context.Context, command string) (serial.Result, error) {
	return r.Runner.Run(ctx, strings.Replace(command, "lease=60", "lease=-1", 1))
}

func withoutLease(s *session, ctx context.Context) check.Result {
	root := s.VM().Root
	defer func() { s.VM().Root = root }()
	s.VM().Root = impatient{root}
	return s.address(ctx)
}

var checkRows = []checkRow{
	{"another status", set("run/storage-status", "STATE=plan-only\nDETAIL=existing-storage\n"), "storage", cleanStatus, check.Broken,
		`^the status is plan-only/existing-storage; the contract accepts applied/auto-applied; the last words of pre-nixos.service: "storage: applied/auto-applied"$`, 0},
	{"half a status", set("run/storage-status", "STATE=applied\n"), "storage", cleanStatus, check.Broken,
		`^/run/storage-status has STATE="applied" and DETAIL="", and will not have more: pre-nixos.service has ended \(`, 0},
	{"no status", both(unset("run/storage-status"), failedUnit), "storage", cleanStatus, check.Broken,
		`^there is no /run/storage-status and will be none: pre-nixos.service failed \(.*result=exit-code`, 0},
	{"status in time", both(unset("run/storage-status"), set(provisioner, fakevm.UnitIn("activating", ""))), "storage", cleanStatus, check.Broken,
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
	{"unit in time", set(provisioner, fakevm.UnitIn("activating", "")), "unit", firstUnit, check.Broken, `is still under way after all the time for it`, short},

	{"no interface", unset("net", "address"), "network", (*session).address, check.Broken, `^there is no interface lan and will be none: pre-nixos.service has ended`, 0},
	{"no carrier", both(unset("address"), set("net/lan/carrier", "0\n")), "network", (*session).address, check.Broken, `^lan has no carrier: its cable is unplugged$`, 0},
	{"no client", unset("address", "units/systemd-networkd.service"), "network", (*session).address, check.Broken, `^lan is there, but no DHCP client runs`, 0},
	{"no lease", unset("address"), "network", withoutLease, check.Broken, `^lan has no address, and nobody has answered its DHCP client`, 0},
	{"address in time", both(unset("address"), set(provisioner, fakevm.UnitIn("activating", ""))), "network", (*session).address, check.Broken,
		`^lan has no address: pre-nixos.service is still under way`, short},
	{"no network status", unset("run/network-status"), "network", (*session).networkStatus, check.Broken, `^it cannot be read: .*No such file`, 0},
	{"another network status", set("run/network-status", "LAN_IPV4=192.0.2.1\n"), "network", func(s *session, ctx context.Context) check.Result {
		s.ipv4 = "10.0.2.15"
		return s.networkStatus(ctx)
	}, check.Broken, `^it does not name 10.0.2.15$`, 0},

	{"sshd is late", set("sshd-refuses", "X"), "ssh", (*session).ssh, check.Holds, `^id -un answers root at try 2, port N$`, 0},
	{"sshd is deaf", set("sshd-refuses", strings.Repeat("X", 100)), "ssh", (*session).ssh, check.Broken, `^\d+ tries as root on 127.0.0.1:N, the last: ssh: handshake failed: .* \(context deadline exceeded\)$`, 3 * time.Second},
	{"another key", func(t testing.TB, g *fakevm.Guest, _ *session) {
		other, err := rootkey.Load(t.TempDir(), false)
		require.NoError(t, err)
		g.Set("authorized_keys", other.Authorized)
	}, "ssh", (*session).ssh, check.Broken, `^sshd lets nobody in as root with the key SHA256:\S+: .*unable to authenticate`, 10 * time.Second},
	{"another user", set("ssh-user", "nobody"), "ssh", (*session).ssh, check.Broken, `^id -un answers "nobody", not root$`, 0},
	{"no sshd", set("units/sshd.service", fakevm.UnitIn("failed", "")), "ssh", (*session).ssh, check.Broken, `^sshd.service does not run: sshd.service failed`, 0},

	{"renamed without a key", func(t testing.TB, g *fakevm.Guest, s *session) {
		g.Set("links", "eth0\n"+s.fleet.subject.Contract.Network.Interface+"\nlo\n")
	}, "network", (*session).nothingRenamed, check.Broken, `^there is an interface lan$`, 0},
	{"nothing announced", nil, "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`storage: \w+`))
	}, check.Broken, `^0 on the console; besides, 0 in login notices and 1 in the journal$`, 0},
	{"announced in a notice", nil, "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`message of the day`))
	}, check.Broken, `^0 on the console; besides, 1 in login notices and 0 in the journal$`, 0},
	{"announcer in time", set(provisioner, fakevm.UnitIn("activating", "")), "network", func(s *session, ctx context.Context) check.Result {
		return s.announced(ctx, regexp.MustCompile(`x`))
	}, check.Broken, `^its unit does not end: pre-nixos.service is still under way`, short},
	{"another bus", set("cd", "/sys/devices/pci0000:00/ata1/block/sr0\n"), "", probe("cd-bus", func(s *session) []check.Check {
		return []check.Check{s.mediumCheck("", "virtio")}
	}), check.Broken, `^the CD is not on virtio$`, 0},
	{"BIOS", nil, "", probe("efi", func(s *session) []check.Check { return []check.Check{s.firmwareCheck("")} }), check.Broken, `it was BIOS$`, 0},

	{"written to", func(_ testing.TB, _ *fakevm.Guest, s *session) { s.digest[0]++ }, "", probe("untouched", func(s *session) []check.Check {
		return []check.Check{s.untouchedCheck("")}
	}), check.Broken, `^the guest has written to it$`, 0},
	{"a pass that failed", failedUnit, "", probe("untouched", func(s *session) []check.Check {
		return []check.Check{s.untouchedCheck("")}
	}), check.Broken, `^the pass did not end well: pre-nixos.service failed`, 0},
	{"no claim", set("run/storage-status", "STATE=failed\nDETAIL=auto-applied\n"), "", probe("found-out", func(s *session) []check.Check {
		return []check.Check{s.emptyWordCheck("")}
	}), check.Broken, `^the status does not even claim it: the status is failed/auto-applied`, 0},
	{"a claim that is true", nil, "", probe("found-out", func(s *session) []check.Check {
		return []check.Check{s.emptyWordCheck("")}
	}), check.Broken, `^the lie was believed: found: main`, 0},
	{"no seed", func(_ testing.TB, g *fakevm.Guest, _ *session) {
		g.Program("mdadm", "#!/bin/sh\necho busy >&2\nexit 3\n")
	}, "storage", func(s *session, ctx context.Context) check.Result {
		return s.residueStep(ctx, "seed")
	}, check.Broken, `^mdadm --stop --scan failed with exit status 3$`, 0},
	{"left over", both(set("vgs", " vg_residue\n"), set("arrays", "ARRAY /dev/md127\n")), "storage", func(s *session, ctx context.Context) check.Result {
		return s.residueStep(ctx, "verify")
	}, check.Broken, `^left over: array vg_residue$`, 0},
	{"no clean-up", func(_ testing.TB, _ *fakevm.Guest, s *session) {
		s.fleet.subject.Contract.Storage.Outcomes = []contract.Outcome{{When: "force-cleanup", State: "applied"}}
	}, "storage", (*session).forceCleanup, check.Broken, `^the status is plan-only/existing-storage-force-cleanup; the contract accepts applied`, 0},
}

// TestChecksOnAFake boots one guest and then changes what it answers: each kind
// of failure of each check is said by name.
func TestChecksOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	g.Set("motd", "the message of the day")
	s := fakeSession(t, g)
	s.template.Disks = []vmtest.Disk{{MiB: 4}, {MiB: 4}}
	require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
	saved := g.State()
	for _, row := range checkRows {
		t.Run(row.name, func(t *testing.T) {
			g.Restore(saved)
			s.status = map[string]string{"STATE": "applied", "DETAIL": "auto-applied"}
			if row.change != nil {
				row.change(t, g, s)
			}
			ctx := t.Context()
			if row.limit != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.limit)
				defer cancel()
			}
			var r check.Result
			if row.topic == "" {
				r = row.look(s, ctx)
			} else {
				r = s.look(ctx, row.topic, func(ctx context.Context) check.Result { return row.look(s, ctx) })
			}
			assert.Equal(t, row.want, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
			assert.Regexp(t, row.says, g.Plain(r.Detail))
		})
	}
}
