package scenario

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/vmtest"
)

func TestCountAnnouncements(t *testing.T) {
	pattern := regexp.MustCompile(`LAN IPv4 address: (\d+\.\d+\.\d+\.\d+)`)
	const line = "LAN IPv4 address: 10.0.2.15"
	const prompt = "\x1b[?2004h\x1b]0;nixos@nixos: ~\x07\x1b[1;32m[nixos@nixos:~]$\x1b[0m "
	for name, test := range map[string]struct {
		transcript      string
		console, notice int
	}{
		"nothing":           {"Linux\r\n", 0, 0},
		"announced":         {line + "\r\r\n" + line + "\r\n", 2, 0},
		"notice":            {"nixos login: nixos (automatic login)\r\n\r\npre-nixos\r\n" + line + "\r\n" + prompt, 0, 1},
		"notice of sudo":    {prompt + "sudo -n -i\r\n" + line + "\r\n[root@nixos:~]# ", 0, 1},
		"into a notice":     {"nixos login: nixos (automatic login)\r\n" + line + "\r\r\n" + line + "\r\n" + prompt, 1, 1},
		"into a prompt":     {prompt + line + "\r\r\n" + prompt + "ls\r\n", 1, 0},
		"after a login":     {"nixos login: nixos (automatic login)\r\n" + prompt + "ls\r\n" + line + "\r\n", 1, 0},
		"inside a command":  {prompt + "ec" + line + "\r\r\nho\r\n", 1, 0},
		"two on one line":   {line + line + "\r\n", 2, 0},
		"drawn over":        {"nixos login: nixos (automatic login)\r\n\x1b[2J\x1b[1;1H" + line + "\r\r\n" + line + "\x1b[K\r\n" + prompt, 1, 1},
		"escapes inside it": {"LAN \x1b[1mIPv4\x1b[0m address: 10.0.2.15\r\n", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := countAnnouncements(strings.NewReader(test.transcript), pattern)
			require.NoError(t, err)
			assert.Equal(t, test.console, said.console)
			assert.Len(t, said.lines, test.console)
			assert.Equal(t, test.notice, said.notice)
		})
	}
}

// A console that never stops costs no more memory than one that does.
func TestAnnouncementsAreBounded(t *testing.T) {
	said, err := countAnnouncements(strings.NewReader(strings.Repeat("address: 1\r\n", 100_000)), regexp.MustCompile(`address: \d`))
	require.NoError(t, err)
	assert.Equal(t, 100_000, said.console)
	assert.Len(t, said.lines, maxAnnounced)
}

func TestContains(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk")
	marker := []byte("the-marker")
	write := func(at int64, text []byte) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(64<<20))
		_, err = f.WriteAt(text, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	write(5, []byte("nothing here"))
	_, found, err := contains(file, marker)
	require.NoError(t, err)
	assert.False(t, found)
	// Behind a hole, and across two reads.
	write(40<<20, bytes.Repeat([]byte("x"), 2<<20))
	write(41<<20-4, marker)
	at, found, err := contains(file, marker)
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, int64(41<<20-4), at)
	_, _, err = contains(filepath.Join(t.TempDir(), "none"), marker)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestFillDisk(t *testing.T) {
	s := &session{}
	m := vmtest.Machine{Disks: []vmtest.Disk{{MiB: 4, File: filepath.Join(t.TempDir(), "disk.raw")}}}
	require.NoError(t, s.fillDisk(m))
	content, err := os.ReadFile(m.Disks[0].File)
	require.NoError(t, err)
	assert.Len(t, content, 4<<20)
	assert.Equal(t, s.digest, sha256.Sum256(content))
	assert.Equal(t, []byte{0x55, 0xaa}, content[510:512])
}

// Every row of every scenario is complete, whatever the contract.
func TestScenariosAreComplete(t *testing.T) {
	for _, terms := range []contract.Contract{contract.PreNixOS(), contract.DebianLive()} {
		suite := NewSuite(Subject{Contract: terms}, &vmtest.Harness{})
		defer suite.Close()
		names := map[string]bool{}
		for _, scenario := range suite.Scenarios {
			assert.NotEmpty(t, scenario.About, scenario.Name)
			assert.Positive(t, scenario.Cost, scenario.Name)
			assert.False(t, names[scenario.Name], "%s stands twice", scenario.Name)
			names[scenario.Name] = true
			ids := map[string]bool{}
			for _, c := range scenario.Checks {
				where := terms.Name + " " + scenario.Name + "/" + c.ID
				assert.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, c.ID, where)
				assert.False(t, ids[c.ID], "%s stands twice", where)
				ids[c.ID] = true
				assert.NotEmpty(t, c.Condition, where)
				assert.NotEmpty(t, c.How, where)
				for _, need := range c.Needs {
					assert.True(t, ids[need], "%s needs %s, which no row before it is", where, need)
				}
			}
		}
	}
}

func TestNoImage(t *testing.T) {
	dir := t.TempDir()
	empty, text := filepath.Join(dir, "empty.iso"), filepath.Join(dir, "text, file.iso")
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no image\n", 9000)), 0o644))
	fakevm.Use(t)
	for path, want := range map[string]string{
		filepath.Join(dir, "none.iso"): "no such file",
		dir:                            "is a directory, not an image",
		empty:                          "is empty",
		text:                           "text, file.iso",
	} {
		suite := NewSuite(Subject{Contract: contract.PreNixOS(), Target: contract.Target{Kind: contract.KindFile, File: path}}, &vmtest.Harness{})
		s := suite.fleet.cleanVM()
		r := s.Boot()[0].Probe(t.Context())
		assert.Nil(t, s.VM(), "QEMU was started for %s", path)
		s.Close(nil)
		assert.Equal(t, check.Broken, r.Outcome, path)
		assert.Contains(t, r.Detail, want)
	}
}

func TestNoQEMUIsAbsent(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	suite := NewSuite(Subject{ISO: func(context.Context) (string, error) { panic("an image is built for nothing") }}, &vmtest.Harness{})
	r := suite.fleet.cleanVM().Boot()[0].Probe(t.Context())
	assert.Equal(t, check.Absent, r.Outcome)
	assert.Contains(t, r.Detail, "install the package qemu-system-x86")
}
