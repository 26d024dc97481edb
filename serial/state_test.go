package serial

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"bootaudit/internal/screen"
	"bootaudit/serial/watch"
)

func TestReadState(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes string
		stage watch.Stage
		want  state
	}{
		{"nothing", "", "", stateNothing},
		{"isolinux menu", "\x1b[2J\x1b[4;1H NixOS Installer\x1b[34;36HPress [Tab] to edit options\x1b[33;34HAutomatic boot in 9 seconds...", watch.Menu, stateMenu},
		{"grub menu", "GNU GRUB  version 2.12\r\n   The highlighted entry will be executed automatically in 4s.", watch.Menu, stateMenu},
		{"menu left", "Automatic boot in 1 second...\r\n\r\nLoading /boot/bzImage... ok", watch.Menu, stateKernel},
		{"kernel", "[    0.000000] Linux version 6.12\r\n[    0.1] x", watch.KernelLoad, stateKernel},
		{"login", "\r\nnixos login: ", watch.Login, stateLogin},
		{"login under a kernel line", "\r\nnixos login: [   52.123456] e1000: eth0 up\r\n", watch.Login, stateLogin},
		{"login under a broadcast", "\r\nnixos login: \r\n\r\nBroadcast message from root@nixos (Sat):\r\n\r\n", watch.Login, stateLogin},
		{"autologin", "nixos login: nixos (automatic login)\r\n\r\n", watch.Login, stateAutologin},
		{"a word, not a prompt", "Use passwd to set the password before login: it is empty.\r\n", watch.Login, stateNothing},
		{"password", "nixos login: bob\r\nPassword: ", watch.Login, statePassword},
		{"sudo's password", "$ sudo -i\r\n[sudo] password for nixos: ", watch.Shell, statePassword},
		{"NixOS user", "\x1b[?2004h\r\r\r\n\x1b[1;32m[\x1b]0;nixos@nixos: ~\anixos@nixos:~]$\x1b[0m ", watch.Shell, stateUser},
		{"NixOS root", "\x1b[?2004h\r\n\x1b[1;31m[\x1b]0;root@nixos: ~\aroot@nixos:~]#\x1b[0m ", watch.Shell, stateRoot},
		{"Debian root", "root@debian:~# ", watch.Shell, stateRoot},
		{"busybox root", "~ # ", watch.Shell, stateRoot},
		{"busybox root elsewhere", "/root # ", watch.Login, stateRoot},
		{"Alpine's root", "localhost:~# ", watch.Login, stateRoot},
		{"u-root", "> ", watch.Shell, stateUser},
		{"csh", "host% ", watch.Init, stateUser},
		{"fish", "root@host ~> ", watch.Init, stateUser},
		{"a quotation above", "> \r\nmore of it\r\n", watch.Login, stateNothing},
		{"a percentage", "Copying files: 40%", watch.Init, stateKernel},
		{"GRUB's prompt", "grub> ", watch.Bootloader, stateNothing},
		{"askfirst", "\r\nPlease press Enter to activate this console. ", watch.Login, stateActivate},
		{"askfirst under a kernel line", "\r\nPlease press Enter to activate this console. [   12.123456] random: crng init done\r\n", watch.Login, stateActivate},
		{"a login that waits", "Welcome to Alpine\r\n[press ENTER to login]", watch.Login, stateActivate},
		{"prompt under kernel lines", "[nixos@nixos:~]$ [   61.000001] a\r\n[   61.100001] b\r\n", watch.Shell, stateUser},
		{"prompt under half a stamp", "[nixos@nixos:~]$ \r\n[   61.000001] a\r\n[   61.0", watch.Shell, stateUser},
		{"prompt before half a stamp", "[nixos@nixos:~]$ [   ", watch.Shell, stateUser},
		{"prompt under half a spinner", "[nixos@nixos:~]$ \r\n[ ***", watch.Shell, stateUser},
		{"prompt far above", "[nixos@nixos:~]$ " + strings.Repeat("[   61.000001] I/O error, dev vda\r\n", 40), watch.Shell, stateUser},
		{"prompt under the image's news", "[nixos@nixos:~]$ \r\nnews of the day: none\r\n", watch.Shell, stateUser},
		{"prompt under other news", "[nixos@nixos:~]$ \r\nno news of the day\r\n", watch.Shell, stateNothing},
		{"a command at the prompt", "[nixos@nixos:~]$ sudo -i", watch.Shell, stateNothing},
		{"a command's output", "[nixos@nixos:~]$ echo x\r\nx\r\n", watch.Shell, stateNothing},
		{"initramfs", "BusyBox v1.36\r\n\r\n(initramfs) ", watch.Initrd, stateInitrd},
		{"dracut", "\r\ndracut:/# ", watch.Initrd, stateInitrd},
		{"emergency", "You are in emergency mode.\r\nPress Enter for maintenance\r\n(or press Control-D to continue): ", watch.Init, stateEmergency},
		{"less at its end", "a\r\nb\r\n\x1b[7m(END)\x1b[0m", watch.Shell, statePager},
		{"less", "a\r\nb\r\n:", watch.Shell, statePager},
		{"systemctl's pager", "UNIT\r\n\x1b[7mlines 1-49\x1b[0m", watch.Shell, statePager},
		{"more", "a\r\n--More--(50%)", watch.Shell, statePager},
		{"a status line", "[  OK  ] Reached target network.target.\r\n", watch.Init, stateKernel},
	} {
		s := screen.New(screen.Config{Cols: 132, Rows: 50})
		_, _ = s.Write([]byte(test.bytes))
		_, at := s.Cursor()
		got, line := readState(s.Text(), at, test.stage, []*regexp.Regexp{re(`^news of the day`)})
		assert.Equal(t, test.want, got, "%s: %q", test.name, line)
	}
}

func FuzzReadState(f *testing.F) {
	f.Add("nixos login: \n[ 1.000000] x", 1)
	f.Add(strings.Repeat("\n", 60), 200)
	f.Fuzz(func(t *testing.T, text string, row int) {
		got, _ := readState(text, row, watch.Login, nil)
		assert.NotEmpty(t, got)
	})
}
