package tools

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindOVMF(t *testing.T) {
	having := func(files ...string) func(string) error {
		return func(path string) error {
			if slices.Contains(files, path) {
				return nil
			}
			return &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
		}
	}
	for _, f := range OVMF {
		got, err := FindOVMF(having(f.Code, f.Vars))
		require.NoError(t, err)
		assert.Equal(t, f, got)
	}
	// The code alone boots nothing.
	last := OVMF[len(OVMF)-1]
	got, err := FindOVMF(having(OVMF[0].Code, last.Code, last.Vars))
	require.NoError(t, err)
	assert.Equal(t, last, got)

	_, err = FindOVMF(having())
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, f := range OVMF {
		assert.ErrorContains(t, err, f.Code)
	}
	_, err = FindOVMF(func(path string) error {
		if path == OVMF[1].Code {
			return fs.ErrPermission
		}
		return having()(path)
	})
	assert.ErrorIs(t, err, fs.ErrPermission)
}
