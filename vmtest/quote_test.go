package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a contract says is no command, whatever it is.
func TestQuote(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "b.log", "c d.log", "$(touch x)"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	shell := func(words string) []string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "for w in "+words+"; do printf '%s\\n' \"$w\"; done")
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, words)
		return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	}
	odd := []string{"plain", "two words", "$(touch proof)", "`touch proof`", "; touch proof", "it's", "*", "-n"}
	assert.Equal(t, odd, shell(quoteAll(odd)))
	assert.Equal(t, []string{"./a.log", "./b.log", "./c d.log"}, shell(globs([]string{"./*.log"})))
	assert.Equal(t, []string{"./a.log", "./b.log", "./c d.log"}, shell(globs([]string{"./[ab].log", "./c ?.log"})))
	assert.Equal(t, []string{"./$(touch x)"}, shell(globs([]string{"./$(*"})))
	assert.Equal(t, []string{"; touch proof*"}, shell(globs([]string{"; touch proof*"})))
	assert.NoFileExists(t, filepath.Join(dir, "proof"))
	assert.NoFileExists(t, filepath.Join(dir, "x"))
}
