package contract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
)

func day(t *testing.T, s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	require.NoError(t, err)
	return d.Add(23 * time.Hour)
}

// allowing is a contract with waivers.
func allowing(t *testing.T, allow string) Contract {
	c, err := Parse("c.toml", []byte("name = 'x'\n"+allow))
	require.NoError(t, err)
	return c
}

const allowSudo = `[[allow]]
check = 'image-sudo'
reason = 'the user is told his password'
link = 'https://example.org/7'
until = 2026-12-31
`

func TestWhatIsAllowedIsARisk(t *testing.T) {
	w := allowing(t, allowSudo).Waivers(day(t, "2026-12-31"))
	broken := check.Finding{ID: "image-sudo", Outcome: check.Broken, Detail: "it asks", Evidence: "e", Remedy: "add NOPASSWD", FollowUp: "look"}
	assert.Equal(t, check.Finding{
		ID: "image-sudo", Outcome: check.Risk, Detail: "it asks", Evidence: "e",
		Risk:     "known, and allowed until 2026-12-31: the user is told his password (https://example.org/7)",
		FollowUp: "look; add NOPASSWD",
	}, w.Finding("image-sudo", broken))
	assert.Equal(t, broken, w.Finding("image-unit", broken), "another check")
	assert.Empty(t, w.Left(true))
}

// TestOnlyBrokenIsWaived: nothing is forgiven that nobody has seen.
func TestOnlyBrokenIsWaived(t *testing.T) {
	for _, tt := range []struct {
		outcome check.Outcome
		left    string
	}{
		{check.Holds, "image-sudo is not broken, but: holds"},
		{check.Risk, "image-sudo is not broken, but: risk"},
		{check.NotNeeded, "image-sudo is not broken, but: not needed"},
		{check.Unknown, ""}, // it may be broken still
		{check.Absent, ""},
	} {
		w := allowing(t, allowSudo).Waivers(day(t, "2026-01-01"))
		f := check.Finding{ID: "image-sudo", Outcome: tt.outcome, Remedy: "r"}
		assert.Equal(t, f, w.Finding("image-sudo", f))
		left := w.Left(true)
		if tt.left == "" {
			assert.Empty(t, left, tt.outcome)
			continue
		}
		require.Len(t, left, 1, tt.outcome)
		assert.Equal(t, check.Finding{
			ID: "waiver-1", Section: check.SectionImage, Outcome: check.Risk,
			Condition: "what the contract allows of image-sudo is there, and its last day is not over",
			How:       "compare what was found with the waiver in c.toml:2 (the user is told his password)",
			Detail:    tt.left,
			Risk:      "a waiver that nothing needs hides the next fault of that name",
			FollowUp:  "take the waiver out of the contract",
		}, left[0])
	}
}

func TestExpiredWaiver(t *testing.T) {
	w := allowing(t, allowSudo).Waivers(day(t, "2027-01-01"))
	broken := check.Finding{ID: "image-sudo", Outcome: check.Broken, Remedy: "r"}
	assert.Equal(t, broken, w.Finding("image-sudo", broken))
	left := w.Left(false)
	require.Len(t, left, 1)
	assert.Equal(t, check.Risk, left[0].Outcome)
	assert.Equal(t, "the waiver of image-sudo ended on 2026-12-31", left[0].Detail)
	assert.Equal(t, "it waives nothing any more: what it allowed counts in full", left[0].Risk)

	// Of a check that holds by now it says the same: it is to go.
	w = allowing(t, allowSudo).Waivers(day(t, "2027-01-01"))
	w.Finding("image-sudo", check.Finding{Outcome: check.Holds})
	assert.Len(t, w.Left(false), 1)
}

// TestWaiverOfWhatWasNotLookedAt: a run of other checks says nothing of it.
func TestWaiverOfWhatWasNotLookedAt(t *testing.T) {
	for _, when := range []string{"2026-01-01", "2030-01-01"} {
		w := allowing(t, allowSudo).Waivers(day(t, when))
		w.Finding("image-unit", check.Finding{Outcome: check.Holds})
		assert.Empty(t, w.Left(true))
	}
}

const allowUnit = `[[allow]]
tripwire = 'unit-failed'
line = 'sysroot\.mount'
reason = 'dracut mounts it by other means'
until = 2026-12-31
`

func TestAllowedTripwire(t *testing.T) {
	const line = "[FAILED] Failed to mount sysroot.mount - /sysroot."
	w := allowing(t, allowUnit).Waivers(day(t, "2026-06-01"))
	_, ok := w.Trip("unit-failed", "[FAILED] Failed to start sshd.service.")
	assert.False(t, ok, "another line")
	_, ok = w.Trip("dependency-failed", line)
	assert.False(t, ok, "another tripwire")

	assert.Empty(t, w.Left(false), "nothing was booted")
	left := w.Left(true)
	require.Len(t, left, 1)
	assert.Equal(t, check.Risk, left[0].Outcome)
	assert.Equal(t, check.SectionRuntime, left[0].Section)
	assert.Equal(t, `no line that "sysroot\\.mount" allows touched the tripwire unit-failed`, left[0].Detail)

	why, ok := w.Trip("unit-failed", line)
	assert.True(t, ok)
	assert.Equal(t, "known, and allowed until 2026-12-31: dracut mounts it by other means", why)
	assert.Empty(t, w.Left(true))

	w = allowing(t, allowUnit).Waivers(day(t, "2027-01-01"))
	_, ok = w.Trip("unit-failed", line)
	assert.False(t, ok, "expired")
	left = w.Left(true)
	require.Len(t, left, 1)
	assert.Equal(t, "the waiver of the tripwire unit-failed ended on 2026-12-31", left[0].Detail)
}

// TestOver: a waived check is a risk in its table, and what needs it is tried.
func TestOver(t *testing.T) {
	c := allowing(t, "[[allow]]\ncheck = 'clean-disk/a'\nreason = 'r'\nuntil = 2026-12-31\n")
	rows := []check.Check{
		{ID: "a", Probe: func(context.Context) check.Result { return check.Break("it bends") }, Remedy: "do it"},
		{ID: "b", Needs: []string{"a"}, Probe: func(context.Context) check.Result { return check.Hold("tried") }},
	}
	for _, tt := range []struct {
		day  string
		a, b check.Outcome
	}{{"2026-12-31", check.Risk, check.Holds}, {"2027-01-01", check.Broken, check.Unknown}} {
		table, err := check.NewTable(c.Waivers(day(t, tt.day)).Over("clean-disk/", rows))
		require.NoError(t, err)
		assert.Equal(t, tt.b, table.Resolve(t.Context(), "b").Outcome)
		assert.Equal(t, tt.a, table.Resolve(t.Context(), "a").Outcome)
	}
	assert.Nil(t, rows[0].Waive, "the given rows stay as they are")
}

// TestWaiversMadeInGo have no file to name.
func TestWaiversMadeInGo(t *testing.T) {
	c := Contract{Name: "x", Allow: []Allow{{Check: "a/b", Reason: "r", Until: "2026-01-01"}}}
	w := c.Waivers(day(t, "2026-01-01"))
	w.Finding("a/b", check.Finding{Outcome: check.Holds})
	left := w.Left(true)
	require.Len(t, left, 1)
	assert.Contains(t, left[0].How, "the waiver in allow.1 of the contract x")
	assert.Equal(t, check.SectionRuntime, left[0].Section)
}
