package transcript

import (
	"strings"
)

// The consoles below are hand-made in the manner of a pexpect transcript: the
// guest's line feeds have two carriage returns before them, what was sent has
// none, and the guest echoes it afterwards.

// g is guest text: its line feeds get their carriage returns.
func g(text string) string { return strings.ReplaceAll(text, "\n", "\r\r\n") }

// own is a line whose program writes carriage returns itself.
func own(text string) string { return strings.ReplaceAll(text, "\n", "\r\r\r\n") }

const (
	menuText = "\x1b)0\x1b[2J\x1b[1;1H\x0elqqqk\x0f\x1b[2;1H\x0ex\x0f Entry \x0ex\x0f\x1b[34;36HPress [Tab] to edit options" +
		"\x1b[33;34HAutomatic boot in \x1b[0;1;37;40m2\x1b[0m seconds...\x1b[33;34HAutomatic boot in 1 second...\x1b[?25h\x1b[2J\x1b[35;1H"
	notice  = "pre-nixos boot image version 0.7.11\n"
	lanLine = "LAN IPv4 address: 192.0.2.15\n"
)

var (
	bootloader = g("\nISOLINUX 6.04\n") + menuText
	kernel     = bootloader + g("Loading /boot/bzImage... ok\nLoading /boot/initrd...ok\n")
	issueText  = g("\n\x1b[1;32m<<< Welcome to NixOS 25.05 (x86_64) - ttyS0 >>>\x1b[0m\nThe \"nixos\" and \"root\" accounts have empty passwords.\n\n")
	autoLogin  = g("nixos login: nixos (automatic login)\n") + own("\n")
	// silent is a boot whose kernel has no console here, talking one that has.
	silent  = kernel + issueText + autoLogin
	talking = kernel + g("\n\x1b[1;32m<<< NixOS Stage 1 >>>\x1b[0m\n\nloading module loop...\n[   10.654175] /dev/root: Can't open blockdev\n"+
		"\n\x1b[1;32m<<< NixOS Stage 2 >>>\x1b[0m\n\nstarting systemd...\n") +
		own("[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mSockets\x1b[0m.\n"+notice+notice) +
		"\x1b[!p\x1b]104\a\x1b[?7h\x1b[6n\x1b[32766;32766H\x1b[6n" + issueText + autoLogin
)

// prompts, as bash prints them.
var (
	user = "\x1b[?2004h" + own("\n") + "\x1b[1;32m[\x1b]0;nixos@nixos: ~\anixos@nixos:~]$\x1b[0m "
	root = "\x1b[?2004h" + own("\n") + "\x1b[1;31m[\x1b]0;root@nixos: ~\aroot@nixos:~]#\x1b[0m "
	bare = "\x1b[?2004hPRE-NIXOS> "
)

// run is a command typed at a prompt that is there already, its echo and its
// output.
func run(command, output string) string {
	return command + "\n" + g(command+"\n") + "\x1b[?2004l\r" + g(output)
}

// asRoot is how a root shell is come by.
func asRoot() string {
	return user + run("export PS1='PRE-NIXOS> '", "") + bare + run("sudo -i", notice) + root + run("export PS1='PRE-NIXOS> '", "") + bare
}

const (
	status      = "cat /run/pre-nixos/storage-status 2>/dev/null || true"
	journal     = "journalctl --no-pager -u pre-nixos.service -b || true"
	active      = "systemctl is-active pre-nixos 2>/dev/null || true"
	mark        = `printf '__UID_MARK__77__%s__UID_MARK__77__\n' "$(id -u)"`
	rootOrUser  = `if [ "$(id -u)" -eq 0 ]; then echo __ROOT__; else echo __USER__; fi`
	showLAN     = "ip -o -4 addr show dev lan 2>/dev/null || true"
	jStart      = "Oct 08 06:07:35 nixos systemd[1]: Starting Pre-NixOS setup...\n"
	jFinished   = "Oct 08 06:07:50 nixos systemd[1]: Finished Pre-NixOS setup.\n"
	jFailed     = "Oct 08 06:07:50 nixos systemd[1]: pre-nixos.service: Failed with result 'exit-code'.\nOct 08 06:07:50 nixos systemd[1]: Failed to start Pre-NixOS setup.\n"
	jKilled     = "Oct 08 06:07:50 nixos systemd[1]: pre-nixos.service: Failed with result 'signal'.\n"
	refusedText = "\x1b[0;1;31mCall to PowerOff failed: Interactive authentication required.\x1b[0m\n"
	poweredOff  = "[  172.504168] reboot: Power down\n"
)

