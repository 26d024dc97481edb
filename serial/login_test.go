package serial

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// someUser makes id(1) say what $LEVEL is, and sudo and su raise it: to their
// callers this looks like a machine with users.
func someUser(sudo, su string) map[string]string {
	return map[string]string{
		"dmesg": ":",
		"id":    `case $LEVEL$1 in root-u) echo 0 ;; root-un) echo root ;; *-u) echo 1000 ;; *-un) echo nixos ;; esac`,
		"sudo":  sudo,
		"su":    su,
		// What the serial port shows: a getty.
		"getty": `stty sane; printf '\r\nnixos login: '; read -r u
if [ "$u" = nixos ]; then
	printf 'Password: '; stty -echo; read -r p; stty echo; echo
	[ "$p" = secret ] && exec usershell
fi
sleep 0.2; echo 'Login incorrect'; exec getty`,
		"autogetty":  `printf '\r\nnixos login: '; sleep 0.7; printf 'nixos (automatic login)\r\n\r\n'; sleep 0.5; exec usershell`,
		"noisygetty": `while :; do for i in 0 1 2 3 4; do printf '[   10.95978%d] I/O error, dev vda, sector 0 op 0x0:(READ)\r\n' $i; sleep 0.01; done; done & exec autogetty`,
		// A line that nobody knows lands behind the prompt, and hides it.
		"newsgetty": `printf '\r\nnixos login: nixos (automatic login)\r\n\r\n'; (sleep 1; printf 'news of the day\r\n') & exec usershell`,
		"pagergetty": `printf '\r\nnixos login: nixos (automatic login)\r\n\r\n'; stty -icanon -echo
printf 'a\r\nb\r\n:news of the day (press RETURN)'; key=; while [ "$key" != q ]; do key=$(head -c 1); printf '\r\033[K:'; done; stty sane; exec usershell`,
		"usershell": `export LEVEL=user; exec bash --rcfile prompt -i`,
		"prompt":    `PS1='\[\e[1;32m\]\n[\[\e]0;nixos@live: \w\a\]nixos@live:\w]\$\[\e[0m\] '; PS1=${PS1/\\$/$}`,
		"rootshell": `export LEVEL=root PS1='[root@live:~]# '; exec bash --norc -i`,
	}
}

