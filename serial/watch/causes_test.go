package watch

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/verdict"
)

var update = flag.Bool("update", false, "rewrite docs/causes.md from the tables")

// docs/causes.md is made from the tables.
func TestCausesPage(t *testing.T) {
	const file = "../../docs/causes.md"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(causesPage()), 0o644))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, causesPage(), string(text), "make it with go test ./serial/watch -run Causes -update")
}

func causesPage() string {
	var b strings.Builder
	b.WriteString(`# Causes

What the lines of a console, and its silences, tell of a boot. The same table judges saved consoles
(` + "`bootaudit explain`" + `) and ends live waits. It is made from the code: ` + "`go test ./serial/watch -run Causes -update`" + `.

A line is **final** where nothing that is awaited can come any more after it: only then does it end a live wait, at
once. Prompts do when they have stood for ` + fmt.Sprint(standsFor) + `. Everything else is noted, and names what ends the boot later; what the boot
gets past is no cause. Silences end a wait in the stage that they are of, and are named by what was seen before them.

## Lines

| id | class | what it means | what to do | final | whose words |
|---|---|---|---|---|---|
`)
	for _, r := range verdict.Rows() {
		final := r.Final
		if r.Some {
			final = "some of its lines: " + final
		}
		row(&b, "`"+r.ID+"`", r.Class, r.Means, r.Remedy, cmp.Or(final, "no"), r.Source)
	}
	b.WriteString("\n## Silences and loops\n\n| id | stage | what it means | what to do | after |\n|---|---|---|---|---|\n")
	for _, s := range silences {
		row(&b, "`"+s.ID+"`", cmp.Or(string(s.silent), "none yet"), s.Means, s.Remedy, fmt.Sprint(s.silence))
	}
	row(&b, "`"+loginLoop.ID+"`", "before a shell", loginLoop.Means, loginLoop.Remedy, fmt.Sprintf("more than %d logins", logins))
	row(&b, "`"+rebootLoop.ID+"`", "before a login", rebootLoop.Means, rebootLoop.Remedy, "the third start")
	return b.String()
}

func row(b *strings.Builder, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}
