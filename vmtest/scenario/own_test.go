package scenario

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/internal/fakevm"
)

// looked is what comes of clean-disk on a fake guest that is held against terms.
func looked(t *testing.T, init string, terms contract.Contract) string {
	t.Helper()
	g := fakevm.New(t, init)
	subject := fakeSubject(g)
	subject.Contract = terms
	suite := NewSuite(subject, fakeHarness(t, g))
	t.Cleanup(suite.Close)
	for _, s := range suite.fleet.order {
		inhabit(g, s)
	}
	return lookAt(t.Context(), g, suite.Scenarios[0])
}

const own = `
name = "mine"
[console]
device = "ttyS0"
[login]
user = "nixos"
[root]
methods = ["sudo -i"]

[[checks]]
id = "says-hello"
condition = "it says hello"
command = "echo hello"
output = "^hell"
remedy = "teach it"
[[checks]]
id = "says-more"
condition = "it says more"
command = "echo hello"
output = "more"
remedy = "teach it"
[[checks]]
id = "fails-well"
condition = "it fails"
command = "echo no >&2; exit 3"
status = 4
remedy = "teach it"

[[allow]]
check = "clean-disk/says-more"
reason = "it learns"
until = 2099-01-01
[[allow]]
check = "clean-disk/says-hello"
reason = "it learnt"
until = 2099-01-01
[[allow]]
tripwire = "emergency-mode"
line = "for maintenance"
reason = "a word of the issue"
until = 2099-01-01
`

// A contract's own commands are checks, and what it allows is a risk; a tripwire
// that it allows ends no wait.
func TestOwnChecksAndWaiversOnAFake(t *testing.T) {
	fakevm.Beside(t)
	terms, err := contract.Parse("my.toml", []byte(own))
	require.NoError(t, err)
	said := looked(t, fakevm.ToLogin+"say 'Press Enter for maintenance'\nautologin nixos 1000\n", terms)
	for _, line := range []string{
		"clean-disk/login: holds: nixos (uid 1000, by automatic login) after N s\n",
		"clean-disk/says-hello: holds: exit status 0\n",
		"clean-disk/says-more: risk: its output does not match \"more\"\n",
		"clean-disk/fails-well: broken: exit status 3; the contract says 4\n",
		"clean-disk/tripwires: risk: emergency-mode: ",
		"clean-disk/waivers: risk: clean-disk/says-hello is not broken, but: holds\n",
	} {
		assert.Contains(t, said, line)
	}
}

// What is nobody's profile is asked to come to a login, and whoever is not named
// is not asked for.
func TestDefaultContractOnAFake(t *testing.T) {
	fakevm.Beside(t)
	said := looked(t, fakevm.ToLogin+"ask nixos 1000 secret\n", contract.Default())
	for _, line := range []string{
		"clean-disk/login: holds: the console asks who logs in after N s\n",
		"clean-disk/root: not needed: the console asks who logs in, and nobody is named to log in as\n",
		"clean-disk/control-line: not needed: the console asks who logs in, and nobody is named to log in as\n",
		"clean-disk/recorded: holds: QEMU 99.0.1 (fake)",
		"clean-disk/tripwires: holds: none of ",
	} {
		assert.Contains(t, said, line)
	}
	assert.NotContains(t, said, ": broken: ")
	assert.NotContains(t, said, ": unknown: ")

	said = looked(t, fakevm.ToShell, contract.Default())
	assert.Contains(t, said, "clean-disk/root: holds: root (uid 0, by sudo -i) after N s\n")
	assert.Contains(t, said, "clean-disk/control-line: holds: ")
	assert.NotContains(t, said, ": broken: ")
}

// An image without a login is held against what its console shows, in each scenario
// of its VM.
func TestLoginlessOnAFake(t *testing.T) {
	fakevm.Beside(t)
	terms, err := contract.Parse("my.toml", []byte("name = 'installer'\n[console]\nexpect = 'is ready'\n"))
	require.NoError(t, err)
	g := fakevm.New(t, "firmware\nmenu 8\nkernel\nsay 'The installer is ready.'\nhalt")
	subject := fakeSubject(g)
	subject.Contract = terms
	suite := NewSuite(subject, fakeHarness(t, g))
	t.Cleanup(suite.Close)
	for _, s := range suite.fleet.order {
		inhabit(g, s)
	}
	said := lookAt(t.Context(), g, suite.Scenarios[0]) + lookAt(t.Context(), g, suite.Scenarios[1])
	for _, line := range []string{
		"clean-disk/expected: holds: it does after N s\n",
		"clean-disk/login: not needed: the contract promises what the console shows, and no login\n",
		"clean-disk/control-line: not needed: the contract promises what the console shows, and no login\n",
		"clean-disk/recorded: holds: ",
		"clean-disk/tripwires: holds: ",
		"network/booted: holds: it does after N s\n",
	} {
		assert.Contains(t, said, line)
	}
	assert.NotContains(t, said, ": broken: ")
	assert.NotContains(t, said, ": unknown: ")
}
