package house

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// budget is how many names a package may export: one that needs more does more
// than one thing.
var budget = map[string]int{
	"serial":   20,
	"vmtest":   25,
	"iso":      15,
	"prereq":   10,
	"fixtures": 10,
}

// framework are the files, tests apart, that import testing: a thin layer each,
// whose callers are tests. What is below returns errors.
var framework = []string{
	"internal/checktest/run.go", // a table's checks as subtests
	"vmtest/guest.go",           // Start(t, Machine{...})
	"vmtest/scenario/run.go",    // Run(t, Subject{...})
	// The double of QEMU, for tests alone.
	"internal/fakevm/guest.go", "internal/fakevm/state.go", "internal/fakevm/vm.go",
}

func TestExportedNamesAreFew(t *testing.T) {
	all := load(t)
	for name, most := range budget {
		var exported []string
		for _, name := range all[name].Scope().Names() {
			if ast.IsExported(name) {
				exported = append(exported, name)
			}
		}
		assert.LessOrEqual(t, len(exported), most, "%s exports %s", name, strings.Join(exported, " "))
	}
}

// TestNothingExportedCanBeChanged: an exported variable is an error, never a
// table, which another package could write to.
func TestNothingExportedCanBeChanged(t *testing.T) {
	for name, pkg := range load(t) {
		for _, v := range variablesOf(pkg) {
			assert.True(t, types.Identical(v.Type(), types.Universe.Lookup("error").Type()),
				"%s.%s is a variable of type %s: export a function that returns a copy", name, v.Name(), v.Type())
		}
	}
}

func variablesOf(pkg *types.Package) (all []*types.Var) {
	for _, name := range pkg.Scope().Names() {
		if v, ok := pkg.Scope().Lookup(name).(*types.Var); ok && v.Exported() {
			all = append(all, v)
		}
	}
	return all
}

func TestNoExportedNameNeedsAnInternalType(t *testing.T) {
	for name, pkg := range load(t) {
		for _, leak := range leaksOf(pkg) {
			assert.Fail(t, "its type is internal, and nobody outside can say it", "%s.%s", name, leak)
		}
	}
}

// TestPublicPackages: the surface is that of every package that can be imported.
func TestPublicPackages(t *testing.T) {
	var names []string
	for name := range load(t) {
		names = append(names, name)
	}
	assert.ElementsMatch(t, public, names)
}

func TestOnlyThinLayersImportTesting(t *testing.T) {
	var found []string
	top := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != top && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
			path := strings.Trim(i.Path.Value, `"`)
			return path == "testing" || strings.HasPrefix(path, "testing/") || strings.HasPrefix(path, "github.com/stretchr/")
		}) {
			name, err := filepath.Rel(top, path)
			found = append(found, name)
			return err
		}
		return nil
	}))
	assert.ElementsMatch(t, framework, found)
}

// TestCoresNeedNoTestFramework: what finds, opens, builds and talks is of use to a
// program too.
func TestCoresNeedNoTestFramework(t *testing.T) {
	cores := []string{"bootaudit/contract", "bootaudit/contract/check", "bootaudit/fixtures", "bootaudit/iso", "bootaudit/prereq", "bootaudit/serial"}
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, cores...)...).Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "bootaudit/serial/watch")
	for _, file := range framework { // go-expect imports testing too, and serial with it
		assert.False(t, slices.Contains(deps, "bootaudit/"+filepath.Dir(file)), "they import %s", filepath.Dir(file))
	}
}

// load is the types of the packages that others may import, as the compiler has
// them.
func load(t *testing.T) map[string]*types.Package {
	t.Helper()
	const format = "{{.ImportPath}}\t{{.Name}}\t{{.Export}}"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", format, "bootaudit/...").Output()
	require.NoError(t, err)
	exports := map[string]string{}
	var paths []string
	for line := range strings.Lines(string(out)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[field[0]] = field[2]
		short, ours := strings.CutPrefix(field[0], "bootaudit/")
		// One of tests alone has nothing to import.
		if ours && field[1] != "main" && field[2] != "" && !strings.HasPrefix(short, "internal/") {
			paths = append(paths, short)
		}
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	all := map[string]*types.Package{}
	for _, path := range paths {
		all[path], err = from.Import("bootaudit/" + path)
		require.NoError(t, err)
	}
	require.Contains(t, all, "vmtest")
	return all
}
