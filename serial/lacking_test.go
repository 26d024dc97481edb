package serial

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The smallest systems lack what the agent needs: who asks is told what, and the
// shell is still there.
func TestWhatTheAgentLacks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, powerOn(t, &machine{prompt: "/ # ", lacks: "base64"}, rootShell), Config{})
		ctx := limited(t, 10*time.Minute)
		_, err := c.Login(ctx, Account{})
		require.NoError(t, err)
		_, err = c.Run(ctx, "true")
		require.ErrorContains(t, err, "the guest has no base64: start an agent in the console's root shell")
		began := time.Now()
		_, err = c.Run(ctx, "true")
		require.ErrorContains(t, err, "the guest has no base64")
		assert.Zero(t, time.Since(began), "it is asked once")
		_, err = c.Login(ctx, Account{})
		require.NoError(t, err)
	})
}

// What the agent is said to need is what it calls, and what it is started by.
func TestWhatTheAgentNeeds(t *testing.T) {
	text := agent + boot
	for _, program := range strings.Fields(needs) {
		assert.Contains(t, text, program)
		_, err := exec.LookPath(program)
		assert.NoError(t, err)
	}
	// coreutils' that are no builtin of a small shell.
	for _, other := range strings.Fields("awk cat cut dd env expr grep od sed seq sort tail tr wc xargs") {
		if !slices.Contains(strings.Fields(needs), other) {
			assert.NotRegexp(t, `(?m)(?:^|[|;&(] *)`+other+` `, text)
		}
	}
}
