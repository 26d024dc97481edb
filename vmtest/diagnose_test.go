package vmtest

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/serial"
)

// After a failure each topic is looked into once; a collector that hangs costs
// its own limit, and the others' answers are there.
func TestDiagnoseOnAFake(t *testing.T) {
	beside(t)
	for name, control := range map[string]bool{"control line": true, "console": false} {
		t.Run(name, func(t *testing.T) {
			g := newFakeGuest(t, toShell)
			s := g.session(g.config())
			s.fleet.subject.Contract.Logs = []string{g.dir + "/journal/*"}
			if !control {
				s.device = "/dev/no-such-port"
			}
			require.Equal(t, check.Holds, s.booted(t.Context()).Outcome)
			labels := func() (all []string) {
				for _, a := range s.record.now().Diagnostics.Artifacts {
					all = append(all, a.Label)
				}
				return all
			}
			content := func(label string) string {
				for _, a := range s.record.now().Diagnostics.Artifacts {
					if a.Label == label {
						text, err := os.ReadFile(a.Path)
						require.NoError(t, err)
						return string(text)
					}
				}
				return "no " + label
			}
			assert.Empty(t, labels())
			fails := func(context.Context) check.Result {
				r := check.Break("it fails")
				r.Evidence = "as seen here"
				return r
			}
			s.fleet.collect = 2 * time.Second
			require.NoError(t, os.WriteFile(filepath.Join(g.dir, "hangs/systemd-analyze"), nil, 0o644))
			g.set("units/pre-nixos.service", unitIn("inactive", "After=a.target\n"))
			s.do(t.Context(), "storage", fails)
			want := []string{"storage failure", "screen", "serial tail", "jobs", "dmesg", "boot timing", "unit pre-nixos.service", "disks", "status files", "provisioner logs"}
			assert.ElementsMatch(t, want, labels())
			assert.Equal(t, "it fails\n\nas seen here\n", content("storage failure"))
			assert.Contains(t, content("screen"), "root@nixos:~#")
			assert.Contains(t, content("serial tail"), "nixos login: nixos (automatic login)")
			assert.Contains(t, content("boot timing"), "[not whole: ")
			assert.Contains(t, content("unit pre-nixos.service"), "storage: applied/auto-applied")
			assert.Contains(t, content("disks"), "main 3.9g 1")
			assert.Contains(t, content("status files"), "== "+g.dir+"/run/storage-status\nSTATE=applied\n")
			assert.Contains(t, content("provisioner logs"), "storage: applied/auto-applied")
			g.unset("hangs/systemd-analyze")

			calls := len(g.get("calls"))
			s.do(t.Context(), "storage", fails)
			assert.ElementsMatch(t, want, labels(), "the second failure of a topic")
			assert.Equal(t, calls, len(g.get("calls")), "and nobody was asked")
			s.do(t.Context(), "ssh", fails)
			assert.Subset(t, labels(), []string{"ssh failure", "network", "unit systemd-networkd.service", "unit sshd.service"})
			assert.Contains(t, g.get("calls"), "networkctl status")
			s.do(t.Context(), "network", func(context.Context) check.Result { return check.Doubt("who knows") })
			assert.NotContains(t, labels(), "network failure")
			s.close(nil)
			assert.Equal(t, "failed", s.record.now().Outcome)
		})
	}
}

// newSilentConsole is a console of which nothing is heard.
func newSilentConsole(t testing.TB) *serial.Console {
	t.Helper()
	host, guest := net.Pipe()
	c, err := serial.New(host, serial.Config{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, c.Close())
		guest.Close()
	})
	return c
}

// runner is a root shell in a test's hand.
type runner struct {
	run func(ctx context.Context, command string) (serial.Result, error)
}

func (r runner) Run(ctx context.Context, command string) (serial.Result, error) {
	return r.run(ctx, command)
}
func (runner) Put(context.Context, string, []byte, fs.FileMode) error { return nil }
func (runner) Get(context.Context, string) ([]byte, error)            { return nil, nil }

// Each collector has a limit, all have one, and they end while there is time to
// end QEMU before go test's own deadline.
func TestDiagnoseIsLimited(t *testing.T) {
	end := time.Now().Add(evidenceTime + time.Second)
	for name, row := range map[string]struct {
		watcher            Watcher
		collect, diagnosis time.Duration
		latest             time.Duration // from the beginning, as a limit; 0 is end's
	}{
		"each":     {Watcher{}, 5 * time.Minute, time.Hour, 5 * time.Minute},
		"all":      {Watcher{}, time.Hour, 10 * time.Minute, 10 * time.Minute},
		"deadline": {Watcher{Deadline: end, Timeout: 10 * time.Minute}, time.Hour, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(Subject{Contract: contract.PreNixOS()}, config.Config{}, row.watcher)
			f.collect, f.diagnosis = row.collect, row.diagnosis
			s := &session{fleet: f, name: "x", record: newRecord(t.TempDir(), nil)}
			defer s.record.close()
			limits := make(chan time.Time, 100)
			s.vm = &VM{
				Console: newSilentConsole(t), Started: time.Now(), alive: context.Background(),
				Root: runner{func(ctx context.Context, command string) (serial.Result, error) {
					limit, _ := ctx.Deadline()
					limits <- limit
					return serial.Result{}, nil
				}},
			}
			began := time.Now()
			r := s.do(t.Context(), "storage", func(context.Context) check.Result { return check.Break("x") })
			assert.Equal(t, check.Broken, r.Outcome)
			earliest, latest := began.Add(row.latest), time.Now().Add(row.latest)
			if row.latest == 0 {
				earliest, latest = end.Add(-evidenceTime/2), end.Add(-evidenceTime/2)
			}
			close(limits)
			n := 0
			for limit := range limits {
				assert.False(t, limit.Before(earliest) || limit.After(latest), "%s is not between %s and %s", limit, earliest, latest)
				n++
			}
			assert.Equal(t, len(s.collectors("storage")), n)
		})
	}
}

