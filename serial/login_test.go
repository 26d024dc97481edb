package serial

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Programs that may own the console or be run by its shells.
var (
	userShell program = func(m *machine) { m.shell("nixos") }
	rootShell program = func(m *machine) { m.shell("root") }

	autogetty program = func(m *machine) {
		m.print("\r\nnixos login: ")
		m.sleep(700 * time.Millisecond)
		m.print("nixos (automatic login)\r\n\r\n")
		m.sleep(500 * time.Millisecond)
		userShell(m)
	}
	// What the serial port shows where nobody is logged in. PAM takes its time to
	// say that a password is wrong.
	getty program = func(m *machine) {
		for {
			m.print("\r\nnixos login: ")
			if m.readLine() == "nixos" && m.password("Password: ") == "secret" {
				userShell(m)
				continue
			}
			m.sleep(3 * time.Second)
			m.print("Login incorrect\r\n")
		}
	}
	noisyGetty program = func(m *machine) {
		m.work.Go(func() {
			for n := 0; ; n = (n + 1) % 5 {
				select {
				case <-time.After(10 * time.Millisecond):
					m.note("[   10.95978" + string(rune('0'+n)) + "] I/O error, dev vda, sector 0 op 0x0:(READ)\r\n")
				case <-m.gone:
					return
				}
			}
		})
		autogetty(m)
	}
	// A line that nobody knows lands behind the prompt, and hides it.
	newsGetty program = func(m *machine) {
		m.print("\r\nnixos login: nixos (automatic login)\r\n\r\n")
		m.background(time.Second, "news of the day\r\n")
		userShell(m)
	}
	pagerGetty program = func(m *machine) {
		m.print("\r\nnixos login: nixos (automatic login)\r\n\r\n")
		m.mode(false, true)
		m.print("a\r\nb\r\n:news of the day (press RETURN)")
		for key := byte(0); key != 'q'; key = m.readKey() {
			if key != 0 {
				m.print("\r\x1b[K:")
			}
		}
		m.mode(true, false)
		userShell(m)
	}
)

// says is a program that prints a line and ends.
func says(line string) program {
	return func(m *machine) { m.print(line + "\r\n") }
}

// asks is a program that asks for a password, once or twice, and gives a shell.
func asks(prompt, password string, checks time.Duration, times int, refuses string) program {
	return func(m *machine) {
		for range times {
			given := m.password(prompt)
			m.sleep(checks)
			if given == password {
				rootShell(m)
				return
			}
			m.print(refuses + "\r\n")
		}
	}
}

func TestLoginAndRoot(t *testing.T) {
	t.Parallel()
	const sudos = "[sudo] password for nixos: "
	nixos, byLogin := Who{"nixos", 1000, "automatic login"}, Who{"nixos", 1000, "login"}
	bySudo, bySu := Who{"root", 0, "sudo -i"}, Who{"root", 0, "su -"}
	moreNews := func(m *machine) {
		m.background(time.Second, "more news\r\n")
		rootShell(m)
	}
	for _, test := range []struct {
		name     string
		getty    program
		account  Account
		sudo, su program
		login    Who
		loginErr string
		root     Who
		rootErr  []string
	}{
		{name: "automatic login and sudo", getty: autogetty, sudo: rootShell, login: nixos, root: bySudo},
		{name: "root at once", getty: rootShell, login: Who{"root", 0, "automatic login"}, root: Who{"root", 0, "login"}},
		{name: "among kernel messages", getty: noisyGetty, sudo: rootShell, login: nixos, root: bySudo},
		{name: "news behind the prompt", getty: newsGetty, sudo: moreNews, login: nixos, root: bySudo},
		{name: "news behind a pager's prompt", getty: pagerGetty, sudo: rootShell, login: nixos, root: bySudo},
		{name: "a name and a password", getty: getty, account: Account{User: "nixos", Password: "secret"},
			sudo: asks(sudos, "secret", 0, 1, "Sorry, try again."), login: byLogin, root: bySudo},
		{name: "a wrong password", getty: getty, account: Account{User: "nixos", Password: "wrong"},
			loginErr: "login as nixos was refused 3 times"},
		{name: "no automatic login", getty: getty, loginErr: "there is no automatic login here"},
		{name: "sudo refuses, su does not", getty: autogetty, account: Account{RootPassword: "toor"},
			sudo: says("sudo: a password is required"), su: asks("Password: ", "toor", 0, 1, "su: Authentication failure"),
			login: nixos, root: bySu},
		{name: "a password that is checked slowly, among notices", getty: autogetty, account: Account{RootPassword: "toor"},
			sudo: says("sudo: a password is required"),
			su: func(m *machine) {
				m.background(time.Second, "LAN IPv4")
				m.background(1100*time.Millisecond, " address: 10.0.2.15\r\n")
				asks("Password: ", "toor", 4100*time.Millisecond, 1, "")(m)
			},
			login: nixos, root: bySu},
		{name: "a wrong password for sudo", getty: autogetty, account: Account{Password: "wrong"},
			sudo: asks(sudos, "secret", 3*time.Second, 3, "Sorry, try again."), su: says(""), login: nixos,
			rootErr: []string{"sudo -i: it asks for a password (\"[sudo] password for nixos:\"), and the one given is not right"}},
		{name: "a password that nobody checks", getty: autogetty, account: Account{Password: "secret"},
			sudo: func(m *machine) {
				m.password(sudos)
				m.sleep(time.Hour)
			},
			su: rootShell, login: nixos, root: bySu},
		{name: "news where a password may be asked for", getty: newsGetty, account: Account{Password: "secret"},
			sudo: moreNews, login: nixos, root: bySudo},
		{name: "nothing makes root", getty: autogetty,
			sudo: says("nixos is not in the sudoers file."), su: asks("Password: ", "toor", time.Second, 1, "su: Authentication failure"),
			login: nixos, rootErr: []string{"sudo -i: the user is not in the sudoers file", "su -: the password is not right", "uid 1000"}},
		{name: "sudo asks, and gives a shell of no root", getty: autogetty,
			sudo: asks(sudos, "secret", 0, 1, ""), su: userShell, login: nixos,
			rootErr: []string{"sudo -i: it asks for a password", "su -: it gave a shell of nixos (uid 1000)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				port := powerOn(t, &machine{sudo: test.sudo, su: test.su}, test.getty)
				c := newConsole(t, port, Config{Notices: []*regexp.Regexp{re(`^LAN IPv4 address`)}})
				ctx := limited(t, 5*time.Minute)
				who, err := c.Login(ctx, test.account)
				if test.loginErr != "" {
					require.ErrorContains(t, err, test.loginErr)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, test.login, who)
				who, err = c.Root(ctx, test.account)
				if test.rootErr == nil {
					require.NoError(t, err)
				} else {
					for _, part := range test.rootErr {
						require.ErrorContains(t, err, part)
					}
				}
				assert.Equal(t, test.root, who)
			})
		})
	}
}

