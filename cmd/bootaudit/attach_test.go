package main

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a guest has written reaches a file as it is, and a terminal harmless.
func TestShow(t *testing.T) {
	const text = "\x1b]0;title\x07\x1b[31mred\x16\n"
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	show(file, []byte(text))
	require.NoError(t, file.Close())
	got, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.Equal(t, text, string(got))

	ptm, pts, err := pty.Open()
	require.NoError(t, err)
	defer ptm.Close()
	defer pts.Close()
	show(pts, []byte(text))
	line, err := bufio.NewReader(ptm).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "red\uFFFD\r\n", line)
}
