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

type rule struct {
	pkg string
	may []string
	why string
}

// leaves import nothing of ours.
var leaves = []string{
	"fixtures/flake/builder", "internal/cast", "internal/command", "internal/efi", "internal/house", "internal/initrd", "internal/mirror", "internal/nbd", "internal/near",
	"internal/nix", "internal/nodefs", "internal/once", "internal/outside", "internal/partition", "internal/plain", "internal/port", "internal/qmp", "internal/queue",
	"internal/quote", "internal/docs", "internal/saved", "internal/screen", "internal/squashfs", "internal/tools", "internal/words",
}

// rules say what every other package may import of ours, tests apart. Arrows point
// one way: what is dear (a VM) may use what is cheap, never the reverse.
var rules = []rule{
	{"contract/check", []string{"internal/once", "internal/plain"}, "what a check is knows nothing of what is checked"},
	{"contract", []string{"contract/check", "internal/near"}, "a promise is data"},
	{"prereq", []string{"contract", "contract/check", "fixtures", "internal/command", "internal/microguest", "internal/mirror", "internal/nix", "internal/quote", "internal/tools"}, "the host is checked before there is an image"},
	{"iso", []string{"contract", "contract/check", "internal/command", "internal/disk", "internal/efi", "internal/ext4", "internal/fat", "internal/initrd", "internal/nix", "internal/once", "internal/partition", "internal/squashfs"}, "an image is opened without booting it"},
	{"serial/watch", []string{"internal/screen", "internal/verdict"}, "a saved console is read without a live one"},
	{"serial", []string{"serial/watch", "internal/screen", "internal/cast", "internal/quote"}, "a console knows nothing of QEMU or images"},
	{"fixtures", []string{"internal/command", "internal/config", "internal/mirror", "internal/nix", "internal/tools"}, "the stand-in is an image like any other"},
	{"fixtures/smalliso", []string{"internal/command"}, "a small image is files"},
	{"fixtures/tinyimage", []string{"fixtures/smalliso", "iso"}, "a tiny image is files, and parts of one that is there"},
	{"fixtures/flake/write", []string{"fixtures"}, "the flake is written by what builds it"},
	{"vmtest", []string{
		"contract", "contract/check", "serial", "serial/watch", "prereq",
		"internal/command", "internal/config", "internal/kept", "internal/once", "internal/plain", "internal/port",
		"internal/qmp", "internal/queue", "internal/quote", "internal/record", "internal/screen", "internal/tools",
	}, "a VM is of use without any image's promises"},
	{"vmtest/scenario", []string{
		"contract", "contract/check", "serial", "serial/watch", "iso", "vmtest",
		"internal/about", "internal/checktest", "internal/once", "internal/plain", "internal/quote", "internal/record", "internal/screen",
	}, "the boot is the last and dearest question"},

	{"internal/config", []string{"contract", "internal/mirror", "internal/near", "internal/quote"}, "the environment is decoded before anything is asked"},
	{"internal/checktest", []string{"contract/check"}, "go test sees checks, of whatever they are"},
	{"internal/runner", []string{"contract/check"}, "tests run without go test, of whatever they are"},
	{"internal/about", []string{"contract", "contract/check"}, "a run is somewhere, whatever it is about"},
	{"internal/replay", []string{"internal/cast", "internal/plain", "internal/screen"}, "a recording is drawn for whichever page"},
	{"internal/audit", []string{
		"contract", "contract/check", "iso", "prereq", "vmtest", "vmtest/scenario", "internal/about", "internal/config", "internal/target",
	}, "an audit is the same by go test and without"},
	{"internal/fat", []string{"internal/nodefs"}, "a file system is read by who has its bytes"},
	{"internal/disk", []string{"internal/command", "internal/ext4", "internal/fat", "internal/nbd", "internal/partition"}, "an image is looked into, and not booted"},
	{"internal/ext4", []string{"internal/nodefs"}, "a file system is read by who has its bytes"},
	{"internal/rootkey", []string{"contract", "internal/config"}, "a key is kept for who asks"},
	{"internal/target", []string{
		"contract", "contract/check", "fixtures", "iso", "prereq", "serial/watch", "vmtest", "vmtest/scenario", "internal/config", "internal/rootkey", "internal/tools",
	}, "the environment becomes what each question is asked about in one place"},
	{"internal/microguest", []string{"internal/command", "internal/tools"}, "a guest of 1.5 KB needs no console of ours"},
	{"internal/setup", []string{"internal/tools"}, "what is missing is installed before anything else"},
	{"internal/kept", []string{"serial", "internal/port", "internal/qmp"}, "a VM that stays is reached by its sockets alone"},
	{"internal/record", []string{"internal/plain"}, "what a VM leaves is read without one"},
	{"internal/report", []string{"contract/check", "internal/cast", "internal/plain", "internal/quote", "internal/record", "internal/replay"}, "a report is made of a stream and of the files that it names"},
	{"internal/verdict", []string{"internal/words"}, "a verdict needs a console, and nothing else"},
	{"internal/transcript", []string{
		"contract", "serial/watch", "internal/cast", "internal/plain", "internal/saved", "internal/screen", "internal/verdict", "internal/words",
	}, "a saved console needs no host, no image and no VM"},
	{"internal/interleave", []string{"serial"}, "it is a test of consoles"},
	{"internal/fakevm", []string{"contract", "fixtures/smalliso", "internal/rootkey"}, "who tests with the fake is not imported by it"},
	{"cmd/bootaudit", []string{
		"contract", "fixtures", "prereq", "serial", "serial/watch", "vmtest", "internal/audit", "internal/config", "internal/kept", "internal/near", "internal/plain", "internal/quote",
		"internal/report", "internal/rootkey", "internal/runner", "internal/saved", "internal/setup", "internal/target", "internal/tools", "internal/transcript",
	}, "the program only puts together"},
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
		name := strings.TrimPrefix(p.ImportPath, "bootaudit/")
		all[name] = nil
		for _, path := range p.Imports {
			if ours, ok := strings.CutPrefix(path, "bootaudit/"); ok {
				all[name] = append(all[name], ours)
			}
		}
	}
	for name, imports := range all {
		if slices.Contains(leaves, name) {
			assert.Empty(t, imports, "%s is a leaf", name)
			continue
		}
		at := slices.IndexFunc(rules, func(r rule) bool { return r.pkg == name })
		if !assert.GreaterOrEqual(t, at, 0, "no rule says what %s may import", name) {
			continue
		}
		for _, path := range imports {
			assert.Contains(t, rules[at].may, path, "%s: %s", name, rules[at].why)
		}
		for _, path := range rules[at].may {
			assert.Contains(t, imports, path, "%s may import it, and does not", name)
		}
	}
	for _, name := range leaves {
		assert.Contains(t, all, name, "a leaf that is not there")
	}
	for _, r := range rules {
		assert.Contains(t, all, r.pkg, "a rule for what is not there")
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
		"audit", "dist", // what `make audit` and `make dist` leave, git-ignored
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
