package contract

import (
	"cmp"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseErrors(t *testing.T) {
	const good = "name = 'x'\n[login]\nuser = 'y'\n"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", good + "shell = 'bash'\n", "c.toml:4: login.shell: there is no such key; known are user, uid, automatic, password"},
		{"misspelt key", good + "pasword = 'bash'\n", "c.toml:4: login.pasword: there is no such key; did you mean password?"},
		{"unknown table", good + "[console]\n[unit]\nx = 1\n", "c.toml:5: unit: there is no such key; did you mean units?"},
		{"key below a header", good + "commands = ['ls']\n", "c.toml:4: login.commands: there is no such key; commands of the contract itself stands before the first header"},
		{"key that steers a terminal", good + "\"\\u001b[2J\" = 1\n", `c.toml:4: login."\x1b[2J": there is no such key; known are user, uid, automatic, password`},
		{"text for a number", good + "uid = 'many'\n", `c.toml:4: login.uid: wanted a whole number, found the string "many"`},
		{"fraction", good + "uid = 1.5\n", "c.toml:4: login.uid: wanted a whole number, found the number 1.5"},
		{"large number", good + "uid = 99999999999999999999\n", "c.toml:4: login.uid: wanted a whole number, found the number 99999999999999999999"},
		{"number for a text", "name = 3\n[login]\nuser = 'y'\n", "c.toml:1: name: wanted a string, found the number 3"},
		{"text for a truth", good + "automatic = 'yes'\n", `c.toml:4: login.automatic: wanted true or false, found the string "yes"`},
		{"time", good + "password = 2026-01-31\n", "c.toml:4: login.password: wanted a string, found the time 2026-01-31"},
		{"text for a table", good + "[ssh]\n[network]\ninterface = { name = 'a' }\n", "c.toml:6: network.interface: wanted a string, found a table"},
		{"table for a list", good + "[commands]\nx = 1\n", "c.toml:4: commands: wanted a list, found a table"},
		{"text for a list", "commands = 'ls'\n" + good, `c.toml:1: commands: wanted a list, found the string "ls"`},
		{"entry of a list", "commands = [\n'ls',\n3,\n'ps', true]\n" + good, "c.toml:3: commands.2: wanted a string, found the number 3\nc.toml:4: commands.4: wanted a string, found true"},
		{"table for tables", good + "[units]\nname = 'a.service'\n", "c.toml:4: units: wanted tables, each headed [[units]], found a table"},
		{"number for tables", "login = 3\nname = 'x'\n", "c.toml:1: login: wanted a table, found the number 3"},
		{"number in a map", good + "[[units]]\nname = 'a.service'\nenvironment = { A = 1, B = '2' }\n", "c.toml:6: units.1.environment.A: wanted a string, found the number 1"},
		{"pattern", good + "[[announcements]]\nid = 'a'\npattern = 'a('\n", `c.toml:6: announcements.1.pattern: wanted a regular expression, found the string "a(": missing closing )`},
		{"number for a pattern", good + "[[announcements]]\nid = 'a'\npattern = 1\n", "c.toml:6: announcements.1.pattern: wanted a regular expression as a string, found the number 1"},
		{"syntax", good + "uid = \n", "c.toml:4: is no TOML: unexpected character U+000A at start of value"},
		{"no key", "what is this?\n", "c.toml:1: is no TOML: expected '=' after key"},
		{"twice", good + "user = 'z'\n", "c.toml:4: login.user: is set a second time, after line 3"},
		{"table twice", good + "[login]\nuid = 3\n", "c.toml:4: login: stands a second time, after line 2"},
		{"table and list", good + "[[login]]\nuid = 3\n", "c.toml:4: login: is a table on line 2, and cannot be a table here"},
		{"dotted through a text", good + "user.name = 'z'\n", "c.toml:4: login.user: is set a second time, after line 3"},
		{"what only TOML's own rules forbid", good + "[ssh]\nuser = 'a'\nunit = 'b.service'\n[a]\n", "c.toml:7: a: there is no such key; known are"},
		{"inline table extended", "name = 'x'\nlogin = { user = 'y' }\n[login.more]\n", "c.toml:3: login.more: there is no such key"},
		{"alarm without pattern", good + "[[alarms]]\nid = 'a'\nmeans = 'b'\nremedy = 'c'\n", "c.toml:4: alarms.1.pattern: is missing"},
		{"alarm without remedy", good + "[[alarms]]\nid = 'a'\npattern = 'a'\nmeans = 'b'\n", "c.toml:4: alarms.1.remedy: is missing"},
		{"missing name", "[login]\nuser='x'\n", "c.toml:1: name: is missing"},
		{"user's number without user", "name = 'x'\nlogin.uid = 3\n", "c.toml:2: login.uid: needs login.user: whose it is"},
		{"automatic login without user", "name = 'x'\n[login]\nautomatic = true\n", "c.toml:3: login.automatic: needs login.user: whose it is"},
		{"password without user", "name = 'x'\n[login]\npassword = 'a'\n", "c.toml:3: login.password: needs login.user: whose it is"},
		{"no method", good + "[root]\npasswordless = true\n", "c.toml:5: root.passwordless: needs root.methods: what it is that asks for nothing"},
		{"empty method", good + "[root]\nmethods = ['su -', ' ']\n", "c.toml:5: root.methods: entry 2 is empty"},
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
		{"an answer to nothing", good + "[[answers]]\nsend = 'x'\n", "c.toml:4: answers.1.prompt: is missing"},
		{"an answer to anything", "name = 'x'\nanswers = [\n{ prompt = '.*', send = 'x' },\n]\n", `c.toml:3: answers.1.prompt: ".*" matches any line; say what is in the one that asks`},
		{"an answer with its Enter", good + "[[answers]]\nprompt = 'x'\nsend = \"y\\n\"\n", "c.toml:6: answers.1.send: has a control character; Enter is pressed after it by itself"},
		{"an answer that is misspelt", good + "[[answers]]\nprompt = 'x'\nanswer = 'y'\n", "c.toml:6: answers.1.answer: there is no such key; known are prompt, send"},
		{"answers below a header", good + "answers = [{ prompt = 'x' }]\n", "c.toml:4: login.answers: there is no such key; answers of the contract itself stands before the first header"},
		{"anything is expected", good + "[console]\nexpect = '.*'\n", `c.toml:5: console.expect: ".*" matches any line; say what is in the one that is expected`},
		{"no pattern is expected", good + "[console]\nexpect = 'a('\n", `c.toml:5: console.expect: wanted a regular expression, found the string "a(": missing closing )`},
		{"mark of nothing", good + "[[marks]]\n", "c.toml:4: marks.1: has 0 of attribute, unit, root and iso; a mark is one of them"},
		{"mark of two", good + "[[marks]]\nunit = 'a.service'\niso = ['a']\n", "c.toml:4: marks.1: has 2 of attribute, unit, root and iso; a mark is one of them"},
		{"mark's unit", good + "[[marks]]\nunit = 'a'\n", `c.toml:5: marks.1.unit: "a" is not a unit's full name`},
		{"mark's path", good + "[[marks]]\nroot = ['usr']\n", `c.toml:5: marks.1.root: "usr" is not a clean absolute path`},
		{"mark's glob", good + "[[marks]]\nroot = ['/usr/*/x']\n", `c.toml:5: marks.1.root: "/usr/*/x" is no path whose last part may be a glob`},
		{"mark on the ISO", good + "[[marks]]\niso = ['/live']\n", `c.toml:5: marks.1.iso: "/live" is not a clean path from the top of the ISO, without a slash before it`},
		{"empty", "", `c.toml: is empty; the least that a contract says is: name = "my-image"`},
		{"only a comment", "# name = 'x'\n", `c.toml: is empty; the least that a contract says is: name = "my-image"`},
		{"zero byte", "name = 'x'\n\x00", "c.toml: is no text: byte 12 of it is zero"},
		{"Latin 1", "name = '\xe4'\n", "c.toml: is no UTF-8 text: its byte 9 is 0xe4"},
		{"huge", strings.Repeat("# x\n", maxText/4) + "\n", "c.toml: is no contract: it has more than 1024 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("c.toml", []byte(tt.text))
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, strings.Count(tt.want, "\n"), strings.Count(err.Error(), "\n"), err)
		})
	}
}

