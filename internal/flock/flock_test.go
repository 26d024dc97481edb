package flock

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(t.Context(), path, nil)
	require.NoError(t, err)

	// Another opening of the file is as another process.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Lock(ctx, path, func(time.Duration) { cancel() })
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "another process that has the lock "+path)

	_, err = Lock(t.Context(), path, func(time.Duration) { first.Close() })
	assert.NoError(t, err, "the lock was let go while it was waited for")

	_, err = Lock(t.Context(), filepath.Join(path, "none"), nil)
	assert.Error(t, err)
}
