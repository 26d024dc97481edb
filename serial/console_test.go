package serial

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func limited(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRootShellOnConsole(t *testing.T) {
	t.Parallel()
	g := startGuest(t, quietGuest, "bash", "--norc", "-i")
	c := newConsole(t, g, Config{})
	ctx := limited(t, 50*time.Second)
	who, err := c.Login(ctx, Account{})
	require.NoError(t, err)
	assert.Equal(t, Who{User: "root", UID: 0, By: "automatic login"}, who)
	who, err = c.Root(ctx, Account{})
	require.NoError(t, err)
	assert.Equal(t, 0, who.UID)
	r, err := c.Run(ctx, "echo out; echo err >&2; exit 7")
	require.NoError(t, err, c.Screen())
	assert.Equal(t, Result{Stdout: []byte("out\n"), Stderr: []byte("err\n"), Status: 7}, r)
	require.NoError(t, c.Type(ctx, "echo a''b\r"))
	m, err := c.Expect(ctx, regexp.MustCompile(`^a(b)$`))
	require.NoError(t, err)
	assert.Equal(t, []string{"ab", "b"}, m)
	t.Log(c.Screen())
}
