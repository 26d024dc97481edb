package iso_test

import (
	"context"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

const elf = "\x7fELF"

// autologin is the row's finding of an image with the init and the files.
func autologin(t *testing.T, user string, files map[string]string) check.Finding {
	t.Helper()
	s := smalliso.Debian()
	s.Root = map[string]string{"usr/bin/dash": elf, "usr/bin/sh": "-> dash", "bin": "-> usr/bin"}
	maps.Copy(s.Root, files)
	name := write(t, s)
	subject := iso.Subject{
		Contract: contract.Contract{Name: "x", Console: contract.Console{Device: "ttyS0"}, Login: contract.Login{User: user, Automatic: true}},
		ISO:      func(context.Context) (string, error) { return name, nil },
	}
	return results(t, subject)["image-autologin"]
}

func TestAutologinOfAnyInit(t *testing.T) {
	inittab := func(init, text string) map[string]string {
		m := map[string]string{"sbin/init": elf, "etc/inittab": text}
		if init != "" {
			m["sbin/init"] = "-> " + init
			m["sbin/"+init] = elf
		}
		return m
	}
	const sysv = "id:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n1:2345:respawn:/sbin/getty --noclear 38400 tty1\n"
	const voidRun = "#!/bin/sh\ntty=${PWD##*-}\n\n[ -r conf ] && . ./conf\n\nif [ -x /sbin/getty ]; then\n\t# busybox\n\tGETTY=getty\nelif [ -x /sbin/agetty ]; then\n\tGETTY=agetty\nfi\n\n" +
		"exec setsid ${GETTY} ${GETTY_ARGS} \\\n\t\"${tty}\" \"${BAUD_RATE}\" \"${TERM_NAME}\"\n"
	runit := func(more map[string]string) map[string]string {
		m := map[string]string{
			"sbin/init": "-> runit-init", "sbin/runit-init": elf, "etc/sv/agetty-tty1/run": voidRun, "etc/sv/agetty-ttyS0/run": voidRun, "etc/sv/agetty-ttyS0/conf": "GETTY_ARGS=\"-L\"\n",
			"etc/runit/runsvdir/default/agetty-tty1": "-> /etc/sv/agetty-tty1", "etc/runit/runsvdir/default/agetty-ttyS0": "-> /etc/sv/agetty-ttyS0",
		}
		maps.Copy(m, more)
		return m
	}
	openRC := func(more map[string]string) map[string]string {
		m := map[string]string{
			"sbin/init": "-> openrc-init", "sbin/openrc-init": elf, "etc/init.d/agetty": "#!/sbin/openrc-run\n", "etc/init.d/agetty.ttyS0": "-> agetty",
			"etc/runlevels/default/agetty.ttyS0": "-> /etc/init.d/agetty.ttyS0",
		}
		maps.Copy(m, more)
		return m
	}
	for _, tt := range []struct {
		name, user string
		files      map[string]string
		outcome    check.Outcome
		says       string
	}{
		{"sysvinit", "user", inittab("", sysv+"T0:23:respawn:/sbin/agetty --autologin user -L ttyS0 115200 vt100\n"), check.Holds, "/etc/inittab:4 logs user in"},
		{"sysvinit, -a", "user", inittab("", sysv+"T0:23:respawn:/sbin/agetty -a user ttyS0\n"), check.Holds, "/etc/inittab:4 logs user in"},
		{"sysvinit, mingetty", "root", inittab("", sysv+"T0:23:respawn:/sbin/mingetty --autologin=root ttyS0\n"), check.Holds, "/etc/inittab:4 logs root in"},
		{"sysvinit, somebody else", "user", inittab("", sysv+"T0:23:respawn:/sbin/agetty --autologin guest ttyS0\n"), check.Broken, "/etc/inittab:4 logs in guest, not user"},
		{"sysvinit, asks", "user", inittab("", sysv+"T0:23:respawn:/sbin/getty -L ttyS0 9600 vt100\n"), check.Broken, "/etc/inittab:4 logs nobody in: the console of ttyS0 asks for a name"},
		{"sysvinit, a comment", "user", inittab("", sysv+"#T0:23:respawn:/sbin/agetty --autologin user ttyS0\n"), check.Broken, "/etc/inittab starts nothing on the console ttyS0"},
		{"sysvinit, another port", "user", inittab("", sysv+"T1:23:respawn:/sbin/agetty --autologin user ttyS1\n"), check.Broken, "/etc/inittab starts nothing on the console ttyS0"},
		{"sysvinit, another runlevel", "user", inittab("", sysv+"T0:345:respawn:/sbin/agetty --autologin user ttyS0\n"), check.Broken, "starts nothing on the console"},
		{"sysvinit, off", "user", inittab("", sysv+"T0:23:off:/sbin/agetty --autologin user ttyS0\n"), check.Broken, "starts nothing on the console"},
		{"sysvinit, login -f", "root", inittab("", sysv+"T0:23:respawn:/bin/login -f root </dev/ttyS0 >/dev/ttyS0 2>&1\n"), check.Holds, "/etc/inittab:4 logs root in"},
		{"sysvinit, login's options", "root", inittab("", sysv+"T0:23:respawn:/sbin/agetty -n -o '-p -f root' ttyS0\n"), check.Holds, "/etc/inittab:4 logs root in"},
		{"sysvinit, login's usual options", "root", inittab("", sysv+"T0:23:respawn:/sbin/agetty -o '-p -- \\u' ttyS0\n"), check.Broken, "/etc/inittab:4 logs nobody in"},
		{"sysvinit, su", "user", inittab("", sysv+"T0:23:respawn:/bin/su -l user -c startx </dev/ttyS0\n"), check.Holds, "/etc/inittab:4 logs user in"},
		{"no inittab", "root", map[string]string{"sbin/init": elf}, check.Unknown, "/sbin/init is no init that is known"},

		{"busybox, a shell", "root", inittab("busybox", "::sysinit:/etc/init.d/rcS\n::respawn:-/bin/sh\n"), check.Holds, "/etc/inittab:2 starts a shell of root's without a login"},
		{"busybox, askfirst", "root", inittab("busybox", "ttyS0::askfirst:-/bin/sh\n"), check.Holds, "/etc/inittab:1 starts a shell of root's without a login, once Enter is pressed"},
		{"busybox, on another terminal", "root", inittab("busybox", "tty2::askfirst:-/bin/sh\n"), check.Broken, "/etc/inittab starts nothing on the console ttyS0"},
		{"busybox, no inittab", "root", map[string]string{"sbin/init": "-> ../bin/busybox", "usr/bin/busybox": elf}, check.Holds, "busybox init without /etc/inittab starts a shell of root's"},
		{"busybox, login -f", "root", inittab("busybox", "ttyS0::respawn:/bin/login -f root\n"), check.Holds, "/etc/inittab:1 logs root in"},
		{"busybox, login", "root", inittab("busybox", "ttyS0::respawn:/bin/login\n"), check.Broken, "/etc/inittab:1 logs nobody in"},
		{"busybox, getty -n -l sh", "root", inittab("busybox", "ttyS0::respawn:/sbin/getty -n -l /bin/sh -L ttyS0 115200 vt100\n"), check.Holds, "/etc/inittab:1 starts a shell of root's"},
		{"busybox, getty -l sh asks for a name first", "root", inittab("busybox", "ttyS0::respawn:/sbin/getty -l /bin/sh -L ttyS0 115200 vt100\n"), check.Broken, "/etc/inittab:1 logs nobody in"},
		{"busybox, getty and a script", "root", func() map[string]string {
			m := inittab("busybox", "ttyS0::respawn:/sbin/getty -n -l /usr/bin/autologin ttyS0 115200\n")
			m["usr/bin/autologin"] = "#!/bin/sh\n# login -f user\nexec /bin/login -f root\n"
			return m
		}(), check.Holds, "/usr/bin/autologin:3 logs root in"},
		{"busybox, getty and a program", "root", func() map[string]string {
			m := inittab("busybox", "ttyS0::respawn:/sbin/getty -n -l /usr/bin/autologin ttyS0 115200\n")
			m["usr/bin/autologin"] = elf
			return m
		}(), check.Unknown, "/etc/inittab:1 starts /usr/bin/autologin, which cannot be followed"},
		{"busybox, cttyhack", "root", inittab("busybox", "::respawn:/bin/busybox setsid -c /bin/busybox cttyhack /bin/sh\n"), check.Holds, "/etc/inittab:1 starts a shell"},
		{"busybox, root where somebody else is promised", "user", inittab("busybox", "::respawn:-/bin/sh\n"), check.Broken, "/etc/inittab:1 logs in root, not user"},
		{"busybox, anybody", "", inittab("busybox", "::respawn:-/bin/sh\n"), check.Holds, "/etc/inittab:1"},

		{"runit", "root", runit(map[string]string{"etc/sv/agetty-ttyS0/conf": "GETTY_ARGS=\"-L --autologin root\"\nBAUD_RATE=115200\n"}), check.Holds, "/etc/runit/runsvdir/default/agetty-ttyS0/run:13 logs root in"},
		{"runit, asks", "root", runit(nil), check.Broken, "/etc/runit/runsvdir/default/agetty-ttyS0/run:13 logs nobody in"},
		{"runit, not linked", "root", map[string]string{"sbin/init": "-> runit", "sbin/runit": elf, "etc/sv/agetty-ttyS0/run": voidRun, "etc/sv/agetty-ttyS0/conf": "GETTY_ARGS=\"-a root\"\n"},
			check.Broken, "runit starts nothing on the console ttyS0"},
		{"runit, down", "root", runit(map[string]string{"etc/sv/agetty-ttyS0/down": ""}), check.Broken, "runit starts nothing on the console"},
		{"runit, in its run script", "anon", runit(map[string]string{"etc/sv/agetty-ttyS0/run": "#!/bin/sh\nexec agetty -a anon ttyS0 115200 linux\n"}), check.Holds, "agetty-ttyS0/run:2 logs anon in"},

		{"OpenRC", "root", openRC(map[string]string{"etc/conf.d/agetty.ttyS0": "baud=115200\nagetty_options=\"--autologin root --noclear\"\n"}), check.Holds, "/etc/conf.d/agetty.ttyS0:2 logs root in"},
		{"OpenRC, of all", "root", openRC(map[string]string{"etc/conf.d/agetty": "agetty_options=\"-a root\"\n"}), check.Holds, "/etc/conf.d/agetty:1 logs root in"},
		{"OpenRC, asks", "root", openRC(nil), check.Broken, "/etc/runlevels/default/agetty.ttyS0:1 logs nobody in"},
		{"OpenRC, another port's", "root", openRC(map[string]string{"etc/conf.d/agetty.ttyS1": "agetty_options=\"-a root\"\n"}), check.Broken, "logs nobody in"},
		{"OpenRC below sysvinit", "root", func() map[string]string {
			m := openRC(map[string]string{"etc/conf.d/agetty.ttyS0": "agetty_options='-a root'\n", "etc/inittab": "id:3:initdefault:\nc1:12345:respawn:/sbin/agetty 38400 tty1 linux\n"})
			m["sbin/init"] = elf
			return m
		}(), check.Holds, "/etc/conf.d/agetty.ttyS0:1 logs root in"},

		{"s6", "root", map[string]string{"sbin/init": "#!/bin/execlineb -S0\n", "etc/s6-linux-init/current/run-image/service/s6-svscan-log/run": "#!/bin/sh\n",
			"etc/s6/sv/agetty-ttyS0/run": "#!/bin/execlineb -P\nexec agetty -a root ttyS0\n"}, check.Holds, "/etc/s6/sv/agetty-ttyS0/run:2 logs root in"},
		{"s6, compiled", "root", map[string]string{"sbin/init": "#!/bin/execlineb -S0\n", "etc/s6-linux-init/current/x": ""}, check.Unknown, "what s6 has compiled cannot be looked into"},
		{"dinit", "root", map[string]string{"sbin/init": "-> dinit", "sbin/dinit": elf}, check.Unknown, "the init is dinit"},
		{"no init at all", "root", nil, check.Unknown, "no init is known to tell by"},
		{"systemd", "root", map[string]string{"sbin/init": "-> ../lib/systemd/systemd", "lib/systemd/systemd": elf, "etc/inittab": "::respawn:-/bin/sh\n",
			"lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=-/sbin/agetty -o '-p -- \\\\u' --keep-baud %I\n"}, check.Broken, "/lib/systemd/system/serial-getty@.service:2 logs nobody in"},
		{"systemd, behind another program", "user", map[string]string{"lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=-/usr/lib/x/with-size /sbin/agetty --autologin user %I\n"},
			check.Holds, "serial-getty@.service:2 logs user in"},
		{"systemd, a program of its own", "root", map[string]string{"usr/bin/console": elf, "lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=/usr/bin/console %I\n"},
			check.Unknown, "serial-getty@.service:2 starts /usr/bin/console, which cannot be followed"},
		{"systemd, a script", "root", map[string]string{"usr/bin/console": "#!/bin/sh\nexec login -f root\n", "lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=/usr/bin/console %I\n"},
			check.Holds, "/usr/bin/console:2 logs root in"},
		{"systemd, somebody's shell", "user", map[string]string{"lib/systemd/system/serial-getty@.service": "[Service]\nUser=user\nExecStart=-/bin/bash -l\n"},
			check.Holds, "serial-getty@.service:3 starts a shell of user's without a login"},
		{"systemd, masked", "root", map[string]string{"lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=agetty -a root %I\n", "etc/systemd/system/serial-getty@ttyS0.service": "-> /dev/null"},
			check.Broken, "/etc/systemd/system/serial-getty@ttyS0.service logs nobody in"},
		{"OpenWrt", "root", func() map[string]string {
			m := inittab("", "::sysinit:/etc/init.d/rcS S boot\n::shutdown:/etc/init.d/rcS K shutdown\n::askconsole:/usr/libexec/login.sh\n")
			m["sbin/procd"], m["usr/libexec/login.sh"] = elf, "#!/bin/sh\n[ \"$(uci -q get system.@system[0].ttylogin)\" = 1 ] || exec /bin/ash --login\n\nexec /bin/login\n"
			return m
		}(), check.Holds, "/usr/libexec/login.sh:2 starts a shell of root's without a login, once Enter is pressed"},
		{"a daemon beside the getty", "root", inittab("busybox", "::respawn:/sbin/syslogd -n\n::once:/usr/bin/none\nttyS0::respawn:/sbin/getty -n -l /bin/sh ttyS0 115200\n"), check.Holds, "/etc/inittab:3 starts a shell"},
		{"systemd, a shell", "root", map[string]string{"sbin/init": "-> ../lib/systemd/systemd", "lib/systemd/systemd": elf,
			"lib/systemd/system/serial-getty@.service": "[Service]\nExecStart=-/sbin/agetty -a user %I\n", "etc/systemd/system/serial-getty@ttyS0.service.d/x.conf": "[Service]\nExecStart=\nExecStart=-/bin/bash -l\n"},
			check.Holds, "serial-getty@ttyS0.service.d/x.conf:3 starts a shell of root's"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := autologin(t, tt.user, tt.files)
			require.Equal(t, tt.outcome, found.Outcome, found.Detail)
			assert.Contains(t, found.Detail, tt.says)
		})
	}
}
