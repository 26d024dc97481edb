package docs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/internal/config"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// prover proves commands, and keeps what several need.
type prover struct {
	all     *testing.T        // whose end is that of what is kept
	bin     string            // a folder for programs
	own     map[string]string // by page, the folder of the package that it shows
	targets string            // what make help has said
}

// Of ./... these are asked, for each costs a link: where it says which tests, those
// whose checks are a table, else a small one.
var (
	audited  = []string{"./prereq", "./iso", "./vmtest"}
	anywhere = []string{"./internal/near"}
)

// listed is a test in what go test -list prints, with -json or without.
var listed = regexp.MustCompile(`\bTest\w+\b`)

// goTest lets go test itself read the command, with -list in front of it: what is
// no package, does not compile, or is no flag of go test or of the package's tests
// is an error. A test that the command selects exists, and its check.
func (p *prover) goTest(t *testing.T, c command) {
	if testing.Short() {
		t.Skip("links the packages' tests, for seconds each")
	}
	list := "."
	args := []string{"test", "-list", "."}
	for i, word := range c.words[2:] {
		switch {
		case word == "./..." && slices.Contains(c.words, "-run"):
			args = append(args, audited...)
		case word == "./...":
			args = append(args, anywhere...)
		case strings.HasPrefix(word, "./"):
			args = append(args, p.folder(t, c.page, word))
		default:
			args = append(args, word)
		}
		if word == "-run" && i+3 < len(c.words) {
			list = c.words[i+3]
		}
	}
	top, sub, deep := strings.Cut(list, "/")
	args[2] = top
	if !slices.ContainsFunc(args, func(word string) bool { return strings.HasPrefix(word, "./") }) {
		args = append(args, anywhere...) // which package, the page leaves open
	}
	out, err := inRoot(t, "go", args...)
	require.NoError(t, err, "%s:%d shows %q\n%s", c.page, c.line, c, out)
	tests := listed.FindAllString(out, -1)
	require.NotEmpty(t, tests, "%s:%d shows %q, and no test is called that\n%s", c.page, c.line, c, out)
	if !deep {
		return
	}
	sub, _, _ = strings.Cut(sub, "/")
	pattern, err := regexp.Compile(sub)
	require.NoError(t, err)
	var ids []string
	for _, name := range tests {
		ids = append(ids, subtests(name)...)
	}
	for _, m := range regexp.MustCompile(`ID: +"([a-z-]+)"`).FindAllStringSubmatch(string(readPage(t, c.page).source), -1) {
		ids = append(ids, m[1]) // which the page is about to write
	}
	assert.True(t, slices.ContainsFunc(ids, pattern.MatchString), "%s:%d shows %q, and of %v none is called that", c.page, c.line, c, ids)
}

// subtests are those that a table of checks makes of a test.
func subtests(test string) (ids []string) {
	switch test {
	case "TestHost":
		for _, c := range prereq.Describe(prereq.Subject{}) {
			ids = append(ids, c.ID)
		}
	case "TestImage":
		for _, c := range iso.Checks(iso.Subject{Contract: contract.PreNixOS()}) {
			ids = append(ids, c.ID)
		}
	case "TestVM":
		for _, s := range scenario.NewSuite(scenario.Subject{Contract: contract.PreNixOS()}, &vmtest.Harness{}).Scenarios {
			ids = append(ids, s.Name)
		}
	}
	return ids
}

// folder is where a package that a page names is: the tree's own, or made of the
// page's blocks of Go.
func (p *prover) folder(t *testing.T, page, name string) string {
	if _, err := os.Stat(filepath.Join(root, name)); err == nil {
		return name
	}
	if p.own[page] == "" {
		p.own[page] = write(p.all, readPage(p.all, page))
	}
	return p.own[page]
}

// make lets make read the command and run nothing. A variable that the Makefile
// does not know it would say at once.
func (p *prover) make(t *testing.T, c command) {
	if p.targets == "" {
		if _, err := exec.LookPath("make"); err != nil {
			config.Lacking(t, err)
		}
		help, err := inRoot(t, "make", "help")
		require.NoError(t, err, help)
		p.targets = help
	}
	args := []string{"-n"}
	for _, word := range c.words[1:] {
		if !strings.Contains(word, "=") {
			assert.Regexp(t, `(?m)^  `+regexp.QuoteMeta(word)+` `, p.targets, "%s:%d shows %q", c.page, c.line, c)
		}
		args = append(args, word)
	}
	out, err := inRoot(t, "make", args...)
	require.NoError(t, err, "%s:%d shows %q\n%s", c.page, c.line, c, out)
	// Not every target asks which variables are known; setup does.
	out, err = inRoot(t, "make", append(args, "setup")...)
	require.NoError(t, err, out)
	assert.Contains(t, out, "bootaudit setup")
	assert.NotContains(t, out, "setup -unknown", "%s:%d shows %q", c.page, c.line, c)
}

