// Package docs holds the README and the pages beside it to the code: what can be
// made from it is, by `go test ./internal/docs -run Generated -update`, and what a
// page tells its reader to type is tried.
package docs

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

var update = flag.Bool("update", false, "rewrite what the pages have from the code")

// root is the module's folder, from this package's.
const root = "../.."

// generated are the parts of pages that are made from the code: each stands
// between <!-- name --> and <!-- /name -->.
var generated = []struct {
	page, name string
	make       func(*testing.T) string
}{
	{"README.md", "explain", explained},
	{"docs/checks.md", "outcomes", outcomes},
	{"docs/checks.md", "checks", checks},
	{"docs/environment.md", "variables", variables},
	{"docs/house.md", "packages", packages},
}

func TestGenerated(t *testing.T) {
	for _, part := range generated {
		file := filepath.Join(root, part.page)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		open, end := "<!-- "+part.name+" -->", "<!-- /"+part.name+" -->"
		before, rest, ok := strings.Cut(string(text), open)
		require.True(t, ok, "no %s in %s", open, part.page)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "no %s in %s", end, part.page)
		want := before + open + "\n" + strings.TrimSpace(part.make(t)) + "\n" + end + after
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o666))
			continue
		}
		got := strings.Split(string(text), "\n")
		for i, line := range strings.Split(want, "\n") {
			if i >= len(got) || got[i] != line {
				t.Errorf("%s:%d is not what the code says; it should be\n%s\nto make it so: go test ./internal/docs -run Generated -update", part.page, i+1, line)
				break
			}
		}
	}
}

// TestREADMEIsOnePage: who wants more follows a link.
func TestREADMEIsOnePage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\n"), 150, "lines of README.md")
}

// explained is what explain says first of a small console that is kept here.
func explained(t *testing.T) string {
	const console = "internal/docs/testdata/serial.log"
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/bootaudit", "explain", console)
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	verdict, _, _ := strings.Cut(string(out), "\n\n")
	return "```console\n$ go run ./cmd/bootaudit explain " + console + "\n" + strings.TrimSpace(verdict) + "\n...\n```"
}

// means is each outcome in words.
var means = []struct {
	outcome check.Outcome
	words   string
}{
	{check.Holds, "the condition was observed"},
	{check.Broken, "it is there and does not do what it must"},
	{check.Absent, "the target needs it and it is not here"},
	{check.Unknown, `could not tell; no permission is not "absent"`},
	{check.Risk, "it keeps no image from booting, and should be known: what follows, and what to do"},
	{check.NotNeeded, "what was asked for does without it"},
}

func outcomes(*testing.T) string {
	var b strings.Builder
	b.WriteString("| outcome | meaning | its test | where everything needed is required |\n|---|---|---|---|\n")
	for _, m := range means {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.outcome, m.words, m.outcome.Ending(false), m.outcome.Ending(true))
	}
	return b.String()
}

func checks(*testing.T) string {
	var b strings.Builder
	var hosts [][]check.Check
	for _, target := range []contract.Target{{}, {Kind: contract.KindFile, File: "x"}, {Kind: contract.KindFlake, Flake: "x"}} {
		hosts = append(hosts, prereq.Describe(prereq.Subject{Target: target}))
	}
	fmt.Fprintf(&b, "## The host: `TestHost/<id>`\n\n%s\n", table(hosts...))
	var images [][]check.Check
	for _, c := range []contract.Contract{contract.PreNixOS(), {}} {
		images = append(images, iso.Checks(iso.Subject{Contract: c}))
	}
	fmt.Fprintf(&b, "## The image: `TestImage/<id>`\n\n%s\n", table(images...))
	b.WriteString("## The boot: `TestVM/<scenario>/<id>`\n\n" +
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
// checks for other targets. When one applies, its own words say: always, or why
// some target does without.
func table(checks ...[]check.Check) string {
	var b strings.Builder
	b.WriteString("| id | condition | how | applies | remedy |\n|---|---|---|---|---|\n")
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
		applies := "always"
		if words != nil {
			applies = "unless " + strings.Join(words, "; ")
		}
		cells := []string{"`" + c.ID + "`", c.Condition, c.How, applies, c.Remedy}
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(cell, "\n", " "), "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

func variables(*testing.T) string {
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