// TestLoginWithoutAnInit: a shell of an /init's own is found, however it asks, and
// a console that waits for Enter gets it. None of these has a getty.
func TestLoginWithoutAnInit(t *testing.T) {
	t.Parallel()
	const kernel = "[    0.000000] Linux version 6.1.0\r\n[    0.500000] Run /init as init process\r\n"
	waits := func(line string) program {
		return func(m *machine) {
			m.print(kernel + line)
			m.readLine()
			rootShell(m)
		}
	}
	at := func(m *machine) { m.print(kernel); rootShell(m) }
	for _, test := range []struct {
		name, prompt string
		getty        program
	}{
		{"busybox", "/ # ", at},
		{"busybox at home", "~ # ", at},
		{"Alpine", "localhost:~# ", at},
		{"u-root", "> ", at},
		{"csh", "host% ", at},
		{"fish", "root@host ~> ", at},
		{"askfirst", "/ # ", waits("\r\nPlease press Enter to activate this console. ")},
		{"a login that waits", "~ # ", waits("\r\nWelcome to Alpine\r\n[press ENTER to login]")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newConsole(t, powerOn(t, &machine{prompt: test.prompt, command: localShell}, test.getty), Config{})
				began := time.Now()
				who, err := c.Login(limited(t, 5*time.Minute), Account{})
				require.NoError(t, err)
				assert.Equal(t, Who{"root", 0, "automatic login"}, who)
				assert.Less(t, time.Since(began), 10*time.Second)
				assert.Equal(t, "shell", string(c.Stage()))
				r, err := c.Run(limited(t, time.Minute), "echo here")
				if assert.NoError(t, err) {
					assert.Equal(t, "here\n", string(r.Stdout))
				}
			})
		})
	}
}

// An image that opens an installer in place of a shell: its buttons are not pressed.
func TestADialogAfterALogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		port := powerOn(t, m, func(m *machine) {
			m.print("\r\nlive login: live (automatic login)\r\n\r\n")
			m.print("\x1b[2J\x1b[5;5H┌────────────────────┐\x1b[6;5H│ Wipe the disk?     │\x1b[7;5H│  <Yes>      <No>   │\x1b[8;5H└────────────────────┘\x1b[7;9H")
			m.readLine()
		})
		c := newConsole(t, port, Config{})
		_, err := c.Login(limited(t, 5*time.Minute), Account{})
		var trip *TripError
		require.ErrorAs(t, err, &trip)
		assert.Equal(t, "waits-for-person", trip.Trip.ID)
		assert.Equal(t, "Wipe the disk? <Yes> <No>", trip.Trip.Line)
		assert.Empty(t, m.lines)
	})
}

func TestRootLostIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{sudo: rootShell, command: func(line string) Result {
			if strings.Contains(line, "kill -9") {
				return Result{Status: -1} // the agent and the shell under it
			}
			return localShell(line)
		}}
		c := newConsole(t, powerOn(t, m, autogetty), Config{})
		ctx := limited(t, 10*time.Minute)
		root := func() {
			_, err := c.Login(ctx, Account{})
			require.NoError(t, err)
			_, err = c.Root(ctx, Account{})
			require.NoError(t, err)
		}
		root()
		_, err := c.Run(ctx, "kill -9 $PPID $$")
		require.ErrorContains(t, err, "root was lost")
		assert.Contains(t, err.Error(), "a user's shell")
		_, err = c.Run(ctx, "true")
		require.ErrorContains(t, err, "no root shell on the console")
		root()
		r, err := c.Run(ctx, "echo again")
		require.NoError(t, err)
		assert.Equal(t, "again\n", string(r.Stdout))
	})
}

func TestPassMenu(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := 0
		port := powerOn(t, &machine{raw: true}, func(m *machine) {
			for left = 10; left > 0; left-- {
				m.print("\x1b[2J\x1b[5;10HAutomatic boot in " + strconv.Itoa(left) + " seconds...")
				if m.pressed(time.Second) {
					break
				}
			}
			m.print("\r\nLoading /boot/bzImage... ok\r\n")
		})
		c := newConsole(t, port, Config{})
		require.NoError(t, c.PassMenu(limited(t, time.Minute)))
		assert.Contains(t, c.Screen(), "Loading /boot/bzImage")
		assert.Greater(t, left, 5, "Enter was pressed")
		require.NoError(t, c.PassMenu(limited(t, time.Minute)), "there is none any more")
	})
}
