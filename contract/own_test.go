package contract

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnChecks(t *testing.T) {
	c, err := Parse("c.toml", []byte(`name = 'x'
[[checks]]
id = 'time-is-kept'
condition = 'the clock is kept by a server'
command = 'timedatectl show -p NTPSynchronized'
output = 'yes$'
remedy = 'enable chrony'
[[checks]]
id = 'no-compiler'
condition = 'there is no compiler'
command = 'command -v cc'
status = 1
remedy = 'take it out'
[[allow]]
check = 'clean-disk/time-is-kept'
reason = 'there is no network in the test'
until = "2026-12-31"
`))
	require.NoError(t, err)
	require.Len(t, c.Checks, 2)
	assert.True(t, c.Checks[0].Output.MatchString("NTPSynchronized=yes"))
	assert.Equal(t, 1, c.Checks[1].Status)
	assert.Equal(t, Date("2026-12-31"), c.Allow[0].Until)
	assert.NoError(t, c.Faults(nil, nil), "an own check is a check")
}

func TestOwnFaults(t *testing.T) {
	const check = "[[checks]]\nid = 'a'\ncondition = 'c'\ncommand = 'true'\nremedy = 'r'\n"
	const allow = "[[allow]]\nreason = 'r'\nuntil = 2026-12-31\n"
	for text, want := range map[string]string{
		"[[checks]]\n": "c.toml:2: checks.1.id: is missing\nc.toml:2: checks.1.condition: is missing\n" +
			"c.toml:2: checks.1.command: is missing\nc.toml:2: checks.1.remedy: is missing",
		check + check:            "c.toml:8: checks.2.id: a is the id of checks.1 already",
		check + "status = 256\n": "c.toml:7: checks.1.status: 256 is no exit status: 0 to 255",
		check + "output = '['\n": `c.toml:7: checks.1.output: wanted a regular expression, found the string "[": missing closing ]`,
		check + "timeout = 3\n":  "c.toml:7: checks.1.timeout: there is no such key; known are id, condition, command, status, output, remedy",
		"[[checks]]\nid = 'A b'\ncondition = 'c'\ncommand = 'true'\nremedy = 'r'\n": `c.toml:3: checks.1.id: "A b" is not an id: small letters and digits, joined by -`,

		allow:                                                                  "c.toml:2: allow.1.check: is missing: a waiver names one check, or one tripwire",
		allow + "check = 'a'\ntripwire = 'b'\n":                                "c.toml:6: allow.1.tripwire: stands beside check: a waiver names one check, or one tripwire",
		allow + "check = 'a'\nline = 'b'\n":                                    "c.toml:6: allow.1.line: is a tripwire's: a check is allowed as a whole",
		allow + "tripwire = 'a'\n":                                             "c.toml:2: allow.1.line: is missing: a tripwire is allowed for a line, never as a whole",
		allow + "tripwire = 'a'\nline = '.*'\n":                                `c.toml:6: allow.1.line: ".*" matches any line; say what is in the one that is allowed`,
		allow + "check = 'a'\nlink = 'javascript:alert(1)'\n":                  `c.toml:6: allow.1.link: "javascript:alert(1)" is no address that begins with https:// or http://`,
		"[[allow]]\ncheck = 'a'\nuntil = 2026-12-31\n":                         "c.toml:2: allow.1.reason: is missing",
		"[[allow]]\ncheck = 'a'\nreason = ' '\nuntil = 2026-12-31\n":           "c.toml:4: allow.1.reason: is missing",
		"[[allow]]\ncheck = 'a'\nreason = 'r'\n":                               "c.toml:2: allow.1.until: is missing",
		"[[allow]]\ncheck = 'a'\nreason = 'r'\nuntil = '31.12.2026'\n":         `c.toml:5: allow.1.until: wanted a day such as 2026-12-31, found the string "31.12.2026"`,
		"[[allow]]\ncheck = 'a'\nreason = 'r'\nuntil = '2026-02-30'\n":         `c.toml:5: allow.1.until: wanted a day such as 2026-12-31, found the string "2026-02-30"`,
		"[[allow]]\ncheck = 'a'\nreason = 'r'\nuntil = 2026-12-31T00:00:00Z\n": "c.toml:5: allow.1.until: wanted a day such as 2026-12-31, found the time 2026-12-31T00:00:00Z",
		"[[allow]]\ncheck = ['a', 'b']\nreason = 'r'\nuntil = 2026-12-31\n":    "c.toml:3: allow.1.check: wanted a string, found a list",
	} {
		_, err := Parse("c.toml", []byte("name = 'x'\n"+text))
		assert.EqualError(t, err, want, text)
	}
}

