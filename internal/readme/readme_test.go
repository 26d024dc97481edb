// Package readme holds the README's tables to the code: they are made from
// it, by `go test ./internal/readme -update`.
package readme

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
	"bootaudit/internal/contract"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
)

var update = flag.Bool("update", false, "rewrite the README's tables from the code")

const file = "../../README.md"

func TestREADME(t *testing.T) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := string(text)
	for name, table := range map[string]string{
		"checks":    checks(),
		"variables": variables(),
	} {
		open, end := "<!-- "+name+" -->", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(want, open)
		require.True(t, ok, "no %s in the README", open)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "no %s in the README", end)
		want = before + open + "\n" + strings.TrimSpace(table) + "\n" + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o666))
		return
	}
	got := strings.Split(string(text), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("README.md:%d is not what the code says; it should be\n%s\nto make it so: go test ./internal/readme -update", i+1, line)
		}
	}
}

func checks() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### The host: `TestHost/<id>`\n\n%s\n", prereq.Table(prereq.HostChecks(prereq.Host{}, config.Config{})))
	fmt.Fprintf(&b, "\n### The image: `TestImage/<id>`\n\n%s\n", prereq.Table(iso.Checks(iso.Subject{Contract: contract.PreNixOS()})))
	b.WriteString("\n### The boot: `TestVM/<scenario>/<id>`\n\n" +
		"| scenario | what it shows |\n|---|---|\n")
	suite := vmtest.NewSuite(vmtest.Subject{Contract: contract.PreNixOS()}, config.Config{}, vmtest.Watcher{})
	var all []prereq.Check
	for _, scenario := range suite.Scenarios {
		fmt.Fprintf(&b, "| `%s` | %s |\n", scenario.Name, scenario.About)
		for _, c := range scenario.Checks {
			// The same row stands in several scenarios.
			if !slices.ContainsFunc(all, func(other prereq.Check) bool {
				return prereq.Table([]prereq.Check{other}) == prereq.Table([]prereq.Check{c})
			}) {
				all = append(all, c)
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", prereq.Table(all))
	return b.String()
}

func variables() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range config.Variables() {
		value := "unset"
		if v.Default != "" {
			value = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, value, v.Doc)
	}
	return b.String()
}

// TestMakefileTargets: every make target that the README names is one.
func TestMakefileTargets(t *testing.T) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	named := regexp.MustCompile("(?m)(?:^    |`)make ([a-z]+)").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		target := regexp.MustCompile(`(?m)^` + m[1] + `:.*## `)
		assert.True(t, target.Match(makefile), "the README names make %s, and the Makefile has no such target", m[1])
	}
}
