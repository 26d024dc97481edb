package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Colours are for a terminal that has some, and for nobody who asked for none.
func TestExplainColours(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot.log")
	require.NoError(t, os.WriteFile(file, []byte("SeaBIOS (version 1.16)\nNo bootable device.\n"), 0o644))
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TERM=") || strings.HasPrefix(v, "NO_COLOR=") })
	explain := func(more ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "bootaudit", "explain", file)
		cmd.Env = append(slices.Clone(env), more...)
		return cmd
	}
	onTerminal := func(more ...string) string {
		ptm, err := pty.Start(explain(more...))
		require.NoError(t, err)
		defer ptm.Close()
		out, _ := io.ReadAll(ptm) // EIO when the other end is gone
		return strings.ReplaceAll(string(out), "\r\n", "\n")
	}
	piped, err := explain("TERM=xterm").Output()
	require.NoError(t, err)
	assert.NotContains(t, string(piped), "\x1b")
	assert.Contains(t, onTerminal("TERM=xterm"), "\x1b[1;31mIt fails\x1b[0m, and came to firmware")
	for _, none := range [][]string{{"TERM=dumb"}, {}, {"TERM=xterm", "NO_COLOR=1"}} {
		assert.Equal(t, string(piped), onTerminal(none...), none)
	}
	assert.Contains(t, onTerminal("TERM=xterm", "NO_COLOR="), "\x1b[1;31m", "an empty NO_COLOR asks for nothing")
}
