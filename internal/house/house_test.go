// Package house holds the tests of the tree as a whole: which package may
// import which, and what stands beside them.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rules say what each package may import of ours, tests apart. Arrows point
// one way: what is dear (a VM) may use what is cheap, never the reverse.
var rules = []struct {
	pkg string
	may []string
	why string
}{
	{"contract/check", []string{"internal/once", "internal/plain"}, "what a check is knows nothing of what is checked"},
	{"contract", []string{"contract/check", "internal/near"}, "a promise is data"},
	{"prereq", []string{"contract", "contract/check", "fixtures", "internal/"}, "the host is checked before there is an image"},
	{"iso", []string{"contract", "contract/check", "internal/"}, "an image is opened without booting it"},
	{"serial/watch", []string{"internal/screen", "internal/words"}, "a saved console is read without a live one"},
	{"serial", []string{"serial/watch", "internal/screen", "internal/cast", "internal/quote"}, "a console knows nothing of QEMU or images"},
	{"internal/saved", nil, "a file's form is told before anybody asks what it says"},
	{"internal/verdict", []string{"internal/words"}, "a verdict needs a console, and nothing else"},
	{"fixtures", []string{"internal/command", "internal/config", "internal/mirror", "internal/nix", "internal/tools"}, "the stand-in is an image like any other"},
	{"vmtest", []string{"contract", "contract/check", "serial", "serial/watch", "prereq", "internal/"}, "a VM is of use without any image's promises"},
	{"vmtest/scenario", []string{"contract", "contract/check", "serial", "serial/watch", "iso", "vmtest", "internal/"}, "the boot is the last and dearest question"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "bootaudit/...").Output()
	require.NoError(t, err)
	all := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		for _, path := range p.Imports {
			if ours, ok := strings.CutPrefix(path, "bootaudit/"); ok {
				all[strings.TrimPrefix(p.ImportPath, "bootaudit/")] = append(all[strings.TrimPrefix(p.ImportPath, "bootaudit/")], ours)
			}
		}
	}
	for _, rule := range rules {
		for _, path := range all[rule.pkg] {
			allowed := slices.ContainsFunc(rule.may, func(may string) bool {
				return path == may || strings.HasSuffix(may, "/") && strings.HasPrefix(path, may)
			})
			assert.True(t, allowed, "%s imports %s: %s", rule.pkg, path, rule.why)
		}
	}
	for name, imports := range all {
		if !strings.HasPrefix(name, "cmd/") && name != "vmtest/scenario" && name != "internal/target" {
			assert.NotContains(t, imports, "vmtest", "%s imports vmtest", name)
		}
		if !strings.HasPrefix(name, "cmd/") && name != "internal/target" {
			assert.NotContains(t, imports, "vmtest/scenario", "%s imports the scenarios", name)
		}
	}
}

// A program that only reads consoles gets no terminal and no test framework with
// them.
func TestReadingConsolesNeedsLittle(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "bootaudit/serial/watch").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "bootaudit/serial/watch")
	for _, heavy := range []string{"testing", "net", "os/exec", "github.com/creack/pty", "github.com/Netflix/go-expect"} {
		assert.NotContains(t, deps, heavy)
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{
		"vmtest", "prereq", "iso", "serial", "fixtures", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
		"cmd", "contract", "internal", "docs",
		"audit", // what `make audit` leaves, git-ignored
	}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, e := range entries {
		assert.True(t, strings.HasPrefix(e.Name(), ".") || slices.Contains(allowed, e.Name()), "%s at the top level", e.Name())
	}
}

// TestEveryPackageSaysWhatItIsFor reads the package comments as a newcomer
// would, with go doc.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if .GoFiles}}{{.ImportPath}}\t{{.Doc}}{{end}}", "bootaudit/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if path, doc, ok := strings.Cut(line, "\t"); ok {
			assert.NotEmpty(t, strings.TrimSpace(doc), "%s has no package comment", path)
		}
	}
}
