package quote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell has a shell expand words, and returns what came of them.
func shell(t *testing.T, name, dir, words string) []string {
	cmd := exec.CommandContext(t.Context(), name)
	cmd.Stdin = strings.NewReader("for w in " + words + "; do printf '%s\\0' \"$w\"; done\n")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	out, err := cmd.Output()
	require.NoError(t, err, words)
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

var odd = []string{
	"plain", "", "two words", "$(touch proof)", "`touch proof`", "; touch proof", "it's", "it's $HOME", `"`, `\`, "*", "~", "#", "-n", "if",
	"A=b", "-smp=2", "a+=b", "q35,accel=tcg", "{a,b}", "!!", "it's !!", "one\ntwo", "\t\r\x1b[1m", "it's\x01!", "é", "\xff",
}

// What a contract says is no command, whatever it is.
func TestWords(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sh", "bash"} {
		assert.Equal(t, odd, shell(t, name, dir, Words(odd)), name)
	}
	assert.Equal(t, odd, shell(t, "bash", dir, Line(odd...)))
	assert.Equal(t, odd, shell(t, "bash", dir, Lines(odd...)))
	assert.NotRegexp(t, `[\x00-\x1f\x7f]`, Line(odd...))
	assert.NoFileExists(t, filepath.Join(dir, "proof"))
}

// In the place of a command, too, a word is one.
func TestCommandWord(t *testing.T) {
	for _, s := range []string{"A=b", "a+=b", "if", "q=1,r=2"} {
		for _, command := range []string{Word(s) + " x", Line(s, "x"), Lines(s, "x")} {
			out, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput()
			assert.Error(t, err, s)
			assert.Contains(t, string(out), s+": command not found")
		}
	}
}

func TestGlobs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.log", "c d.log", "$(touch x)"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	for patterns, want := range map[string][]string{
		"./*.log":               {"./a.log", "./b.log", "./c d.log"},
		"./[ab].log\n./c ?.log": {"./a.log", "./b.log", "./c d.log"},
		"./$(*":                 {"./$(touch x)"},
		"; touch proof*":        {"; touch proof*"},
	} {
		assert.Equal(t, want, shell(t, "sh", dir, Globs(strings.Split(patterns, "\n"))))
	}
	assert.NoFileExists(t, filepath.Join(dir, "proof"))
	assert.NoFileExists(t, filepath.Join(dir, "x"))
}

func TestWhatAPersonReads(t *testing.T) {
	args := []string{"qemu-system-x86_64", "-machine", "q35,accel=tcg", "-mon", "chardev=monitor", "-drive", "file=/a b.iso,if=virtio", "-nodefaults"}
	assert.Equal(t, "qemu-system-x86_64 -machine q35,accel=tcg -mon chardev=monitor -drive 'file=/a b.iso,if=virtio' -nodefaults", Line(args...))
	assert.Equal(t, `qemu-system-x86_64 \
  -machine q35,accel=tcg \
  -mon chardev=monitor \
  -drive 'file=/a b.iso,if=virtio' \
  -nodefaults`, Lines(args...))
	assert.Equal(t, "go test -count=1 -run '^TestHost$/^kvm$' ./prereq", Line("go", "test", "-count=1", "-run", "^TestHost$/^kvm$", "./prereq"))
}

func TestNUL(t *testing.T) {
	const s = "a\x00b"
	assert.Equal(t, []string{"''", "''", "''", "''", "''*"}, []string{Word(s), Words([]string{s}), Line(s), Lines(s), Globs([]string{s + "*"})})
}

func FuzzWord(f *testing.F) {
	for _, s := range odd {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "\x00") {
			t.Skip()
		}
		assert.Equal(t, []string{s}, shell(t, "sh", "/", Word(s)))
		assert.Equal(t, []string{s}, shell(t, "bash", "/", Line("x", s)[2:]))
	})
}
