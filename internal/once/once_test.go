package once

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKept(t *testing.T) {
	broken := errors.New("broken")
	for _, err := range []error{nil, broken} {
		var v Value[int]
		made := 0
		for range 3 {
			got, gotErr := v.Get(t.Context(), func(context.Context) (int, error) { made++; return 7, err })
			assert.Equal(t, 7, got)
			assert.Equal(t, err, gotErr)
		}
		assert.Equal(t, 1, made)
	}
}

// TestCallerGivesUp: what the end of one caller's context does to the value is
// not what the next one gets.
func TestCallerGivesUp(t *testing.T) {
	var v Value[string]
	ctx, cancel := context.WithCancel(t.Context())
	_, err := v.Get(ctx, func(ctx context.Context) (string, error) { cancel(); return "", ctx.Err() })
	require.ErrorIs(t, err, context.Canceled)
	got, err := v.Get(t.Context(), func(context.Context) (string, error) { return "made", nil })
	require.NoError(t, err)
	assert.Equal(t, "made", got)
	// What was made is there for a caller who has given up, or so it may be.
	got, err = v.Get(ctx, nil)
	assert.True(t, got == "made" && err == nil || errors.Is(err, context.Canceled))
}

// TestMadeInSpite: a value that came in time is kept, whatever became of the
// context.
func TestMadeInSpite(t *testing.T) {
	var v Value[string]
	ctx, cancel := context.WithCancel(t.Context())
	_, err := v.Get(ctx, func(context.Context) (string, error) { cancel(); return "made", nil })
	require.NoError(t, err)
	got, err := v.Get(t.Context(), func(context.Context) (string, error) { return "again", nil })
	require.NoError(t, err)
	assert.Equal(t, "made", got)
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v Value[int]
		var made atomic.Int32
		release := make(chan struct{})
		produce := func(context.Context) (int, error) { made.Add(1); <-release; return 7, nil }
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				got, err := v.Get(t.Context(), produce)
				assert.Equal(t, 7, got)
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := v.Get(ctx, produce); left <- err }()
		synctest.Wait()
		cancel()
		assert.ErrorIs(t, <-left, context.Canceled, "one who waits may leave")
		close(release)
		all.Wait()
		assert.Equal(t, int32(1), made.Load())
	})
}

// TestNextInLine: of those who wait, one tries again when the first gives up.
func TestNextInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v Value[int]
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := v.Get(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		var made atomic.Int32
		for range 3 {
			all.Go(func() {
				got, err := v.Get(t.Context(), func(context.Context) (int, error) { made.Add(1); return 7, nil })
				assert.Equal(t, 7, got)
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		assert.Equal(t, int32(1), made.Load())
	})
}

// TestPanic: who panics keeps nobody waiting.
func TestPanic(t *testing.T) {
	var v Value[int]
	assert.Panics(t, func() { _, _ = v.Get(t.Context(), func(context.Context) (int, error) { panic("oh no") }) })
	got, err := v.Get(t.Context(), func(context.Context) (int, error) { return 7, nil })
	require.NoError(t, err)
	assert.Equal(t, 7, got)
}
