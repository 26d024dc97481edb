package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "bootaudit/"

// aPackage is what go list knows of one.
type aPackage struct {
	ImportPath, Name, Doc string
	GoFiles, Imports      []string
}

func list(t *testing.T) (all []aPackage) {
	readFolders(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p aPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		all = append(all, p)
	}
}

// readFolders reads each folder of the module. What another program reads, go
// test does not see: without this, it would serve an old result from its cache
// when a file has changed.
func readFolders(t *testing.T) {
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || path == filepath.Join(root, "audit")) {
			return fs.SkipDir
		}
		return err
	}))
}

// packages is a table of ours: what each is for, in its own comment's words.
func packages(t *testing.T) string {
	var b strings.Builder
	all := list(t)
	for _, part := range []struct {
		title  string
		member func(aPackage) bool
	}{
		{"For others to import", func(p aPackage) bool { return p.Name != "main" && !isInternal(p) }},
		{"Ours alone", func(p aPackage) bool { return p.Name != "main" && isInternal(p) }},
		{"Programs", func(p aPackage) bool { return p.Name == "main" }},
	} {
		fmt.Fprintf(&b, "## %s\n\n| package | what it is for | imports of ours |\n|---|---|---|\n", part.title)
		for _, p := range all {
			// One of tests alone is for nothing but them.
			if len(p.GoFiles) == 0 || !part.member(p) {
				continue
			}
			var ours []string
			for _, path := range p.Imports {
				if short, ok := strings.CutPrefix(path, module); ok {
					ours = append(ours, "`"+short+"`")
				}
			}
			for _, prefix := range []string{"Package ", "Command "} {
				if doc, ok := strings.CutPrefix(p.Doc, prefix); ok {
					_, p.Doc, _ = strings.Cut(doc, " ")
				}
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.TrimPrefix(p.ImportPath, module),
				strings.ReplaceAll(strings.TrimRight(p.Doc, ".:"), "|", `\|`), strings.Join(ours, ", "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func isInternal(p aPackage) bool { return strings.HasPrefix(p.ImportPath, module+"internal/") }
