package contract

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A contract is held against its console alone where it says nothing of a login.
func TestLoginless(t *testing.T) {
	for text, want := range map[string]bool{
		"[console]\nexpect = 'x'\n":                           true,
		"[console]\nexpect = 'x'\n[login]\nuser = 'a'\n":      false,
		"[console]\nexpect = 'x'\n[root]\nmethods = ['su']\n": false,
		"[console]\ndevice = 'ttyS0'\n":                       false,
	} {
		c, err := Parse("c.toml", []byte("name = 'x'\n"+text))
		require.NoError(t, err)
		assert.Equal(t, want, c.Loginless(), text)
	}
}

func TestPreNixOS(t *testing.T) {
	c := PreNixOS()
	assert.Equal(t, "ttyS0", c.Console.Device)
	assert.Equal(t, []Outcome{{"clean", "applied", "auto-applied"}}, c.Storage.For("clean"))
	assert.Len(t, c.Storage.For("failed"), 4)
	for _, when := range whens {
		assert.NotEmpty(t, c.Storage.For(when), when)
	}
	assert.Equal(t, "1", c.Units[0].Environment["PRE_NIXOS_EXEC"])
	assert.Equal(t, []string{"LAN IPv4 address: 10.0.2.15", "10.0.2.15"},
		c.Announcements[1].Pattern.FindStringSubmatch("LAN IPv4 address: 10.0.2.15\r"))
}

// Each alarm with a line that raises it, and one that must not.
func TestPreNixOSAlarms(t *testing.T) {
	lines := map[string][2]string{
		"provisioning-failed":     {"pre-nixos: Provisioning failed.", "pre-nixos: Storage provisioning completed automatically."},
		"storage-detection-error": {"pre-nixos: Storage detection encountered an error; provisioning ran in plan-only mode.", "grep 'Storage detection encountered an error' x"},
		"lan-unavailable":         {`LAN IPv4 address unavailable (preferred interface "lan" not found)`, "LAN IPv4 address: 10.0.2.15"},
	}
	alarms := PreNixOS().Alarms
	require.Len(t, alarms, len(lines))
	for _, a := range alarms {
		require.Contains(t, lines, a.ID)
		assert.True(t, a.Pattern.MatchString(lines[a.ID][0]), a.ID)
		assert.False(t, a.Pattern.MatchString(lines[a.ID][1]), a.ID)
	}
}
