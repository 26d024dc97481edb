package contract

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuiltIn(t *testing.T) {
	c, err := Load("")
	require.NoError(t, err)
	assert.Equal(t, "pre-nixos", c.Name)
	assert.Equal(t, "ttyS0", c.Console.Device)
	assert.Equal(t, []Outcome{{"clean", "applied", "auto-applied"}}, c.Storage.For("clean"))
	assert.Len(t, c.Storage.For("failed"), 4)
	for _, when := range whens {
		assert.NotEmpty(t, c.Storage.For(when), when)
	}
	assert.Equal(t, "1", c.Units[0].Environment["PRE_NIXOS_EXEC"])
	assert.Equal(t, []string{"LAN IPv4 address: 10.0.2.15", "10.0.2.15"},
		c.Announcements[1].Pattern.FindStringSubmatch("LAN IPv4 address: 10.0.2.15\r"))

	assert.Equal(t, "user", DebianLive().Login.User)
	assert.Empty(t, DebianLive().Storage)
}

func TestParseErrors(t *testing.T) {
	const good = "name = 'x'\n[login]\nuser = 'y'\n"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", good + "shell = 'bash'\n", `c.toml:4: unknown key "login.shell"`},
		{"unknown table", good + "[disk]\nx = 1\n", `c.toml:4: unknown key "disk"`},
		{"syntax", good + "uid = \n", "c.toml:4: "},
		{"type", good + "uid = 'many'\n", "c.toml:4: "},
		{"pattern", good + "[[announcements]]\nid = 'a'\npattern = 'a('\n", "c.toml:6: "},
		{"alarm without pattern", good + "[[alarms]]\nid = 'a'\nmeans = 'b'\nremedy = 'c'\n", "c.toml:4: alarms.1.pattern: is missing"},
		{"alarm without remedy", good + "[[alarms]]\nid = 'a'\npattern = 'a'\nmeans = 'b'\n", "c.toml:4: alarms.1.remedy: is missing"},
		{"missing user", "name = 'x'\n[login]\nuid = 3\n", "c.toml:2: login.user: is missing"},
		{"missing table", "name = 'x'\n", "c.toml: login.user: is missing"},
		{"missing name", "[login]\nuser='x'\n", "c.toml: name: is missing"},
		{"device", good + "[console]\ndevice = '/dev/ttyS0'\n", `c.toml:5: console.device: "/dev/ttyS0" is not a console's name such as ttyS0`},
		{"second unit", good + "[[units]]\nname = 'a.service'\n[[units]]\nname = 'b'\n", `c.toml:7: units.2.name: "b" is not a unit's full name`},
		{"unit type", good + "[[units]]\nname = 'a.service'\ntype = 'one-shot'\n", `c.toml:6: units.1.type: "one-shot" is not one of simple, exec`},
		{"unit without name", good + "[[units]]\ntype = 'oneshot'\n", "c.toml:4: units.1.name: is missing"},
		{"outcome", good + "[[storage.outcomes]]\nwhen = 'always'\nstate = 'a'\n", `c.toml:5: storage.outcomes.1.when: "always" is not one of clean, existing`},
		{"inline", good + "[storage]\noutcomes = [{when = 'clean'}]\n", "c.toml:5: storage.outcomes.1.state: is missing"},
		{"volumes", good + "[storage]\nvolumes = ['a']\n", "c.toml:5: storage.volumes: needs storage.volume_group"},
		{"relative path", good + "[storage]\nstatus_file = 'run/x'\n", `c.toml:5: storage.status_file: "run/x" is not a clean absolute path`},
		{"command", "name = 'x'\ncommands = ['ls', '/bin/ls']\n[login]\nuser='y'\n", `c.toml:2: commands: entry 2, "/bin/ls", is not a program's base name`},
		{"machine's network", good + "[machine]\nnetwork = 'inside'\n", `c.toml:5: machine.network: "inside" is not one of outside`},
		{"address", good + "[network]\naddress = 'static'\n", "c.toml:5: network.address: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("c.toml", []byte(tt.text))
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestParseReportsAll(t *testing.T) {
	_, err := Parse("c.toml", []byte("name = 'x'\nx = 1\ny = 2\n"))
	assert.EqualError(t, err, "c.toml:2: unknown key \"x\"\nc.toml:3: unknown key \"y\"")
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

func TestLoad(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	file := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(file, debianLive, 0o600))
	c, err := Load(file)
	require.NoError(t, err)
	assert.Equal(t, DebianLive(), c)
}

func FuzzParse(f *testing.F) {
	f.Add(preNixos)
	f.Add(debianLive)
	f.Add([]byte("name = 'x'\n[[units]]\ntype = 3\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse("c.toml", text) })
}