// TestParseReportsAll: what cannot be decoded, what is unknown and what makes no
// sense are all said, in the order of their lines.
func TestParseReportsAll(t *testing.T) {
	_, err := Parse("c.toml", []byte(`name = 'x'
logz = 1
[login]
uid = 'many'
user = 'A B'
[console]
device = 3
[[units]]
name = 'a'
`))
	assert.EqualError(t, err, `c.toml:2: logz: there is no such key; did you mean logs?
c.toml:4: login.uid: wanted a whole number, found the string "many"
c.toml:5: login.user: "A B" is not a user name
c.toml:7: console.device: wanted a string, found the number 3
c.toml:9: units.1.name: "a" is not a unit's full name`)
}

// TestParseUpToABreak: what stands before a place that is no TOML is told as well;
// what is missing is not, for it may stand after it.
func TestParseUpToABreak(t *testing.T) {
	_, err := Parse("c.toml", []byte("nam = 'x'\n[console]\ndevice ttyS0\n[login]\nuid = 'x'\n"))
	assert.EqualError(t, err, "c.toml:1: nam: there is no such key; did you mean name?\nc.toml:3: is no TOML: expected '=' after key")
}

func TestParseTellsNoMoreThanAPersonReads(t *testing.T) {
	_, err := Parse("c.toml", []byte("name = 'x'\n"+strings.Repeat("[[units]]\n", 1000)))
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, maxFaults+1)
	assert.Equal(t, "c.toml: and more", lines[maxFaults])
}

