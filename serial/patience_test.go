package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A guest that takes so long for each thing is in time for one who is as patient,
// and not for another. Patience below 1 is for silences alone.
func TestPatienceScalesWaits(t *testing.T) {
	t.Parallel()
	slowShell := func(slow time.Duration) program {
		return func(m *machine) {
			m.slow = slow
			rootShell(m)
		}
	}
	for name, test := range map[string]struct {
		first   program
		sudo    program
		account Account
		wait    func(context.Context, *Console) error
	}{
		"id": {first: slowShell(35 * time.Second), wait: func(ctx context.Context, c *Console) error {
			if _, err := c.Login(ctx, Account{}); err != nil || c.proof == 1 {
				return err
			}
			return fmt.Errorf("asked %d times", c.proof)
		}},
		"agent": {first: slowShell(time.Minute), wait: func(ctx context.Context, c *Console) error {
			_, err := c.Run(ctx, "true")
			return err
		}},
		"password": {first: userShell, account: Account{Password: "secret"},
			// Two prompts are on the screen while the first is still checked.
			sudo: func(m *machine) {
				m.password("Password: ")
				m.sleep(45 * time.Second)
				rootShell(m)
			},
			wait: func(ctx context.Context, c *Console) error {
				_, err := c.Root(ctx, Account{Password: "secret"})
				return err
			}},
		"sudo": {first: userShell,
			sudo: func(m *machine) {
				m.print("wait for it\r\n")
				m.mode(false, false)
				m.sleep(90 * time.Second)
				m.mode(true, false)
				rootShell(m)
			},
			wait: func(ctx context.Context, c *Console) error {
				_, err := c.Root(ctx, Account{})
				return err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, patience := range []float64{0, 0.1, 1, 4} {
				synctest.Test(t, func(t *testing.T) {
					port := powerOn(t, &machine{sudo: test.sudo, su: says("su: Authentication failure"), command: localShell}, test.first)
					c := newConsole(t, port, Config{Patience: patience})
					err := test.wait(limited(t, 5*time.Minute), c)
					if patience > 1 {
						require.NoError(t, err)
					} else {
						require.Error(t, err)
					}
				})
			}
		})
	}
}

// Whatever a wait waits for: that its context has ended is told by its cause.
func TestEveryWaitTellsTheCause(t *testing.T) {
	t.Parallel()
	died := errors.New("the guest's process has ended")
	waits := map[string]func(context.Context, *Console) error{
		"menu": func(ctx context.Context, c *Console) error { return c.PassMenu(ctx) },
		"login": func(ctx context.Context, c *Console) error {
			_, err := c.Login(ctx, Account{})
			return err
		},
		"root": func(ctx context.Context, c *Console) error {
			_, err := c.Root(ctx, Account{})
			return err
		},
		"expect": func(ctx context.Context, c *Console) error {
			_, err := c.Expect(ctx, regexp.MustCompile("never"))
			return err
		},
		"run": func(ctx context.Context, c *Console) error {
			_, err := c.Run(ctx, "true")
			return err
		},
		"type": func(ctx context.Context, c *Console) error {
			for {
				if err := c.Type(ctx, "x"); err != nil {
					return err
				}
			}
		},
		"control": func(ctx context.Context, c *Console) error {
			port, _ := net.Pipe()
			_, err := c.Control(ctx, port, "/dev/none")
			return err
		},
		"turn": func(ctx context.Context, c *Console) error {
			first, err := c.begin(context.Background(), "turn", nil)
			if err != nil {
				return err
			}
			defer first.end()
			return c.Type(ctx, "x")
		},
	}
	line := func(use func(context.Context, *Control) error) func(context.Context, *Console) error {
		return func(ctx context.Context, _ *Console) error {
			host, guest := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, guest) }()
			ctl := newControl(host, newKey())
			defer ctl.Close()
			return use(ctx, ctl)
		}
	}
	waits["control line's run"] = line(func(ctx context.Context, c *Control) error {
		_, err := c.Run(ctx, "true")
		return err
	})
	waits["control line's put"] = line(func(ctx context.Context, c *Control) error {
		return c.Put(ctx, "/file", make([]byte, 100_000), 0o600)
	})
	waits["control line's get"] = line(func(ctx context.Context, c *Control) error {
		_, err := c.Get(ctx, "/file")
		return err
	})
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// It shows a prompt, and does not read.
				c, guest := pipeConsole(t, Config{Patience: 1000})
				// The clock stands still while go-expect reads its file.
				if name != "menu" && name != "expect" {
					send(t, guest, "# ")
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(3*time.Second, func() { cancel(died) })
				start := time.Now()
				err := wait(ctx, c)
				require.ErrorIs(t, err, died)
				assert.NotContains(t, err.Error(), "context canceled")
				assert.Less(t, time.Since(start), 6*time.Second)

				ctx, done := context.WithTimeout(t.Context(), 3*time.Second)
				defer done()
				require.ErrorIs(t, wait(ctx, c), context.DeadlineExceeded)
			})
		})
	}
}

// A console that is handed to a person shows its prompt, whatever has tripped,
// and a guest that does not answer is not waited for.
func TestReleaseGivesThePromptBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{command: localShell}
		port := powerOn(t, m, rootShell)
		c := newConsole(t, port, Config{})
		ctx := limited(t, time.Hour)
		_, err := c.Run(ctx, "true")
		require.NoError(t, err)
		m.note("[   99.123456] Kernel panic - not syncing: not really\r\n")
		synctest.Wait()
		require.NotNil(t, c.tripErr())
		require.NoError(t, c.Release(limited(t, 2*time.Second)))
		time.Sleep(time.Second)
		st, line := c.look()
		assert.Equal(t, stateRoot, st)
		assert.Equal(t, "[root@live:~]#", line)
		require.NoError(t, c.Release(limited(t, 2*time.Second)), "there is nothing to end")
	})
	synctest.Test(t, func(t *testing.T) {
		m := &machine{command: localShell}
		c := newConsole(t, powerOn(t, m, rootShell), Config{})
		_, err := c.Run(limited(t, time.Hour), "true")
		require.NoError(t, err)
		m.mode(false, false) // nothing reads the agent's keys any more
		start := time.Now()
		require.ErrorIs(t, c.Release(limited(t, 2*time.Second)), context.DeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}