// facts are what is asked about a console. A pointer's zero is "not shown".
type facts struct {
	last     string // stage
	user     string
	root     bool
	state    string
	detail   string
	lan      string
	lines    int
	shutdown Shutdown
	cause    string
}

type synthetic struct {
	name, console string
	want          facts
}

var synthetics = []synthetic{
	{"login as root goes to bash", silent + "root\n" + g("root\n") + user + g("root\n") + "\x1b[?2004l\r" + g("bash: root: command not found\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"no console on the kernel's command line", kernel, facts{last: "kernel-load", cause: "no-kernel-console"}},
	{"no console, QEMU was ended", kernel + "qemu-system-x86_64: terminating on signal 15 from pid 99 (python3)\r\n",
		facts{last: "kernel-load", cause: "no-kernel-console"}},
	{"ended while the kernel was being loaded", bootloader + "Loading /boot/bzImage... ", facts{last: "kernel-load"}},
	{"the kernel talks and then stops", kernel + g("[    0.000000] Linux version 6.12\n[    1.234567] x: probing\n"), facts{last: "kernel-load"}},
	{"only the menu", bootloader, facts{last: "bootloader"}},
	{"prompt that nobody matched", silent + user, facts{last: "shell", user: "nixos"}},

	{"echo of a test is no answer", silent + rootOrUser + "\n" + g(rootOrUser+"\n") + user + rootOrUser + "\n" + g(rootOrUser+"\n") + "\x1b[?2004l\r" + g("__USER__\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"test answered by root", silent + user + run("su -", "") + "\x1b[?2004h# " + run(rootOrUser, "__ROOT__\n"),
		facts{last: "root-shell", user: "nixos", root: true}},
	{"uid between marks", silent + user + run("export PS1='PRE-NIXOS> '", "") + bare + run("exec sudo -s", "") + bare + run(mark, "__UID_MARK__77__0__UID_MARK__77__\n") + bare,
		facts{last: "root-shell", user: "nixos", root: true}},
	{"uid 1000 between marks", silent + user + run(mark, "__UID_MARK__77__1000__UID_MARK__77__\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"a bracket's digits are no uid", silent + user + run("id -u", "\x1b[?2004l\r1000\n") + user + "id -u\n" + g("id -u\n") + "004l\r" + g("1000\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"marks with nothing between", silent + user + run(mark, "__UID_MARK__77____UID_MARK__77__\n") + user, facts{last: "shell", user: "nixos"}},
	{"uid of one command by sudo", silent + user + run("sudo id -u", "0\n") + user + run("sudo id", "uid=0(root) gid=0(root)\n") + user + run("id root", "uid=0(root)\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"a zero that answers something else", silent + user + run("id -u", "1000\n") + user + run("wc -l </dev/null", "0\n") + user, facts{last: "shell", user: "nixos"}},
	{"root's prompt inside a command", silent + user + run("export PS1='[root@nixos:~]# '", "") + user + run("echo '[root@nixos:~]# '", "") + user,
		facts{last: "shell", user: "nixos"}},
	{"root by prompt", silent + asRoot(), facts{last: "root-shell", user: "nixos", root: true}},
	{"sudo wants a password", silent + user + run("sudo -i", "[sudo] password for nixos: \nSorry, try again.\n") + user, facts{last: "shell", user: "nixos"}},

	{"power-off refused", silent + user + run("poweroff", refusedText) + user, facts{last: "shell", user: "nixos", shutdown: Refused}},
	{"refused, then done", silent + user + run("poweroff", refusedText) + user + run("sudo poweroff", "\nThe system will power off now!\n") + g(poweredOff),
		facts{last: "power-off", user: "nixos", shutdown: PowerDown}},
	{"powered off on the prompt's line", talking + asRoot() + run("poweroff", "") + bare + "\x1b[?2004l\r" + g(poweredOff),
		facts{last: "power-off", user: "nixos", root: true, shutdown: PowerDown}},
	{"powered off behind a prompt", talking + asRoot() + run("poweroff", "") + bare + g(poweredOff),
		facts{last: "power-off", user: "nixos", root: true, shutdown: PowerDown}},
	{"power-off only talked about", silent + user + run("echo reboot: Power down soon", "reboot: maybe\n") + user, facts{last: "shell", user: "nixos"}},

	{"detection error by the notice", silent + g("pre-nixos: Storage detection encountered an error; provisioning ran in plan-only mode.\n             Check 'journalctl -u pre-nixos' for details before continuing.\n") + user,
		facts{last: "shell", user: "nixos", state: "plan-only", detail: "detection-error", cause: "storage-detection-error"}},
	{"detection error by the file", silent + user + run(status, "STATE=plan-only\nDETAIL=detection-error\n") + user,
		facts{last: "shell", user: "nixos", state: "plan-only", detail: "detection-error", cause: "storage-detection-error"}},
	{"failed by the notice has no detail", silent + g("pre-nixos: Provisioning failed.\n             Inspect 'journalctl -u pre-nixos' for failure details.\n") + user,
		facts{last: "shell", user: "nixos", state: "failed", cause: "provisioning-failed"}},
	{"failed by notice and file", silent + g("pre-nixos: Provisioning failed.\n") + user + run(status, "STATE=failed\nDETAIL=auto-applied\n") + user,
		facts{last: "shell", user: "nixos", state: "failed", detail: "auto-applied", cause: "provisioning-failed"}},
	{"failed while it meant to plan only", silent + user + run(status, "STATE=failed\nDETAIL=existing-storage\n") + user,
		facts{last: "shell", user: "nixos", state: "failed", detail: "existing-storage", cause: "provisioning-failed"}},
	{"failed by the journal alone", silent + user + run(journal, jStart+jFailed) + user,
		facts{last: "shell", user: "nixos", cause: "provisioning-failed"}},
	{"completed by the notice", silent + g("pre-nixos: Storage provisioning completed automatically.\n") + user,
		facts{last: "shell", user: "nixos", state: "applied", detail: "auto-applied"}},
	{"existing storage by the notice", silent + g("pre-nixos: Existing storage detected; provisioning ran in plan-only mode.\n             Review with pre-nixos or pre-nixos-tui.\n") + user,
		facts{last: "shell", user: "nixos", state: "plan-only", detail: "existing-storage"}},
	{"another status by the notice", silent + g("pre-nixos: Provisioning status is 'odd' (very-odd).\n") + user,
		facts{last: "shell", user: "nixos", state: "odd", detail: "very-odd"}},
	{"the state was read before its detail", silent + user + run(status, "STATE=applied\n") + user,
		facts{last: "shell", user: "nixos", state: "applied"}},
	{"a broadcast before the state", talking + user + run(status, lanLine+"STATE=applied\nDETAIL=auto-applied\nAUTO_INSTALL=skipped\nAUTO_INSTALL_REASON=disabled\n") + user,
		facts{last: "shell", user: "nixos", state: "applied", detail: "auto-applied", lan: "192.0.2.15", lines: 1}},
	{"a kernel line between state and detail", silent + user + run(status, "STATE=applied\n[  99.123456] vda: vda1 vda2\nDETAIL=auto-applied\n") + user,
		facts{last: "shell", user: "nixos", state: "applied", detail: "auto-applied"}},
	{"the auto-installer's state is another", silent + user + run(status, "STATE=applied\nDETAIL=auto-applied\n") + user + run("cat /run/pre-nixos/*install*", "STATE=failed\nREASON=disabled\n") + user,
		facts{last: "shell", user: "nixos", state: "applied", detail: "auto-applied"}},
	{"a state that was only typed", silent + user + run("echo STATE=failed >/dev/null", "") + user + run("export STATE=failed", "") + user,
		facts{last: "shell", user: "nixos"}},
	{"the last state counts", silent + user + run(status, "STATE=applied\nDETAIL=auto-applied\n") + user + run(status, "STATE=plan-only\nDETAIL=existing-storage-force-cleanup\n") + user,
		facts{last: "shell", user: "nixos", state: "plan-only", detail: "existing-storage-force-cleanup"}},
	{"applied, and the plan was empty", silent + user + run(journal, jStart+"Oct 13 00:07:25 nixos pre-nixos-start[836]: {\"event\": \"pre_nixos.apply.apply_plan.no_devices\", \"timestamp\": \"x\"}\n"+jFinished) + user + run(status, "STATE=applied\nDETAIL=auto-applied\n") + user,
		facts{last: "shell", user: "nixos", state: "applied", detail: "auto-applied", cause: "applied-without-effect"}},
	{"a pass that was stopped on purpose", silent + asRoot() + run(status, "STATE=applied\nDETAIL=auto-applied\n") + bare + run(journal, jStart+jKilled+jStart+jFinished) + bare,
		facts{last: "root-shell", user: "nixos", root: true, state: "applied", detail: "auto-applied"}},

	{"unfinished: the file is asked for and not there", silent + user + run(status, "") + user + run(status, "") + user,
		facts{last: "shell", user: "nixos", cause: "provisioning-unfinished"}},
	{"unfinished: a job waits for itself", silent + user + run("systemctl status pre-nixos --no-pager", "● pre-nixos.service - Pre-NixOS setup\n     Loaded: loaded\n     Active: activating (start) since Sun 2025-10-12 01:16:00 UTC; 39s ago\n     CGroup: /system.slice/pre-nixos.service\n             └─872 systemctl start sshd\n") + user,
		facts{last: "shell", user: "nixos", cause: "provisioning-unfinished"}},
	{"another unit is activating", silent + user + run("systemctl status sshd --no-pager", "○ sshd.service - SSH Daemon\n     Active: activating (start)\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"finished by is-active", silent + user + run(active, "activating\n") + user + run(active, "inactive\n") + user, facts{last: "shell", user: "nixos"}},
	{"unfinished by is-active", silent + user + run(active, "activating\n") + user, facts{last: "shell", user: "nixos", cause: "provisioning-unfinished"}},
	{"not asked about", talking + user, facts{last: "shell", user: "nixos"}},

	{"address of lan", silent + user + run(showLAN, "2: lan    inet \x1b[35m192.0.2.15\x1b[0m/24 metric 1024 brd \x1b[35m192.0.2.255 \x1b[0mscope global dynamic lan\n") + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"address of another interface", silent + user + run("ip -o -4 addr", "1: lo    inet 127.0.0.1/8 scope host lo\n2: ens4    inet 192.0.2.15/24 scope global ens4\n") + user + run("ip addr", "2: ens4: <UP> mtu 1500\n    inet 192.0.2.15/24 scope global ens4\n") + user,
		facts{last: "shell", user: "nixos"}},
	{"address of lan in a block", silent + user + run("ip addr", "1: lo: <LOOPBACK> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n2: lan: <UP> mtu 1500\n    inet 192.0.2.15/24 scope global lan\n") + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"address of lan by networkd", silent + user + run("networkctl status lan", "● 2: lan\n       State: routable (configured)\n     Address: 192.0.2.15 (DHCP4 via 192.0.2.2)\n     Gateway: 192.0.2.2\n") + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"address of lan by the status file", silent + user + run("cat /run/pre-nixos/network-status", "LAN_IPV4=192.0.2.15\n") + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"address of lan in a journal", silent + user + run("journalctl -u pre-nixos", "Dec 24 00:33:45 nixos pre-nixos-start[807]: LAN IPv4 address: 192.0.2.15\n") + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},

	{"the login notice is no announcement", talking + g(notice+lanLine) + user, facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"announced, then the notice", talking + own(lanLine+lanLine) + g(notice+lanLine) + user, facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 2}},
	{"announced inside the notice", talking + g(notice) + own(lanLine+lanLine) + g(lanLine) + user, facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 2}},
	{"announced inside an echo", talking + user + "systemctl is-active x\n" + g("systemctl is-ac"+lanLine+lanLine+"tive x\n") + "\x1b[?2004l\r" + "LAN IPv4 address: 192.0.2.15\r\n" + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 3}},
	{"announced behind a prompt", talking + user + g(lanLine+lanLine) + user, facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 2}},
	{"announced inside the issue", kernel + g("<<< Welcome to NixOS (x86_64) - ttyS0 >>>\nThe \"nixos\" and \"root\" accou"+lanLine+"nts have empty passwords.\n") + autoLogin + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 1}},
	{"announced around what was sent", talking + user + run("export PS1='PRE-NIXOS> '", "") + bare + "LAN IPv4 addr" + "id -un\n" + g("ess: 192.0.2.15\n") + g("id -un\n") + "\x1b[?2004l\r" + g("nixos\n") + bare,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15", lines: 1}},
	{"all of a good pass", talking + own(lanLine+lanLine) + g(notice+lanLine) + asRoot() + run(status, "STATE=applied\nDETAIL=auto-applied\n") + bare + active + "\n" + g(lanLine+lanLine) + "LAN IPv4 address: 192.0.2.15\r\n" + g(active+"\n") + "\x1b[?2004l\r" + g("inactive\n") + bare + run("poweroff", "\nThe system will power off now!\n") + g(poweredOff),
		facts{last: "power-off", user: "nixos", root: true, state: "applied", detail: "auto-applied", lan: "192.0.2.15", lines: 5, shutdown: PowerDown}},
	{"a restarted pass announces again", talking + own(lanLine+lanLine) + g(notice+lanLine) + asRoot() + run("systemctl restart pre-nixos", notice+notice+lanLine+lanLine+lanLine+lanLine+"LAN IPv4 address: 192.0.2.15\n") + bare,
		facts{last: "root-shell", user: "nixos", root: true, lan: "192.0.2.15", lines: 7}},
	{"announcements that are only spoken of", talking + user + run("grep 'LAN IPv4 address: 192.0.2.15' /x", "") + user + run("echo 'LAN IPv4 address: 192.0.2.15'", "") + user + run("journalctl -o cat -u pre-nixos", lanLine) + user,
		facts{last: "shell", user: "nixos", lan: "192.0.2.15"}},
	{"no address", talking + own("LAN IPv4 address unavailable (preferred interface \"lan\" not found)\n") + user, facts{last: "shell", user: "nixos", lines: 1}},

	{"host port taken", "qemu-system-x86_64: -netdev user,id=net0,hostfwd=tcp:127.0.0.1:50022-:22: Could not set up host forwarding rule 'tcp:127.0.0.1:50022-:22'\r\n",
		facts{cause: "host-port-taken"}},
	{"disk image locked", "qemu-system-x86_64: -drive file=/x/disk.img,if=virtio,format=raw: Failed to get \"write\" lock\r\nIs another process using the image [/x/disk.img]?\r\n",
		facts{cause: "disk-image-locked"}},
	{"kernel panic", kernel + g("[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"),
		facts{last: "kernel-load", cause: "root-not-mounted"}},
	{"emergency mode", talking[:strings.Index(talking, "\x1b[!p")] + g("You are in emergency mode.\nPress Enter for maintenance\n"), facts{last: "systemd", cause: "emergency-mode"}},
	{"dmesg that was asked for", talking + asRoot() + run("dmesg", "[    0.000000] Linux version 6.12\n[    4.567890] BUG: unable to handle page fault for address: 0\n") + bare,
		facts{last: "root-shell", user: "nixos", root: true}},
	{"services stopped at shutdown are no boot", silent + asRoot() + run("poweroff", "[  OK  ] Stopped target Multi-User System.\n[  OK  ] Reached target System Power Off.\n") + g(poweredOff),
		facts{last: "power-off", user: "nixos", root: true, shutdown: PowerDown}},
}
