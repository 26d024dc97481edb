package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tutorial is the page whose blocks of Go belong into files that are there:
// TestAddingACheck puts them there.
const tutorial = "docs/adding-a-check.md"

// TestGoBlocksCompile: what a page shows of Go passes go vet.
func TestGoBlocksCompile(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		if len(p.goBlocks()) == 0 || p.name == tutorial {
			continue
		}
		found++
		out, err := inRoot(t, "go", "vet", write(t, p))
		require.NoError(t, err, "%s\n%s", p.name, out)
	}
	require.NotZero(t, found)
}

func (p page) goBlocks() []block {
	return slices.DeleteFunc(p.blocks(), func(b block) bool { return b.kind != "go" })
}

// write makes a package of a page's blocks of Go, whole files and expressions, and
// says where it is: in the module, for what it imports, and where ./... does not
// look.
func write(t *testing.T, p page) (folder string) {
	dir, err := os.MkdirTemp("testdata", "page-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := "page"
	var files []string
	for _, b := range p.goBlocks() {
		if file, err := parser.ParseFile(token.NewFileSet(), "", b.source, parser.PackageClauseOnly); err == nil {
			name = file.Name.Name
			files = append(files, b.source)
			continue
		}
		expr, err := parser.ParseExpr(b.source)
		require.NoError(t, err, "%s:%d is no file and no expression", p.name, b.line)
		files = append(files, fmt.Sprintf("package %%s\n\nimport (%s)\n\nvar _ = %s", imports(t, expr), b.source))
	}
	for i, source := range files {
		source = strings.Replace(source, "package %s\n", "package "+name+"\n", 1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("block%d_test.go", i)), []byte(source), 0o644))
	}
	return "./" + filepath.ToSlash(filepath.Join("internal/docs", dir))
}

// imports are the packages of ours that an expression names.
func imports(t *testing.T, expr ast.Expr) string {
	var b strings.Builder
	all := list(t)
	seen := map[string]bool{}
	ast.Inspect(expr, func(n ast.Node) bool {
		if name, ok := n.(*ast.SelectorExpr); ok {
			if of, ok := name.X.(*ast.Ident); ok && !seen[of.Name] {
				seen[of.Name] = true
				for _, p := range all {
					if p.Name == of.Name && !isInternal(p) {
						fmt.Fprintf(&b, "%q;", p.ImportPath)
					}
				}
			}
		}
		return true
	})
	return b.String()
}
