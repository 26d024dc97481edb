package contract

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/serial/watch"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/contract.md from the code")

const docs = "../docs/contract.md"

// TestDocs holds the tables of docs/contract.md to the code: they are made from
// it, by `go test ./contract -run Docs -update`.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	want := string(text)
	for name, table := range map[string]string{"fields": fieldTable(t), "profiles": profileTable()} {
		open, end := "<!-- "+name+" -->", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(want, open)
		require.True(t, ok, "no %s in %s", open, docs)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "no %s in %s", end, docs)
		want = before + open + "\n" + table + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(docs, []byte(want), 0o666))
		return
	}
	got := strings.Split(string(text), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("%s:%d is not what the code says; it should be\n%s\nto make it so: go test ./contract -run Docs -update", docs, i+1, line)
		}
	}
}

// TestDocsExamples: each example is a contract, or a part of one, and the checks
// and tripwires that it allows are there.
func TestDocsExamples(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	surface, err := os.ReadFile("../internal/house/testdata/surface.txt")
	require.NoError(t, err)
	var checks, tripwires []string
	for _, m := range regexp.MustCompile(`(?m)^Test(?:Image|VM)/(.*)$`).FindAllStringSubmatch(string(surface), -1) {
		checks = append(checks, m[1])
	}
	for _, row := range watch.Tripwires() {
		tripwires = append(tripwires, row.ID)
	}
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, examples, 6)
	for _, m := range examples {
		example := m[1]
		if !strings.HasPrefix(example, "name = ") {
			example = "name = 'x'\n" + example
		}
		c, err := Parse("example", []byte(example))
		assert.NoError(t, err, example)
		assert.NoError(t, c.Faults(checks, tripwires), example)
	}
}

// TestDocsErrors: the page shows errors as they are.
func TestDocsErrors(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	_, err = Parse("my.toml", []byte("name = 'x'\ncomands = ['ls']\n\n\n\n\n[login]\nuser = 'x'\nuid = 'many'\n\n\n\n\n\n[[units]]\nname = 'a.service'\ntype = 'one-shot'\n"))
	for line := range strings.SplitSeq(err.Error(), "\n") {
		assert.Contains(t, string(text), "\n"+line+"\n")
	}
}

func profileTable() string {
	var b strings.Builder
	b.WriteString("| profile | what it is of | marks |\n|---|---|---|\n")
	for _, name := range Names() {
		text, _ := profiles.ReadFile(name + ".toml")
		var about []string
		for line := range strings.Lines(string(text)) {
			comment, ok := strings.CutPrefix(line, "#")
			if !ok {
				break
			}
			about = append(about, strings.TrimSpace(comment))
		}
		var marks []string
		for _, m := range builtIn(name).Marks {
			what := "the image has "
			if m.Attribute != "" {
				what = "the flake is audited by "
			}
			marks = append(marks, what+m.String())
		}
		fmt.Fprintf(&b, "| [`%s`](../contract/%s.toml) | %s | %s |\n", name, name, strings.Join(about, " "), cell(strings.Join(marks, "; ")))
	}
	return strings.ReplaceAll(b.String(), "|  |", "| none: it is what has no mark of another |")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// comments are what stands with each field of the package's structs, by
// Type.Field.
func comments(t *testing.T) map[string]string {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	all := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			typ, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				return false
			}
			for _, field := range fields.Fields.List {
				for _, ident := range field.Names {
					words := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
					words = regexp.MustCompile(`^`+ident.Name+` (?:is|are|says that) `).ReplaceAllString(words, "")
					all[typ.Name.Name+"."+ident.Name] = strings.TrimSuffix(words, ".")
				}
			}
			return false
		})
	}
	return all
}

// required are the keys that a contract must have, or each of its tables.
func required() (keys []string) {
	one := Contract{}
	fillWithOne(reflect.ValueOf(&one).Elem())
	for _, f := range one.faults() {
		if f.says == "is missing" {
			keys = append(keys, strings.ReplaceAll(f.key, ".1.", "."))
		}
	}
	return keys
}

// fillWithOne gives each list of tables one that is empty.
func fillWithOne(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[Pattern]():
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillWithOne(v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	}
}

func fieldTable(t *testing.T) string {
	said, must := comments(t), required()
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	var rows func(prefix string, typ reflect.Type)
	rows = func(prefix string, typ reflect.Type) {
		for field := range typ.Fields() {
			name := field.Tag.Get("toml")
			if name == "" {
				assert.False(t, field.IsExported(), "%s.%s has no key", typ.Name(), field.Name)
				continue
			}
			meaning := said[typ.Name()+"."+field.Name]
			assert.NotEmpty(t, meaning, "%s.%s has no comment", typ.Name(), field.Name)
			key, kind, value := prefix+name, "", "none"
			switch of := field.Type; {
			case of == reflect.TypeFor[Pattern]():
				kind = "regular expression"
			case of == reflect.TypeFor[Date]():
				kind = "day"
			case of.Kind() == reflect.String:
				kind = "string"
			case of.Kind() == reflect.Bool:
				kind, value = "true or false", "false"
			case of.Kind() == reflect.Int:
				kind, value = "whole number", "0"
			case of.Kind() == reflect.Map:
				kind = "table of strings"
			case of.Kind() == reflect.Struct:
				kind = "table"
			case of.Elem().Kind() == reflect.Struct:
				kind = "tables"
			default:
				kind = "list of strings"
			}
			if slices.Contains(must, key) {
				value = "required"
			}
			shown := map[string]string{"table": "[" + key + "]", "tables": "[[" + key + "]]"}[kind]
			if shown == "" {
				shown = key
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", shown, kind, value, cell(meaning))
			switch kind {
			case "table":
				rows(key+".", field.Type)
			case "tables":
				rows(key+".", field.Type.Elem())
			}
		}
	}
	rows("", reflect.TypeFor[Contract]())
	return b.String()
}
