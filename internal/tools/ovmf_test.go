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
		got, err := FindOVMF(f.SecureBoot, having(f.Code, f.Vars))
		require.NoError(t, err)
		assert.Equal(t, f, got)
		// One kind is not taken for the other: the one refuses nothing, the other
		// what is not signed.
		_, err = FindOVMF(!f.SecureBoot, having(f.Code, f.Vars))
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	// The code alone boots nothing.
	first, last := OVMF[0], OVMF[2]
	got, err := FindOVMF(false, having(first.Code, last.Code, last.Vars))
	require.NoError(t, err)
	assert.Equal(t, last, got)

	for _, secureBoot := range []bool{false, true} {
		_, err = FindOVMF(secureBoot, having())
		require.ErrorIs(t, err, fs.ErrNotExist)
		for _, f := range OVMF {
			if f.SecureBoot == secureBoot {
				assert.ErrorContains(t, err, f.Code)
			} else {
				assert.NotContains(t, err.Error(), f.Code+" ")
			}
		}
	}
	_, err = FindOVMF(false, func(path string) error {
		if path == OVMF[1].Code {
			return fs.ErrPermission
		}
		return having()(path)
	})
	assert.ErrorIs(t, err, fs.ErrPermission)
}