// The checks' own time ends before that, and what was cut off so is not the
// guest's fault.
func TestNearTheDeadlineNobodyIsToBlame(t *testing.T) {
	f := newFleet(Subject{}, config.Config{}, Watcher{Deadline: time.Now().Add(50 * time.Millisecond), Timeout: 0})
	s := &session{fleet: f, name: "x"}
	r := s.do(t.Context(), "boot", func(ctx context.Context) check.Result {
		<-ctx.Done()
		return check.Break(context.Cause(ctx).Error())
	})
	assert.Equal(t, check.Unknown, r.Outcome)
	assert.Contains(t, r.Detail, "go test's -timeout is near; give a longer one")
	assert.False(t, s.failed)
	assert.True(t, s.unsure)
}

// A tripwire that ended no wait is a finding, unless it is one that an image
// without a root key may touch; and what was recorded is read back.
func TestTripwiresAndRecordOnAFake(t *testing.T) {
	beside(t)
	g := newFakeGuest(t, toShell)
	s := g.session(g.config())
	probed := func(c check.Check) check.Result { return c.Probe(t.Context()) }
	require.Equal(t, check.Holds, s.booted(t.Context()).Outcome)
	assert.Regexp(t, `^none of \d+ tripwires was touched$`, probed(s.tripwireCheck("")).Detail)
	recorded := probed(s.recordedCheck(""))
	assert.Equal(t, check.Holds, recorded.Outcome)
	assert.Regexp(t, `^QEMU 99.0.1 \(fake\), 8 stages, \d+ bytes of console$`, recorded.Detail)
	assert.Contains(t, recorded.Evidence, `"stage": "shell"`)

	_, err := s.vm.Output(t.Context(), `printf '\r\nLAN IPv4 address unavailable\r\n[FAILED] Failed to start Something.\r\n' >"$GUEST/dev/tty-console"`)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(s.seen()) == 2 }, 30*time.Second, 10*time.Millisecond)
	r := probed(s.tripwireCheck(""))
	assert.Equal(t, check.Broken, r.Outcome)
	assert.Equal(t, "lan-unavailable: the guest got no address on lan; unit-failed: a unit failed to start", r.Detail)
	assert.Equal(t, "LAN IPv4 address unavailable\n[FAILED] Failed to start Something.", r.Evidence)
	s.keyed = false
	r = probed(s.tripwireCheck(""))
	assert.Equal(t, "unit-failed: a unit failed to start", r.Detail)
	assert.Equal(t, "read journalctl -u UNIT -b", r.FollowUp)
	// An error that has nothing to do with it says what the console had shown.
	assert.Contains(t, s.broke(os.ErrInvalid).Detail, "invalid argument; the console had shown lan-unavailable: ")
	s.record.flush()
	assert.Equal(t, "unit-failed", s.record.now().Trips[1].ID)

	require.NoError(t, os.Truncate(s.record.path(transcriptFile), 0))
	assert.Equal(t, "there is no transcript: <nil>", probed(s.recordedCheck("")).Detail)
	require.NoError(t, os.WriteFile(s.record.path(transcriptFile), []byte("x"), 0o644))
	s.record.update(func(m *metadata) { m.QEMU.Version = "" })
	assert.Equal(t, "the record is not whole", probed(s.recordedCheck("")).Detail)
	require.NoError(t, os.Remove(s.record.path(metadataFile)))
	assert.Contains(t, probed(s.recordedCheck("")).Detail, "no such file")
}

// What a guest without a key cannot show is said, and what nobody promised is not
// looked at: neither needs a VM.
// alone is what is found of a check, whatever became of what it needs.
func alone(t *testing.T, c check.Check) check.Finding {
	t.Helper()
	c.Needs = nil
	table, err := check.NewTable([]check.Check{c})
	require.NoError(t, err)
	return table.Resolve(t.Context(), c.ID)
}

func TestWhatIsNotLookedAt(t *testing.T) {
	s := &session{fleet: newFleet(Subject{Contract: contract.DebianLive()}, config.Config{}, Watcher{}), name: "x"}
	var said []string
	for _, c := range slices.Concat(s.storageChecks("", "clean"), s.networkChecks(""), s.announcementChecks(""), s.residueChecks("")) {
		r := alone(t, c)
		assert.Equal(t, check.NotNeeded, r.Outcome, c.ID)
		said = append(said, r.Detail)
	}
	assert.Contains(t, strings.Join(said, "\n"), `the contract promises nothing about disks`)
	assert.Contains(t, strings.Join(said, "\n"), `the contract promises no network`)

	s.fleet.subject.Contract = contract.PreNixOS()
	s.planned = func() (Machine, error) { return Machine{}, nil }
	for _, c := range append(s.networkChecks("")[:2], s.networkChecks("")[3], s.announcementChecks("")[1]) {
		r := alone(t, c)
		assert.Equal(t, check.NotNeeded, r.Outcome, c.ID)
		assert.Contains(t, r.Detail, "the image has no root key", c.ID)
	}
	s.keyed = true
	r := s.ssh(t.Context())
	assert.Equal(t, "the image has a root key, whose private half is not known here", r.Detail)
	assert.Equal(t, "the image has no knob for this fault", s.knobless())
}