func TestParseWindowsText(t *testing.T) {
	c, err := Parse("c.toml", []byte("\uFEFFname = 'x'\r\n[login]\r\nuser = 'y'\r\nuid = 1_000\r\n"))
	require.NoError(t, err)
	assert.Equal(t, Login{User: "y", UID: 1000}, c.Login)
}

// TestParsedAsByTheLibrary: the tree that is made here of a text has in it what
// go-toml has, whose decoder knows all of TOML.
func TestParsedAsByTheLibrary(t *testing.T) {
	for name, text := range builtIns(t) {
		got, err := Parse(name, text)
		require.NoError(t, err)
		var want Contract
		require.NoError(t, toml.Unmarshal(text, &want))
		got.source = nil
		assert.Equal(t, want, got)
	}
}

// costs are texts that ask for much more than they are worth.
func costs() map[string]string {
	const most = 1 << 18
	lines := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < most; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return map[string]string{
		"unknown keys":      lines("k%d=1\n"),
		"keys nearly known": lines("units%d=1\n"),
		"tables":            lines("[[units]]#%d\n"),
		"bad values":        "name='x'\n" + lines("[[units]]\nname='a b'#%d\ntype='x'\n"),
		"headers":           lines("[a.b.c.d%d]\n"),
		"the same key":      lines("name=%d\n"),
		"entries":           "commands=[" + strings.Repeat("3,", most/2) + "]",
		"a deep key":        strings.Repeat("a.", most/2) + "a=1\n",
		"deep headers":      strings.Repeat("["+strings.Repeat("a.", 200)+"a]\n", most/400),
		"a long key":        strings.Repeat("a", most) + "=1",
		"a deep list":       "x=" + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"a deep table":      "x=" + strings.Repeat("{a=", 9000) + "1" + strings.Repeat("}", 9000),
	}
}

// affordable is what reading a text may allocate, in bytes.
func affordable(text []byte) uint64 { return 16<<20 + 256*uint64(len(text)) }

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestCost(t *testing.T) {
	for name, text := range costs() {
		var err error
		cost := allocated(func() { _, err = Parse("c.toml", []byte(text)) })
		assert.Error(t, err, name)
		assert.LessOrEqual(t, len(err.Error()), 32<<10, name)
		assert.LessOrEqual(t, cost, affordable([]byte(text)), name)
	}
}

var faultLine = regexp.MustCompile(`^c\.toml(?::(\d+))?: [^\x00-\x1f\x7f]+$`)

func FuzzParse(f *testing.F) {
	for _, text := range builtIns(f) {
		f.Add(text)
	}
	for _, text := range []string{
		"name = 'x'\n[[units]]\ntype = 3\n", "a.b.c = 1\na.b = 2\n[a]\n[[a.b]]\n", "x = [[1, {a = 'b'}], 2026-01-31]\n",
		"[a]\nb = 1\n[a.b]\nc = 1\n", "name = '''\nx'''\n", "\"\\u001b\" = 1\n[login]\nuid = 0x7_f\n", "x = \"\\u001b",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Contract
		var err error
		if cost := allocated(func() { c, err = Parse("c.toml", text) }); cost > affordable(text) {
			t.Fatalf("%d bytes were allocated for a text of %d", cost, len(text))
		}
		if err == nil {
			var want Contract
			if err := toml.Unmarshal(text, &want); err != nil {
				t.Fatalf("go-toml takes it not: %v", err)
			}
			if c.source = nil; !assert.ObjectsAreEqual(want, c) {
				t.Fatalf("go-toml makes %+v of it, not %+v", want, c)
			}
			return
		}
		var at []int
		for _, line := range strings.Split(err.Error(), "\n") {
			m := faultLine.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("no sentence: %q", line)
			}
			if n, err := strconv.Atoi(m[1]); err == nil {
				at = append(at, n)
			}
		}
		if !slices.IsSortedFunc(at, cmp.Compare) {
			t.Fatalf("not in the order of lines: %v", err)
		}
	})
}

// builtIns are the texts of the profiles.
func builtIns(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	for _, name := range Names() {
		text, err := profiles.ReadFile(name + ".toml")
		require.NoError(t, err)
		all[name] = text
	}
	return all
}
