package vmtest

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/internal/record"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// After a failure each topic is looked into once; a collector that hangs costs
// its own limit, and the others' answers are there.
func TestDiagnoseOnAFake(t *testing.T) {
	fakevm.Beside(t)
	for name, control := range map[string]bool{"control line": true, "console": false} {
		t.Run(name, func(t *testing.T) {
			g := fakevm.New(t, fakevm.ToShell)
			s := fakeSession(t, g, fakeHarness(t, g), func(p *Plan, m *Machine) {
				p.Contract.Logs = []string{g.Dir + "/journal/*"}
				if !control {
					m.ControlDevice = "/dev/no-such-port"
				}
			})
			require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
			labels := func() (all []string) {
				for _, a := range s.record.Now().Diagnostics.Artifacts {
					all = append(all, a.Label)
				}
				return all
			}
			content := func(label string) string {
				for _, a := range s.record.Now().Diagnostics.Artifacts {
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
			s.harness.collect = 2 * time.Second
			require.NoError(t, os.WriteFile(filepath.Join(g.Dir, "hangs/systemd-analyze"), nil, 0o644))
			g.Set("units/pre-nixos.service", fakevm.UnitIn("inactive", "After=a.target\n"))
			s.Do(t.Context(), "storage", fails)
			want := []string{"storage failure", "screen", "serial tail", "jobs", "dmesg", "boot timing", "unit pre-nixos.service", "disks", "status files", "provisioner logs"}
			assert.ElementsMatch(t, want, labels())
			assert.Equal(t, "it fails\n\nas seen here\n", content("storage failure"))
			assert.Contains(t, content("screen"), "root@nixos:~#")
			assert.Contains(t, content("serial tail"), "nixos login: nixos (automatic login)")
			assert.Contains(t, content("boot timing"), "[not whole: ")
			assert.Contains(t, content("unit pre-nixos.service"), "storage: applied/auto-applied")
			assert.Contains(t, content("disks"), "main 3.9g 1")
			assert.Contains(t, content("status files"), "== "+g.Dir+"/run/storage-status\nSTATE=applied\n")
			assert.Contains(t, content("provisioner logs"), "storage: applied/auto-applied")
			g.Unset("hangs/systemd-analyze")

			calls := len(g.Get("calls"))
			s.Do(t.Context(), "storage", fails)
			assert.ElementsMatch(t, want, labels(), "the second failure of a topic")
			assert.Equal(t, calls, len(g.Get("calls")), "and nobody was asked")
			s.Do(t.Context(), "ssh", fails)
			assert.Subset(t, labels(), []string{"ssh failure", "network", "unit systemd-networkd.service", "unit sshd.service"})
			assert.Contains(t, g.Get("calls"), "networkctl status")
			s.Do(t.Context(), "network", func(context.Context) check.Result { return check.Doubt("who knows") })
			assert.NotContains(t, labels(), "network failure")
			s.Close(nil)
			assert.Equal(t, "failed", s.record.Now().Outcome)
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
		deadline           time.Time
		collect, diagnosis time.Duration
		latest             time.Duration // from the beginning, as a limit; 0 is end's
	}{
		"each":     {time.Time{}, 5 * time.Minute, time.Hour, 5 * time.Minute},
		"all":      {time.Time{}, time.Hour, 10 * time.Minute, 10 * time.Minute},
		"deadline": {end, time.Hour, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Harness{Deadline: row.deadline, Timeout: 10 * time.Minute, collect: row.collect, diagnosis: row.diagnosis}
			s := h.Session(Plan{Name: "x", Contract: contract.PreNixOS()})
			s.record = record.New(t.TempDir(), nil)
			defer s.record.Close()
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
			r := s.Do(t.Context(), "storage", func(context.Context) check.Result { return check.Break("x") })
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
	h := &Harness{Deadline: time.Now().Add(50 * time.Millisecond)}
	s := h.Session(Plan{Name: "x"})
	r := s.Do(t.Context(), "boot", func(ctx context.Context) check.Result {
		<-ctx.Done()
		return check.Break(context.Cause(ctx).Error())
	})
	assert.Equal(t, check.Unknown, r.Outcome)
	assert.Contains(t, r.Detail, "go test's -timeout is near; give a longer one")
	assert.False(t, s.failed)
	assert.True(t, s.unsure)
}

// A boot for which go test leaves no time is not started.
func TestNoTimeLeft(t *testing.T) {
	h := &Harness{Deadline: time.Now().Add(50 * time.Second), Timeout: 10 * time.Minute}
	s := h.Session(Plan{Name: "clean-disk", Cost: time.Minute})
	r := s.Booted(t.Context())
	assert.Equal(t, check.Unknown, r.Outcome)
	assert.Regexp(t, `not started: booting clean-disk and looking takes about 1m0s here, and go test's -timeout 10m0s leaves \d+s; give -timeout \d+m$`, r.Detail)
	assert.Nil(t, s.record)
}

// What was recorded is read back, and what is not there is said.
func TestRecordedOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	s := fakeSession(t, g, fakeHarness(t, g), nil)
	require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
	recorded := s.Recorded()
	assert.Equal(t, check.Holds, recorded.Outcome)
	assert.Regexp(t, `^QEMU 99.0.1 \(fake\), 8 stages, \d+ bytes of console$`, recorded.Detail)
	assert.Contains(t, recorded.Evidence, `"stage": "shell"`)
	require.NoError(t, os.Truncate(s.record.Path(record.TranscriptFile), 0))
	assert.Equal(t, "there is no transcript: <nil>", s.Recorded().Detail)
	require.NoError(t, os.WriteFile(s.record.Path(record.TranscriptFile), []byte("x"), 0o644))
	s.record.Update(func(m *record.Metadata) { m.QEMU.Version = "" })
	assert.Equal(t, "the record is not whole", s.Recorded().Detail)
	require.NoError(t, os.Remove(s.record.Path(record.MetadataFile)))
	assert.Contains(t, s.Recorded().Detail, "no such file")
}

// The pump adds to the record while checks read it: for the race detector.
func TestRecordIsReadWhileItIsWritten(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, record.TranscriptFile), []byte("x"), 0o644))
	s := (&Harness{}).Session(Plan{Name: "x"})
	s.record = record.New(folder, nil)
	defer s.record.Close()
	var pump sync.WaitGroup
	pump.Go(func() {
		for range 60 {
			s.onStage(watch.Reached{Stage: watch.Firmware, At: time.Now()})
			s.onTrip(watch.Trip{ID: "kernel-warning", Line: "x", At: time.Now()})
		}
	})
	for i := range 10 {
		s.begins(time.Now())
		s.Recorded()
		s.rootSeconds()
		s.tellAttribute("passed", func(string, string) {})
		s.record.Ledger(filepath.Join(folder, "ledger"), nil, record.Limits{})
		s.Save(fmt.Sprint(i), "txt", nil)
	}
	pump.Wait()
	assert.Len(t, s.record.Now().Trips, 60)
}
