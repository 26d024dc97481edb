package house

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/internal/config"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

var update = flag.Bool("update", false, "rewrite testdata/surface.txt from the code")

const surfaceFile = "testdata/surface.txt"

// TestSurface holds what others build on to a list: exported names, check IDs,
// variables, artifacts, commands and their exit statuses. What leaves the list
// leaves it in a commit that says why:
//
//	go test ./internal/house -run Surface -update
func TestSurface(t *testing.T) {
	var b strings.Builder
	for _, part := range []struct {
		title string
		lines []string
	}{
		{"exported names", exportedNames(t)},
		{"check IDs", checkIDs()},
		{"variables", variables(t)},
		{"artifacts", artifacts(t)},
		{"commands", commands(t)},
	} {
		fmt.Fprintf(&b, "# %s\n%s\n\n", part.title, strings.Join(part.lines, "\n"))
	}
	got := strings.TrimSpace(b.String()) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(surfaceFile, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(surfaceFile)
	require.NoError(t, err)
	for _, change := range diff(string(want), got) {
		t.Error(change)
	}
	if t.Failed() {
		t.Log("if this is meant: go test ./internal/house -run Surface -update, and say why in the commit")
	}
}

// diff are the lines of one text that the other has not.
func diff(want, got string) (changes []string) {
	before, after := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range before {
		if !slices.Contains(after, line) {
			changes = append(changes, "gone: "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			changes = append(changes, "new: "+line)
		}
	}
	return changes
}

// public are the packages for others to import.
var public = []string{"contract", "contract/check", "fixtures", "fixtures/smalliso", "fixtures/tinyimage", "iso", "prereq", "serial", "serial/watch", "vmtest", "vmtest/scenario"}

// sources parses a package's files, tests apart.
func sources(t *testing.T, pkg string) (files []*ast.File) {
	names, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// exportedNames are those of the public packages: with a type's its fields and
// methods.
func exportedNames(t *testing.T) (lines []string) {
	for _, pkg := range public {
		add := func(names ...string) {
			if !slices.ContainsFunc(names, func(n string) bool { return !ast.IsExported(n) }) {
				lines = append(lines, pkg+"."+strings.Join(names, "."))
			}
		}
		for _, file := range sources(t, pkg) {
			for _, decl := range file.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					if decl.Recv == nil {
						add(decl.Name.Name)
					} else {
						add(receiver(decl.Recv.List[0].Type), decl.Name.Name)
					}
				case *ast.GenDecl:
					for _, spec := range decl.Specs {
						switch spec := spec.(type) {
						case *ast.ValueSpec:
							for _, name := range spec.Names {
								add(name.Name)
							}
						case *ast.TypeSpec:
							add(spec.Name.Name)
							for _, field := range members(spec.Type) {
								add(spec.Name.Name, field)
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func receiver(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return receiver(typ.X)
	case *ast.IndexExpr:
		return receiver(typ.X)
	case *ast.Ident:
		return typ.Name
	}
	return ""
}

func members(typ ast.Expr) (names []string) {
	var fields *ast.FieldList
	switch typ := typ.(type) {
	case *ast.StructType:
		fields = typ.Fields
	case *ast.InterfaceType:
		fields = typ.Methods
	default:
		return nil
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

func checkIDs() (lines []string) {
	for _, c := range prereq.Describe(prereq.Subject{}) {
		lines = append(lines, "TestHost/"+c.ID)
	}
	for _, terms := range []contract.Contract{contract.PreNixOS(), contract.DebianLive()} {
		for _, c := range iso.Checks(iso.Subject{Contract: terms}) {
			lines = append(lines, "TestImage/"+c.ID)
		}
		suite := scenario.NewSuite(scenario.Subject{Contract: terms}, &vmtest.Harness{})
		for _, s := range suite.Scenarios {
			for _, c := range s.Checks {
				lines = append(lines, "TestVM/"+s.Name+"/"+c.ID)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

var (
	makeVariable = regexp.MustCompile(`(?m)^([A-Z]+) \?=`)
	makeTarget   = regexp.MustCompile(`(?m)^([a-z-]+):.*## `)
)

func variables(t *testing.T) (lines []string) {
	for _, v := range config.Variables() {
		lines = append(lines, strings.TrimSpace(v.Name+" "+v.Default))
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	for _, m := range makeVariable.FindAllStringSubmatch(string(makefile), -1) {
		lines = append(lines, "make "+m[1]+"=")
	}
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		lines = append(lines, "make "+m[1])
	}
	slices.Sort(lines)
	return lines
}

// artifacts are the names that a VM's folder and a report's have in them: the
// constants that end in File.
func artifacts(t *testing.T) (lines []string) {
	for _, pkg := range []string{"internal/record", "internal/report", "vmtest"} {
		for _, file := range sources(t, pkg) {
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != len(spec.Names) {
					return true
				}
				for i, name := range spec.Names {
					value, ok := spec.Values[i].(*ast.BasicLit)
					if ok && value.Kind == token.STRING && (strings.HasSuffix(name.Name, "File") || name.Name == "diagnostics") {
						text, err := strconv.Unquote(value.Value)
						require.NoError(t, err)
						lines = append(lines, pkg+": "+text)
					}
				}
				return true
			})
		}
	}
	slices.Sort(lines)
	return lines
}

const (
	holding = `{"Action":"pass","Package":"bootaudit/prereq","Test":"TestHost/kvm"}
{"Action":"pass","Package":"bootaudit/prereq"}
`
	failing = `{"Action":"fail","Package":"bootaudit/prereq","Test":"TestHost/kvm"}
{"Action":"fail","Package":"bootaudit/prereq"}
`
)

// commands are the program's, as its help has them, and the exit statuses of
// some calls.
func commands(t *testing.T) (lines []string) {
	program := filepath.Join(t.TempDir(), "bootaudit")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "bootaudit/cmd/bootaudit").CombinedOutput()
	require.NoError(t, err, "%s", out)
	call := func(stdin string, args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = t.TempDir()
		cmd.Stdin = strings.NewReader(stdin)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); !errors.As(err, new(*exec.ExitError)) {
			require.NoError(t, err)
		}
		return said.String(), cmd.ProcessState.ExitCode()
	}
	help, _ := call("", "help")
	for line := range strings.Lines(help) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "bootaudit" {
			usage, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
			lines = append(lines, usage)
		}
	}
	for _, test := range []struct {
		stdin string
		args  []string
	}{
		{"", nil},
		{"", []string{"help"}},
		{"", []string{"nonsense"}},
		{holding, []string{"report"}},
		{failing, []string{"report"}},
		{"", []string{"report", "none.json"}},
		{"", []string{"explain"}},
		{"", []string{"explain", "none.log"}},
		{"", []string{"attach", "-nonsense"}},
	} {
		_, status := call(test.stdin, test.args...)
		events := ""
		if test.stdin != "" {
			events = map[string]string{holding: " <passed", failing: " <failed"}[test.stdin]
		}
		lines = append(lines, fmt.Sprintf("exit %d: %s%s", status, strings.Join(append([]string{"bootaudit"}, test.args...), " "), events))
	}
	return lines
}
