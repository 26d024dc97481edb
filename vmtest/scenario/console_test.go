package scenario

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/serial/watch"
	"bootaudit/vmtest"
)

// A tripwire that ended no wait is a finding, unless it is one that an image
// without a root key may touch.
func TestTripwiresOnAFake(t *testing.T) {
	fakevm.Beside(t)
	g := fakevm.New(t, fakevm.ToShell)
	s := fakeSession(t, g)
	probed := func(c check.Check) check.Result { return c.Probe(t.Context()) }
	require.Equal(t, check.Holds, s.Booted(t.Context()).Outcome)
	assert.Regexp(t, `^none of \d+ tripwires was touched$`, probed(s.tripwireCheck("")).Detail)
	assert.Equal(t, check.Holds, probed(s.recordedCheck("")).Outcome)

	_, err := s.VM().Output(t.Context(), `printf '\r\nLAN IPv4 address unavailable\r\n[FAILED] Failed to start Something.\r\n' >"$GUEST/dev/tty-console"`)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(s.Trips()) == 2 }, 30*time.Second, 10*time.Millisecond)
	r := probed(s.tripwireCheck(""))
	assert.Equal(t, check.Broken, r.Outcome)
	assert.Equal(t, "lan-unavailable: the guest got no address on lan; unit-failed: a unit failed to start", r.Detail)
	assert.Equal(t, "LAN IPv4 address unavailable\n[FAILED] Failed to start Something.", r.Evidence)
	s.keyed = false
	r = probed(s.tripwireCheck(""))
	assert.Equal(t, "unit-failed: a unit failed to start", r.Detail)
	assert.Equal(t, "read journalctl -u UNIT -b", r.FollowUp)
	// An error that has nothing to do with it says what the console had shown.
	assert.Contains(t, s.Broke(os.ErrInvalid).Detail, "invalid argument; the console had shown lan-unavailable: ")
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
	s := NewSuite(Subject{Contract: contract.DebianLive()}, &vmtest.Harness{}).fleet.cleanVM()
	var said []string
	for _, c := range slices.Concat(s.storageChecks("", "clean"), s.networkChecks(""), s.announcementChecks(""), s.residueChecks("")) {
		r := alone(t, c)
		assert.Equal(t, check.NotNeeded, r.Outcome, c.ID)
		said = append(said, r.Detail)
	}
	assert.Contains(t, strings.Join(said, "\n"), `the contract promises nothing about disks`)
	assert.Contains(t, strings.Join(said, "\n"), `the contract promises no network`)

	s.fleet.subject.Contract = contract.PreNixOS()
	_, err := s.planned.Get(t.Context(), func(context.Context) (vmtest.Machine, error) { return vmtest.Machine{}, nil })
	require.NoError(t, err)
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

// What a busy host does to an emulated guest is not the image's fault.
func TestStarved(t *testing.T) {
	var wires []string
	for _, w := range watch.Tripwires() {
		if starved(watch.Trip{ID: w.ID}, "tcg") {
			wires = append(wires, w.ID)
		}
		assert.False(t, starved(watch.Trip{ID: w.ID}, "kvm"), w.ID)
	}
	assert.ElementsMatch(t, []string{"soft-lockup", "rcu-stall", "hung-task", "clock-unstable"}, wires)
}
