package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAddingACheck does what the page says: its blocks of Go are put where it says,
// its commands are run, and they print what it shows. Nothing is written to the
// tree: go gets the files as overlays.
func TestAddingACheck(t *testing.T) {
	if testing.Short() {
		t.Skip("links a package's tests several times")
	}
	t.Parallel()
	p := readPage(t, tutorial)
	blocks := p.goBlocks()
	require.Len(t, blocks, 3, "the row, its probe, its cases")
	row, probe, cases := blocks[0].source, blocks[1].source, blocks[2].source

	const rows, tests = "prereq/capacity.go", "prereq/hostchecks_test.go"
	without := map[string]string{rows: insert(t, rows, "[]check.Check{\n", row) + "\n" + probe}
	with := map[string]string{rows: without[rows], tests: insert(t, tests, "var hostCases = []hostCase{\n", cases)}

	var shown []block
	for _, b := range p.blocks() {
		if b.kind == "console" {
			shown = append(shown, b)
		}
	}
	require.Len(t, shown, 3, "the row, the missing cases, the docs")
	for _, b := range shown[:2] {
		out := shell(t, without, b.typed())
		missing := lacking(b.source, out)
		assert.Empty(t, missing, "%s:%d shows what is not printed:\n%s", p.name, b.line, out)
	}
	out := shell(t, with, shown[1].typed())
	assert.Contains(t, out, "ok  \tbootaudit/prereq", "with the cases, their test passes")

	out = shell(t, with, "go test ./internal/docs -run TestGenerated")
	assert.Regexp(t, `docs/checks.md:\d+ is not what the code says; it should be\n\s*\| .temp-path. \|`, out)
	for file, text := range with {
		before, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		added := strings.Count(text, "\n") - strings.Count(string(before), "\n")
		assert.Regexp(t, fmt.Sprintf(` %s +\| +%d \++\n`, file, added), shown[2].source, "%s:%d: git counts the lines of the blocks", p.name, shown[2].line)
	}
}

// insert is a file of the tree with text after the first place.
func insert(t *testing.T, file, place, text string) string {
	source, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	before, after, ok := strings.Cut(string(source), place)
	require.True(t, ok, "%s has no %q", file, place)
	return before + place + text + after
}

// shell runs what is typed in the module's folder as if files were so.
func shell(t *testing.T, files map[string]string, typed string) string {
	dir, err := os.MkdirTemp("", "") // a short name: the check is about its length
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	replace := map[string]string{}
	for name, text := range files {
		path, err := filepath.Abs(filepath.Join(root, name))
		require.NoError(t, err)
		replace[path] = filepath.Join(dir, filepath.Base(name))
		require.NoError(t, os.WriteFile(replace[path], []byte(text), 0o644))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644))
	cmd := exec.CommandContext(t.Context(), "bash", "-c", typed)
	cmd.Dir = root
	cmd.Env = environment("GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+filepath.Join(dir, "overlay.json")), "TMPDIR="+dir)
	out, _ := cmd.CombinedOutput() // some are to fail
	return strings.ReplaceAll(string(out), dir, "/tmp")
}

// typed are the commands of a console block.
func (b block) typed() string {
	var typed strings.Builder
	for line := range strings.Lines(b.source) {
		if line, ok := strings.CutPrefix(line, "$ "); ok {
			typed.WriteString(line)
		}
	}
	return typed.String()
}

// varies is what is another at each run: times, lines in sources, folders.
var varies = regexp.MustCompile(`\d+\.\d+s|\.go:(\d+:)?|/tmp\S*|\d+ bytes|[ \t]+`)

// lacking are the lines that a console block shows and that out has not, in their
// order.
func lacking(shown, out string) (missing []string) {
	plain := func(line string) string { return strings.TrimSpace(varies.ReplaceAllString(line, " ")) }
	printed := strings.Split(out, "\n")
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "$ ") {
			continue
		}
		at := 0
		for at < len(printed) && plain(printed[at]) != plain(line) {
			at++
		}
		if at == len(printed) {
			missing = append(missing, line)
			continue
		}
		printed = printed[at+1:]
	}
	return missing
}