func TestLoginAndRoot(t *testing.T) {
	t.Parallel()
	const ask = `printf '[sudo] password for nixos: '; stty -echo; read -r p; stty echo; echo; `
	for _, test := range []struct {
		name     string
		getty    string
		account  Account
		sudo, su string
		login    Who
		loginErr string
		root     Who
		rootErr  []string
		slow     bool
	}{
		{name: "automatic login and sudo", getty: "autogetty", sudo: "exec rootshell",
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "among kernel messages", getty: "noisygetty", sudo: "exec rootshell", slow: true,
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "news behind the prompt", getty: "newsgetty", sudo: "(sleep 1; printf 'more news\r\n') & exec rootshell",
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "news behind a pager's prompt", getty: "pagergetty", sudo: "exec rootshell",
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "a name and a password", getty: "getty", account: Account{User: "nixos", Password: "secret"},
			sudo:  ask + `[ "$p" = secret ] && exec rootshell; echo 'Sorry, try again.'; exit 1`,
			login: Who{"nixos", 1000, "login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "a wrong password", getty: "getty", account: Account{User: "nixos", Password: "wrong"},
			loginErr: "login as nixos was refused 3 times"},
		{name: "no automatic login", getty: "getty", loginErr: "there is no automatic login here"},
		{name: "sudo refuses, su does not", getty: "autogetty", account: Account{RootPassword: "toor"},
			sudo:  `echo "sudo: a password is required" >&2; exit 1`,
			su:    `printf 'Password: '; stty -echo; read -r p; stty echo; echo; [ "$p" = toor ] && exec rootshell; echo 'su: Authentication failure'; exit 1`,
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "su -"}},
		{name: "a password that is checked slowly, among notices", getty: "autogetty", account: Account{RootPassword: "toor"},
			sudo: `echo "sudo: a password is required" >&2; exit 1`,
			su: `printf 'Password: '; stty -echo; read -r p; stty echo; echo; sleep 1; printf 'LAN IPv4'; sleep 0.1; printf ' address: 10.0.2.15\r\n'
sleep 3; [ "$p" = toor ] && exec rootshell; exit 1`,
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "su -"}},
		{name: "a wrong password for sudo", getty: "autogetty", account: Account{Password: "wrong"},
			sudo:    ask + `sleep 1; echo 'Sorry, try again.'; ` + ask + `exit 1`,
			su:      `exit 1`,
			login:   Who{"nixos", 1000, "automatic login"},
			rootErr: []string{"sudo -i: it asks for a password (\"[sudo] password for nixos:\"), and the one given is not right"}},
		{name: "a password that nobody checks", getty: "autogetty", account: Account{Password: "secret"}, slow: true,
			sudo:  ask + `[ "$p" = secret ] && exec sleep 300`,
			su:    `exec rootshell`,
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "su -"}},
		{name: "news where a password may be asked for", getty: "newsgetty", account: Account{Password: "secret"},
			sudo:  `(sleep 1; printf 'more news\r\n') & exec rootshell`,
			login: Who{"nixos", 1000, "automatic login"}, root: Who{"root", 0, "sudo -i"}},
		{name: "nothing makes root", getty: "autogetty",
			sudo:    `echo "nixos is not in the sudoers file." >&2; exit 1`,
			su:      `printf 'Password: '; stty -echo; read -r p; stty echo; echo; sleep 0.5; echo 'su: Authentication failure'; exit 1`,
			login:   Who{"nixos", 1000, "automatic login"},
			rootErr: []string{"sudo -i: the user is not in the sudoers file", "su -: the password is not right", "uid 1000"}},
		{name: "sudo asks, and gives a shell of no root", getty: "autogetty",
			sudo:    ask,
			su:      `exec usershell`,
			login:   Who{"nixos", 1000, "automatic login"},
			rootErr: []string{"sudo -i: it asks for a password", "su -: it gave a shell of nixos (uid 1000)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && test.slow {
				t.Skip("takes 20 s and more of waiting")
			}
			t.Parallel()
			g := startGuest(t, someUser(test.sudo, test.su), "sh", "-c", "exec "+test.getty)
			c := newConsole(t, g, Config{Notices: []*regexp.Regexp{re(`^LAN IPv4 address`)}})
			ctx := limited(t, 50*time.Second)
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
	}
}

func TestRootLostIsNamed(t *testing.T) {
	t.Parallel()
	g := startGuest(t, someUser("exec rootshell", ""), "sh", "-c", "while :; do autogetty; done")
	c := newConsole(t, g, Config{})
	ctx := limited(t, 50*time.Second)
	_, err := c.Login(ctx, Account{})
	require.NoError(t, err)
	_, err = c.Root(ctx, Account{})
	require.NoError(t, err)
	// The agent and the shell under it end: there is a user's shell again.
	_, _ = c.Run(ctx, `kill -9 $PPID $$`)
	_, err = c.Run(ctx, "touch here; touch there")
	require.ErrorContains(t, err, "root was lost")
	assert.Contains(t, err.Error(), "a user's shell")
	_, err = c.Run(ctx, "true")
	require.ErrorContains(t, err, "no root shell on the console")
	_, err = c.Login(ctx, Account{})
	require.NoError(t, err)
	_, err = c.Root(ctx, Account{})
	require.NoError(t, err)
	r, err := c.Run(ctx, "echo again")
	require.NoError(t, err)
	assert.Equal(t, "again\n", string(r.Stdout))
}

func TestPassMenu(t *testing.T) {
	t.Parallel()
	g := startGuest(t, map[string]string{"menu": `stty -icanon -echo; i=10
while [ $i -gt 0 ]; do
	printf '\033[2J\033[5;10HAutomatic boot in %d seconds...' $i
	if [ "$(timeout --foreground 1 head -c 1 | od -An -c)" ]; then break; fi
	i=$((i-1))
done
[ $i -gt 5 ] && printf '\r\nLoading /boot/bzImage... ok\r\n'
sleep 60`}, "sh", "-c", "exec menu")
	c := newConsole(t, g, Config{})
	require.NoError(t, c.PassMenu(limited(t, 20*time.Second)))
	assert.True(t, strings.Contains(c.Screen(), "Loading /boot/bzImage") || c.Stage().Reached(KernelLoad))
	require.NoError(t, c.PassMenu(limited(t, 20*time.Second)), "there is none any more")
}
