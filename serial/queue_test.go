package serial

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueueKeepsOrder(t *testing.T) {
	q := newQueue()
	q.push([]byte("one two "))
	p, err := q.take(t.Context(), 4)
	require.NoError(t, err)
	assert.Equal(t, "one ", string(p))
	q.push([]byte("three"))
	q.giveBack(p[1:])
	q.end()
	var all []byte
	for {
		p, err := q.take(t.Context(), 3)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		all = append(all, p...)
	}
	assert.Equal(t, "ne two three", string(all))
}

// What was taken stays as it was, whatever comes after it.
func TestQueueDropsTheOldest(t *testing.T) {
	q := newQueue()
	line := strings.Repeat("x", 99) + "\n"
	q.push([]byte(line))
	first, err := q.take(t.Context(), 50)
	require.NoError(t, err)
	sent := 50
	for range 10 * window / len(line) {
		q.push([]byte(line))
		sent += len(line)
	}
	assert.Equal(t, strings.Repeat("x", 50), string(first))
	rest, err := q.take(t.Context(), 2*window)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(rest), window)
	assert.InDelta(t, sent, q.lost()+int64(len(rest)), 100, "a line feed for each piece that was dropped")
	assert.True(t, strings.HasPrefix(string(rest), "\n"+line), "it begins with a whole line")

	q.push(rest)
	q.giveBack(first)
	rest, err = q.take(t.Context(), 2*window)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(rest), window)
}

func TestQueueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
		defer cancel()
		_, err := q.take(ctx, 1)
		require.ErrorIs(t, err, why)
		q.push([]byte("text"))
		_, err = q.take(ctx, 1)
		require.ErrorIs(t, err, why, "however much text there is")
	})
}
