package nodefs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree is a node whose text is a file's content or a link's target.
type tree struct {
	name     string
	mode     fs.FileMode
	id       uint64
	text     string
	children []*tree
	listed   int
}

func (n *tree) Name() string                  { return n.name }
func (n *tree) Size() int64                   { return int64(len(n.text)) }
func (n *tree) Mode() fs.FileMode             { return n.mode }
func (n *tree) ModTime() time.Time            { return time.Time{} }
func (n *tree) IsDir() bool                   { return n.mode.IsDir() }
func (n *tree) Sys() any                      { return nil }
func (n *tree) Type() fs.FileMode             { return n.mode.Type() }
func (n *tree) Info() (fs.FileInfo, error)    { return n, nil }
func (n *tree) ID() uint64                    { return n.id }
func (n *tree) Content() (io.ReaderAt, error) { return strings.NewReader(n.text), nil }
func (n *tree) Target() (string, error)       { return n.text, nil }
func (n *tree) String() string                { return fs.FormatDirEntry(n) }

func (n *tree) Entries() ([]fs.DirEntry, error) {
	n.listed++
	var all []fs.DirEntry
	for _, c := range n.children {
		all = append(all, c)
	}
	return all, nil
}

var lastID uint64

func folderOf(name string, children ...*tree) *tree {
	lastID++
	return &tree{name: name, mode: fs.ModeDir | 0o755, id: lastID, children: children}
}
func fileOf(name, text string) *tree { return &tree{name: name, mode: 0o644, text: text} }
func linkTo(name, to string) *tree   { return &tree{name: name, mode: fs.ModeSymlink | 0o777, text: to} }

func TestFS(t *testing.T) {
	f := &FS{Root: folderOf(".",
		folderOf("usr", folderOf("lib", fileOf("os-release", "ID=x\n"), linkTo("up", "../../../../etc"))),
		folderOf("etc", linkTo("os-release", "../usr/lib/os-release"), linkTo("absolute", "/usr/lib/os-release"), linkTo("bad", "absent"), linkTo("nothing", "")),
		folderOf("dev", &tree{name: "null", mode: fs.ModeDevice | fs.ModeCharDevice}),
		linkTo("lib", "usr/lib"), linkTo("round", "round2/x"), linkTo("round2", "round"),
	)}
	sub, err := fs.Sub(f, "usr")
	require.NoError(t, err)
	require.NoError(t, fstest.TestFS(sub, "lib/os-release"))
	for _, name := range []string{"usr/lib/os-release", "etc/os-release", "etc/absolute", "lib/os-release", "lib/up/os-release", "usr/lib/up/absolute"} {
		b, err := fs.ReadFile(f, name)
		require.NoError(t, err, name)
		assert.Equal(t, "ID=x\n", string(b))
	}
	target, err := f.ReadLink("lib/up")
	require.NoError(t, err)
	assert.Equal(t, "../../../../etc", target)
	for name, want := range map[string]string{
		"round/x": "more than 40 symbolic links", "etc/bad": "file does not exist", "etc/nothing": "file does not exist",
		"usr/lib/os-release/x": "not a folder", "../x": "invalid argument", "dev/null": "not a file", "usr": "not a file",
	} {
		_, err := fs.ReadFile(f, name)
		assert.ErrorContains(t, err, want, name)
	}
	_, err = f.Open("dev/null")
	assert.ErrorContains(t, err, "neither a file nor a folder")
	_, err = f.Stat("etc/bad")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	info, err := f.Lstat("etc/bad")
	require.NoError(t, err)
	assert.Equal(t, "bad", info.Name())
}

// endless is a folder that holds itself and a file without end.
type endless struct{ *tree }

func (n endless) Entries() ([]fs.DirEntry, error) {
	return []fs.DirEntry{fs.FileInfoToDirEntry(endless{&tree{name: "again", mode: fs.ModeDir, id: n.id}}), fs.FileInfoToDirEntry(hole{fileOf("hole", "")})}, nil
}

type hole struct{ *tree }

func (hole) Size() int64                   { return 1 << 60 }
func (hole) Content() (io.ReaderAt, error) { return nil, errors.New("was read") }

func TestLimits(t *testing.T) {
	f := &FS{Root: endless{&tree{mode: fs.ModeDir, id: 7}}}
	_, err := f.ReadDir("again/again/again")
	assert.ErrorContains(t, err, "the same folder as .")
	_, err = f.ReadFile("hole")
	assert.ErrorContains(t, err, "1152921504606846976 bytes, and no more than 67108864")

	deep := fileOf("x", "")
	for range maxDepth {
		deep = folderOf("x", deep)
	}
	f = &FS{Root: deep}
	_, err = f.Stat(strings.Repeat("x/", maxDepth-1) + "x")
	assert.ErrorContains(t, err, "more than 256 folders deep")

	for _, name := range []string{"", ".", "..", "a/b", "a\x00"} {
		f := &FS{Root: folderOf(".", fileOf(name, ""))}
		_, err := f.ReadDir(".")
		assert.ErrorContains(t, err, "an entry has the name")
	}
	twice := folderOf("twice")
	f = &FS{Root: folderOf(".", folderOf("a", twice), folderOf("b", twice))}
	assert.ErrorContains(t, fs.WalkDir(f, ".", func(_ string, _ fs.DirEntry, err error) error { return err }), "the same folder as a/twice")
	f = &FS{Root: folderOf(".", fileOf("a", ""), fileOf("a", ""))}
	_, err = f.ReadDir(".")
	assert.ErrorContains(t, err, `two entries have the name "a"`)
}

// TestKept: a folder is listed once, however often it is asked for.
func TestKept(t *testing.T) {
	root := folderOf(".", folderOf("a", fileOf("b", "text")))
	f := &FS{Root: root, Match: func(e fs.DirEntry, name string) bool { return strings.EqualFold(e.Name(), name) }}
	for range 5 {
		b, err := f.ReadFile("A/B")
		require.NoError(t, err)
		assert.True(t, bytes.Equal(b, []byte("text")))
	}
	assert.Equal(t, 1, root.listed)
}
