// Package readme holds the README's tables to the code: they are made from
// it, by `go test ./internal/readme -update`.
package readme

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
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
	var hosts [][]check.Check
	for _, target := range []contract.Target{{}, {Kind: contract.KindISO, ISO: "x"}, {Kind: contract.KindFlake, Flake: "x"}} {
		hosts = append(hosts, prereq.Describe(prereq.Subject{Target: target}))
	}
	fmt.Fprintf(&b, "### The host: `TestHost/<id>`\n\n%s\n", table(hosts...))
	var images [][]check.Check
	for _, c := range []contract.Contract{contract.PreNixOS(), {}} {
		images = append(images, iso.Checks(iso.Subject{Contract: c}))
	}
	fmt.Fprintf(&b, "\n### The image: `TestImage/<id>`\n\n%s\n", table(images...))
	b.WriteString("\n### The boot: `TestVM/<scenario>/<id>`\n\n" +
		"| scenario | what it shows |\n|---|---|\n")
	var boots [][]check.Check
	for i, c := range []contract.Contract{contract.PreNixOS(), {}} {
		suite := scenario.NewSuite(scenario.Subject{Contract: c}, &vmtest.Harness{})
		var all []check.Check
		for _, s := range suite.Scenarios {
			if i == 0 {
				fmt.Fprintf(&b, "| `%s` | %s |\n", s.Name, s.About)
			}
			for _, c := range s.Checks {
				// The same row stands in several scenarios.
				if !slices.ContainsFunc(all, func(other check.Check) bool { return other.ID == c.ID && other.Condition == c.Condition }) {
					all = append(all, c)
				}
			}
		}
		boots = append(boots, all)
	}
	fmt.Fprintf(&b, "\n%s\n", table(boots...))
	return b.String()
}

// table is checks as a Markdown table, in their order; the variants are the same
// checks for other targets. What is needed, a check's own words say: always, or
// why some target does without.
func table(checks ...[]check.Check) string {
	var b strings.Builder
	b.WriteString("| id | condition | how | needed | remedy |\n|---|---|---|---|---|\n")
	for _, c := range checks[0] {
		var words []string
		for _, variant := range checks {
			for _, same := range variant {
				if same.ID != c.ID || same.Applies == nil {
					continue
				}
				if why := same.Applies(context.Background()); why != "" && !slices.Contains(words, why) {
					words = append(words, why)
				}
			}
		}
		needed := "always"
		if words != nil {
			needed = "unless " + strings.Join(words, "; ")
		}
		cells := []string{"`" + c.ID + "`", c.Condition, c.How, needed, c.Remedy}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(cell, "\n", " "), "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
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
