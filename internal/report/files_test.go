package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootaudit/internal/record"
	"bootaudit/internal/replay"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	a := NewAudit(read(t, "testdata/full.json"))
	require.NoError(t, a.Write(dir))
	require.NoError(t, a.Write(dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{JUnitFile, HTMLFile, MarkdownFile}, names)
}

func TestWriteSaysWhatFailed(t *testing.T) {
	err := NewAudit().Write(filepath.Join(t.TempDir(), "gone"))
	for _, name := range []string{MarkdownFile, HTMLFile, JUnitFile} {
		assert.ErrorContains(t, err, name)
	}
}

func TestLatest(t *testing.T) {
	parent := t.TempDir()
	link := filepath.Join(parent, "latest")
	for _, name := range []string{"one", "two"} {
		require.NoError(t, os.Mkdir(filepath.Join(parent, name), 0o755))
		require.NoError(t, Latest(filepath.Join(parent, name)))
		to, err := os.Readlink(link)
		require.NoError(t, err)
		assert.Equal(t, name, to)
	}
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Mkdir(link, 0o755))
	assert.ErrorContains(t, Latest(filepath.Join(parent, "one")), "is not a symbolic link")
}

func TestCast2(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "vm")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "console.cast"), []byte("{\"version\":3,\"term\":{\"cols\":9,\"rows\":3}}\n[1,\"o\",\"a\"]\n"), 0o644))
	a := &Audit{VMs: []Boot{{Name: "vm", Folder: "/elsewhere/vm"}, {Name: "none"}, {Name: "gone", Folder: "/elsewhere/gone"}}}
	require.NoError(t, a.WriteCast2(dir))
	text, err := os.ReadFile(filepath.Join(folder, Cast2File))
	require.NoError(t, err)
	assert.Equal(t, "{\"version\":2,\"width\":9,\"height\":3}\n[1.000000,\"o\",\"a\"]\n", string(text))
}

func TestAttach(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "vm")
	require.NoError(t, os.Mkdir(folder, 0o755))
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(folder, "screen.txt")))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "console.cast"), []byte("{\"version\":3}\n[1,\"o\",\"a\"]\n[2,\"o\",\"cu"), 0o644))

	a := &Audit{VMs: []Boot{{Name: "vm", Folder: folder}}}
	a.Attach()
	assert.Empty(t, a.VMs[0].Screen, "a link leads out of the folder")
	require.NotNil(t, a.VMs[0].Recording)
	assert.Equal(t, "a", a.VMs[0].Recording.Moment(replay.End).Screen, "without the line that was cut")
	assert.Empty(t, a.VMs[0].Notes)

	require.NoError(t, os.WriteFile(filepath.Join(folder, "metadata.json"),
		[]byte(`{"ending":"exit status 1","errors":["no \u001b[31mgroup"],"tripwires":[{"id":"oops","line":"BUG: x","seconds":3}]}`), 0o644))
	told := &Audit{VMs: []Boot{{Name: "vm", Folder: folder}}}
	told.Attach()
	assert.Equal(t, []string{"no group"}, told.VMs[0].Errors)
	assert.Equal(t, []record.Trip{{ID: "oops", Line: "BUG: x", Seconds: 3}}, told.VMs[0].Trips)
	assert.Equal(t, "exit status 1", told.VMs[0].Ending)

	moved := &Audit{VMs: []Boot{{Name: "vm", Folder: "/elsewhere/vm"}, {Name: "gone", Folder: "/elsewhere/gone"}}}
	moved.Attach(dir)
	assert.NotEmpty(t, moved.VMs[0].Recording)
	assert.Contains(t, strings.Join(moved.VMs[1].Notes, ""), "could not be opened here")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "console.cast"), []byte("{\"version\":3}\n[1,\"o\",\"a\"]\n"+
		strings.Repeat("[0,\"o\",\""+strings.Repeat("\\u0000", 1<<16)+"\"]\n", maxRecording>>18)), 0o644))
	a.VMs[0].Notes = nil
	a.Attach()
	assert.Equal(t, "a", a.VMs[0].Recording.Moment(replay.End).Screen)
	assert.Equal(t, []string{"Only the first 8 MiB of the recording are shown."}, a.VMs[0].Notes)
}
