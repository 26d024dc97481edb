package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"bootaudit/internal/config"
)

// rules say how a command that a page shows is proven. The first that it begins
// with is its own; one that none knows is an error.
var rules = []struct {
	begins string
	prove  func(*prover, *testing.T, command)
}{
	{"go test", (*prover).goTest},                       // compiled; its tests and their checks exist, its flags are known
	{"make", (*prover).make},                            // make -n takes it, and make help lists it
	{"go run ./cmd/bootaudit explain", (*prover).whole}, // run, on a small console
	{"bootaudit explain", (*prover).whole},              //
	{"bootaudit", (*prover).bootaudit},                  //
	{"go run ./cmd/bootaudit", (*prover).bootaudit},     // its flags are in its own -h
	{"go run ./fixtures/flake/write", (*prover).flake},  // run, with a file for the image
	{"go run bootaudit/cmd/bootaudit", (*prover).bootaudit},
	{"go mod edit", (*prover).modEdit}, // run, on a module of its own
	{"go mod tidy", nil},               // asks for a network; TestOutside does what comes of it without
	// What a system has. TestAddingACheck runs them.
	{"git diff --stat", nil},
	{"grep", nil},
	{"mkdir", nil},
	{"mktemp", nil},
	{"printf", nil},
	{"seq", nil},
}

// command is one that a page tells its reader to type.
type command struct {
	page  string
	line  int
	words []string
	sets  []string // variables
}

func (c command) String() string { return strings.Join(c.words, " ") }

func TestCommands(t *testing.T) {
	t.Parallel()
	p := &prover{all: t, bin: t.TempDir(), own: map[string]string{}}
	seen := map[string]bool{}
	for _, page := range pages(t) {
		for _, c := range page.commands(t) {
			for _, name := range c.sets {
				known := slices.ContainsFunc(config.Variables(), func(v config.Variable) bool { return v.Name == name })
				assert.True(t, known || name == "TMPDIR", "%s:%d sets %s, which nobody reads", c.page, c.line, name)
			}
			if len(c.words) > 0 && !seen[c.String()] {
				seen[c.String()] = true
				t.Run(c.page+"/"+c.String(), func(t *testing.T) { p.prove(t, c) })
			}
		}
	}
	assert.Greater(t, len(seen), 25, "what the pages show")
}

func (p *prover) prove(t *testing.T, c command) {
	for _, rule := range rules {
		begins := strings.Fields(rule.begins)
		if len(c.words) >= len(begins) && slices.Equal(c.words[:len(begins)], begins) {
			if rule.prove != nil {
				rule.prove(p, t, c)
			}
			return
		}
	}
	t.Errorf("%s:%d shows %q, and no rule says how to prove it", c.page, c.line, c)
}

// ours begins a command within a line.
var ours = regexp.MustCompile(`^([A-Z_]+=\S* )*(go|make|bootaudit)( |$)|^[A-Z_]+=\S*$`)

// commands are those of the page's blocks of code, and within its lines those
// that are ours.
func (p page) commands(t *testing.T) (all []command) {
	for _, b := range p.blocks() {
		switch b.kind {
		case "indented", "sh":
			all = append(all, b.commands(t)...)
		case "console":
			var typed strings.Builder
			for line := range strings.Lines(b.source) {
				if line, ok := strings.CutPrefix(line, "$ "); ok {
					typed.WriteString(line)
				} else {
					typed.WriteString("\n") // so that lines keep their numbers
				}
			}
			b.source = typed.String()
			all = append(all, b.commands(t)...)
		case "span":
			if ours.MatchString(b.source) {
				all = append(all, b.commands(t)...)
			}
		case "go", "toml", "text":
		default:
			t.Errorf("%s:%d is a block in %q, of which nobody knows whether it is commands", p.name, b.line, b.kind)
		}
	}
	return all
}

// commands are those of a block that a shell would run.
func (b block) commands(t *testing.T) (all []command) {
	file, err := syntax.NewParser().Parse(strings.NewReader(b.source), b.page)
	if b.kind == "span" && err != nil {
		return nil
	}
	require.NoError(t, err, "%s:%d", b.page, b.line)
	syntax.Walk(file, func(n syntax.Node) bool {
		c := command{page: b.page}
		var sets []*syntax.Assign
		switch n := n.(type) {
		case *syntax.CallExpr:
			for _, word := range n.Args {
				c.words = append(c.words, literal(word))
			}
			sets = n.Assigns
		case *syntax.DeclClause:
			sets = n.Args
		default:
			return true
		}
		for _, set := range sets {
			c.sets = append(c.sets, set.Name.Value)
		}
		c.line = b.line + int(n.Pos().Line()) - 1
		all = append(all, c)
		return true
	})
	return all
}

// literal is a word without its quotes, where no command must be run for it.
func literal(word *syntax.Word) string {
	if text, err := expand.Literal(nil, word); err == nil {
		return text
	}
	var b bytes.Buffer
	_ = syntax.NewPrinter().Print(&b, word)
	return b.String()
}

// TestOneCheckIsRun runs the README's command for one check, as it stands there.
func TestOneCheckIsRun(t *testing.T) {
	t.Parallel()
	const shown = "go test ./prereq -run TestHost/kvm"
	assert.True(t, slices.ContainsFunc(readPage(t, "README.md").commands(t), func(c command) bool { return c.String() == shown }), "the README does not show %s", shown)
	if testing.Short() {
		t.Skip("starts a guest in QEMU")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		config.Lacking(t, err)
	}
	// Where KVM is missing or broken, that is a risk, which fails nothing.
	cmd := exec.CommandContext(t.Context(), "bash", "-c", shown+" -count=1 -v")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `(?m)^\s*--- PASS: TestHost/kvm `, string(out))
	assert.Equal(t, 1, strings.Count(string(out), "--- PASS: TestHost/"), "%s", out)
}

// environment is ours without what steers an audit, and without what an outer
// make has to say to an inner one.
func environment(more ...string) (environ []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "BOOT_IMAGE_") && !strings.HasPrefix(name, "MAKE") && !slices.Contains([]string{"ISO", "FLAKE", "CONTRACT", "TIMEOUT", "SETUP"}, name) {
			environ = append(environ, v)
		}
	}
	return append(environ, more...)
}

// inRoot runs a program in the module's folder.
func inRoot(t *testing.T, name string, args ...string) (output string, err error) {
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = root, environment()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// program is ours, built once.
func (p *prover) program(t *testing.T) string {
	path := filepath.Join(p.bin, "bootaudit")
	if _, err := os.Stat(path); err != nil {
		out, err := inRoot(t, "go", "build", "-o", path, "./cmd/bootaudit")
		require.NoError(t, err, out)
	}
	return path
}