// whole runs bootaudit explain, where the files that it names are.
func (p *prover) whole(t *testing.T, c command) {
	args := c.words[slices.Index(c.words, "explain"):]
	dir := t.TempDir()
	console, err := os.ReadFile("testdata/serial.log")
	require.NoError(t, err)
	for _, name := range args[1:] {
		if !strings.HasPrefix(name, "-") {
			file := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, console, 0o644))
		}
	}
	if len(args) == 1 {
		args = append(args, "-h") // the command's name alone
	}
	out, status := p.run(t, dir, args...)
	assert.Equal(t, 0, status, "%s:%d shows %q\n%s", c.page, c.line, c, out)
	assert.NotEmpty(t, out)
}

// bootaudit runs a command of ours as far as it comes where no VM is kept and no
// image is there: that far, it has read its arguments.
func (p *prover) bootaudit(t *testing.T, c command) {
	at := slices.IndexFunc(c.words, func(word string) bool { return word == "bootaudit" || strings.HasSuffix(word, "/cmd/bootaudit") })
	args := c.words[at+1:]
	require.NotEmpty(t, args, "%s:%d names no command of bootaudit", c.page, c.line)
	help, status := p.run(t, t.TempDir(), args[0], "-h")
	require.Equal(t, 0, status, "%s:%d shows %q\n%s", c.page, c.line, c, help)
	require.Contains(t, help, "usage: bootaudit "+args[0])
	for _, word := range args[1:] {
		if strings.HasPrefix(word, "-") {
			assert.Regexp(t, `(?m)^  `+regexp.QuoteMeta(word)+`\b`, help, "%s:%d shows %q", c.page, c.line, c)
		}
	}
	switch args[0] {
	case "list":
		_, status := p.run(t, t.TempDir(), args...)
		assert.Equal(t, 0, status)
	case "attach":
		out, status := p.run(t, t.TempDir(), args...)
		assert.Equal(t, 2, status)
		assert.Contains(t, out, "no VM is kept", "%s:%d shows %q", c.page, c.line, c)
	case "run":
		out, status := p.run(t, t.TempDir(), args...)
		assert.Equal(t, 2, status)
		assert.Regexp(t, "no such file.*"+regexp.QuoteMeta(args[len(args)-1]), out, "%s:%d shows %q", c.page, c.line, c)
	}
}

// modEdit edits a module that is made for it, as the words say.
func (p *prover) modEdit(t *testing.T, c command) {
	dir := t.TempDir()
	for _, words := range [][]string{{"go", "mod", "init", "example.org/mine"}, c.words} {
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s:%d shows %q\n%s", c.page, c.line, c, out)
	}
	edited, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(edited), "replace bootaudit => ")
	assert.Contains(t, string(edited), "tool bootaudit/cmd/bootaudit")
}

// run runs bootaudit in dir, where it finds nothing of this user's, and no program:
// no guest is started.
func (p *prover) run(t *testing.T, dir string, args ...string) (output string, status int) {
	program, err := filepath.Abs(p.program(t))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, environment("PATH=", "BOOT_IMAGE_CACHE="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if !errors.As(err, new(*exec.ExitError)) {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// flake writes the stand-in flake of another image, since the stand-in takes half a
// minute to build.
func (p *prover) flake(t *testing.T, c command) {
	image := filepath.Join(t.TempDir(), "image.iso")
	require.NoError(t, os.WriteFile(image, append(make([]byte, 16*2048), "\x01CD001"+strings.Repeat(" ", 2048)...), 0o644))
	dir := t.TempDir()
	args := []string{"run", c.words[2], "-iso", image}
	for _, word := range c.words[3:] {
		if !strings.HasPrefix(word, "-") {
			word = filepath.Join(dir, word)
		}
		args = append(args, word)
	}
	out, err := inRoot(t, "go", args...)
	require.NoError(t, err, "%s:%d shows %q\n%s", c.page, c.line, c, out)
	assert.FileExists(t, filepath.Join(args[len(args)-1], "flake.nix"))
}