func TestFaults(t *testing.T) {
	checks := []string{"image-boot-menu", "image-sudo", "clean-disk/login", "clean-disk/qemu", "network/ssh"}
	tripwires := []string{"unit-failed", "kernel-oops"}
	row := func(what string) string { return "[[allow]]\nreason = 'r'\nuntil = 2026-12-31\n" + what }
	own := func(id string) string {
		return "[[checks]]\nid = '" + id + "'\ncondition = 'c'\ncommand = 'true'\nremedy = 'r'\n"
	}
	const alarm = "[[alarms]]\nid = 'on-fire'\npattern = 'fire'\nmeans = 'm'\nremedy = 'r'\n"
	for text, want := range map[string]string{
		row("check = 'image-sudo'\n"):                     "",
		row("check = 'clean-disk/login'\n"):               "",
		row("tripwire = 'unit-failed'\nline = 'a'\n"):     "",
		row("check = 'clean-disk/mine'\n") + own("mine"):  "",
		row("tripwire = 'on-fire'\nline = 'a'\n") + alarm: "",
		row("check = 'clean-disk/qemu'\n"):                "c.toml:5: allow.1.check: clean-disk/qemu cannot be allowed: without QEMU nothing was looked at",
		row("check = 'qemu'\n"):                           "c.toml:5: allow.1.check: qemu cannot be allowed: without QEMU nothing was looked at",
		row("check = 'kvm'\n"):                            `c.toml:5: allow.1.check: "kvm" is no check that can be allowed; there are the image's, such as image-boot-menu, and the scenarios', such as clean-disk/login; the host's cannot be allowed`,
		row("check = 'image-bootmenu'\n"):                 `c.toml:5: allow.1.check: "image-bootmenu" is no check that can be allowed; did you mean image-boot-menu?`,
		row("check = 'mine'\n") + own("mine"):             `c.toml:5: allow.1.check: "mine" is no check that can be allowed`,
		row("tripwire = 'unit-fails'\nline = 'a'\n"):      `c.toml:5: allow.1.tripwire: "unit-fails" is no tripwire that can be allowed; did you mean unit-failed?`,
		row("tripwire = 'on-fire'\nline = 'a'\n"):         `c.toml:5: allow.1.tripwire: "on-fire" is no tripwire that can be allowed; known are unit-failed, kernel-oops`,
		own("login"): "c.toml:3: checks.1.id: login is the id of clean-disk/login already",
		own("image-sudo") + own("ssh") + row("check = 'x/qemu'\n"):          "c.toml:3: checks.1.id: image-sudo is the id of image-sudo already\nc.toml:8: checks.2.id: ssh is the id of network/ssh already\nc.toml:15: allow.1.check: x/qemu cannot be allowed",
		own("login") + "[[allow]]\nreason = 'r'\ncheck = 'clean-disk/ly'\n": "", // its own faults are Parse's
	} {
		c, parseErr := Parse("c.toml", []byte("name = 'x'\n"+text))
		err := c.Faults(checks, tripwires)
		if parseErr != nil {
			assert.ErrorContains(t, err, "checks.1.id: login is the id of clean-disk/login already", "what can be told is told, beside what Parse said")
			continue
		}
		if want == "" {
			assert.NoError(t, err, text)
		} else {
			assert.ErrorContains(t, err, want, text)
		}
	}
	assert.ErrorContains(t, Contract{Name: "x", Allow: []Allow{{Check: "qemu"}}}.Faults(nil, nil), "x:1: allow.1.check: qemu cannot be allowed", "made in Go")
	for _, name := range Names() {
		c, _ := Named(name)
		assert.NoError(t, c.Faults(nil, nil))
	}
}
