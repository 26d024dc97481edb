package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leaksOf are a package's exported names, fields and methods whose types name an
// internal package's.
func leaksOf(pkg *types.Package) (names []string) {
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		typeName, ok := object.(*types.TypeName)
		if !ok {
			if isInternal(object.Type(), nil) {
				names = append(names, name)
			}
			continue
		}
		named, ok := typeName.Type().(*types.Named)
		if !ok { // an alias
			if isInternal(types.Unalias(typeName.Type()), nil) {
				names = append(names, name)
			}
			continue
		}
		for member, typ := range membersOf(named) {
			if isInternal(typ, nil) {
				names = append(names, strings.TrimSuffix(name+"."+member, "."))
			}
		}
	}
	slices.Sort(names)
	return names
}

// membersOf are a type's exported fields and methods, and under "" what it is
// otherwise.
func membersOf(named *types.Named) map[string]types.Type {
	members := map[string]types.Type{}
	for method := range named.Methods() {
		if method.Exported() {
			members[method.Name()] = method.Type()
		}
	}
	switch under := named.Underlying().(type) {
	case *types.Struct:
		for field := range under.Fields() {
			// What is embedded lends its members.
			if field.Exported() || field.Embedded() {
				members[field.Name()] = field.Type()
			}
		}
	case *types.Interface:
		for method := range under.Methods() {
			members[method.Name()] = method.Type()
		}
	default:
		members[""] = under
	}
	for param := range named.TypeParams().TypeParams() {
		members["["+param.Obj().Name()+"]"] = param.Constraint()
	}
	return members
}

// isInternal says whether who uses a value of typ needs a type of ours that only
// we can name.
func isInternal(typ types.Type, within []types.Type) bool {
	if slices.Contains(within, typ) {
		return false
	}
	within = append(slices.Clone(within), typ)
	in := func(typ types.Type) bool { return isInternal(typ, within) }
	switch typ := typ.(type) {
	case *types.Alias:
		return ours(typ.Obj()) || in(types.Unalias(typ))
	case *types.Named:
		if ours(typ.Obj()) {
			return true
		}
		for arg := range typ.TypeArgs().Types() {
			if in(arg) {
				return true
			}
		}
		if typ.Obj().Exported() || typ.Obj().Pkg() == nil {
			return false // has its own line
		}
		for _, member := range membersOf(typ) {
			if in(member) {
				return true
			}
		}
	case interface{ Elem() types.Type }: // pointer, slice, array, channel, and a map's values
		if m, ok := typ.(*types.Map); ok && in(m.Key()) {
			return true
		}
		return in(typ.Elem())
	case *types.Signature:
		return in(typ.Params()) || in(typ.Results())
	case *types.Tuple:
		for v := range typ.Variables() {
			if in(v.Type()) {
				return true
			}
		}
	case *types.Struct:
		for field := range typ.Fields() {
			if in(field.Type()) {
				return true
			}
		}
	case *types.Interface:
		for method := range typ.Methods() {
			if in(method.Type()) {
				return true
			}
		}
		for embedded := range typ.EmbeddedTypes() {
			if in(embedded) {
				return true
			}
		}
	case *types.Union:
		for term := range typ.Terms() {
			if in(term.Type()) {
				return true
			}
		}
	case *types.TypeParam:
		return in(typ.Constraint())
	case *types.Basic:
	default:
		panic(fmt.Sprintf("a kind of type that nobody thought of: %T", typ))
	}
	return false
}

func ours(name *types.TypeName) bool {
	return name.Pkg() != nil && strings.HasPrefix(name.Pkg().Path(), "bootaudit/internal/")
}

// TestLeaksAreSeen: in a package of its own, each way to need an internal type.
func TestLeaksAreSeen(t *testing.T) {
	check := func(path, source string, imports ...*types.Package) *types.Package {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "source.go", source, 0)
		require.NoError(t, err)
		pkg, err := (&types.Config{Importer: known(imports)}).Check(path, fset, []*ast.File{file}, nil)
		require.NoError(t, err)
		return pkg
	}
	secret := check("bootaudit/internal/secret", `package secret
		type Key struct{ N int }
		type Box[T any] struct{ V T }`)
	pkg := check("bootaudit/open", `package open
		import "bootaudit/internal/secret"
		type Safe struct { key secret.Key; Next *Safe; Text string }
		func (Safe) private(secret.Key) {}
		func (Safe) Public() error { return nil }
		type hidden struct{ Key secret.Key }
		type harmless struct{ key secret.Key; self *harmless }
		type Field struct { Key secret.Key; Deep map[string][]func(<-chan *secret.Key) }
		type Values map[string]secret.Key
		type Keys map[secret.Key]int
		type Alias = secret.Key
		type Embeds struct { hidden }
		type Does struct{}
		func (*Does) Open(...secret.Key) {}
		type Asks interface { Ask() (secret.Key, error) }
		type Generic[T interface{ *secret.Key }] struct{ v T }
		func Returns() hidden { return hidden{} }
		func Fine() harmless { return harmless{} }
		func Any[T interface{ secret.Key | int }](T) {}
		var Boxed secret.Box[int]
		var Table = map[string]int{}`, secret)
	assert.Equal(t, []string{"Alias", "Any", "Asks.Ask", "Boxed", "Does.Open", "Embeds.hidden", "Field.Deep", "Field.Key",
		"Generic.[T]", "Keys", "Returns", "Values"}, leaksOf(pkg))
	assert.Len(t, variablesOf(pkg), 2)
}

// known imports packages that are there already.
type known []*types.Package

func (k known) Import(path string) (*types.Package, error) {
	for _, pkg := range k {
		if pkg.Path() == path {
			return pkg, nil
		}
	}
	return nil, fmt.Errorf("no package %s", path)
}
