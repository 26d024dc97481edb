package watch

import (
	"time"

	"bootaudit/internal/verdict"
)

// silences are the tripwires of what does not come, in the order of a boot. The
// limits are for an emulated CPU.
var silences = []Tripwire{
	{ID: "firmware-silent", Class: "stall", silent: "", silence: 60 * time.Second, Fatal: true,
		Means:  "nothing at all came from the console",
		Remedy: "check that the serial port is the one that is recorded, and that QEMU runs"},
	{ID: "firmware-hangs", Class: "stall", silent: Firmware, silence: 120 * time.Second, Fatal: true,
		Means:  "the firmware went silent before it handed over to a bootloader",
		Remedy: "check the boot order and that the image is bootable by this firmware (BIOS or UEFI)"},
	{ID: "boot-menu-waits", Class: AsksPerson, silent: Menu, silence: 60 * time.Second, Fatal: true,
		Means:  "the boot menu waits for a key and does not count down",
		Remedy: "set a timeout for the menu in the image (ISOLINUX: TIMEOUT), or press Enter"},
	{ID: "bootloader-hangs", Class: "stall", silent: Bootloader, silence: 90 * time.Second, Fatal: true,
		Means:  "the bootloader went silent before it loaded a kernel",
		Remedy: "see whether the bootloader talks to the serial port at all (SERIAL 0 115200), and what it waits for"},
	{ID: "no-kernel-console", Class: "kernel-silent", silent: KernelLoad, silence: 300 * time.Second, Fatal: true,
		Means:  "the kernel was loaded and nothing came after it: it has no console here, or it hangs",
		Remedy: "put console=ttyS0,115200n8 last on the kernel command line of the image"},
	{ID: "kernel-hangs", Class: "stall", silent: KernelLoad, silence: 300 * time.Second, spoken: true, Fatal: true,
		Means:  "the kernel went silent before it started an init",
		Remedy: "see the last driver that it names; initcall_debug on its command line says more"},
	{ID: "initrd-hangs", Class: "stall", silent: Initrd, silence: 180 * time.Second, Fatal: true,
		Means:  "the initrd went silent before it handed over to init",
		Remedy: "see the last line it printed: it waits for what that line names"},
	{ID: "init-hangs", Class: "stall", silent: Init, silence: 300 * time.Second, Fatal: true,
		Means:  "init went silent before there was a login prompt",
		Remedy: "see which job the last spinner or Starting line names, and what that unit waits for"},
	{ID: "no-login-prompt", Class: "stall", silent: Init, silence: 300 * time.Second, settled: true, Fatal: true,
		Means:  "the system has come to its last target, and asks for no login on this console",
		Remedy: "check the getty of the serial console in the image (serial-getty@, inittab)"},
	// In the recorded boots a spinner turned alone for 58 s at most, emulated.
	{ID: "job-hangs", Class: "stall", silent: Init, silence: 150 * time.Second, spins: true, Fatal: true,
		Means:  "systemd waits for a job that has no limit, and nothing else has happened since",
		Remedy: "see what the unit that the spinner names waits for; give it a TimeoutStartSec, or take it out of the way to the login"},
	{ID: "login-hangs", Class: "stall", silent: Login, silence: 180 * time.Second, Fatal: true,
		Means:  "there was a login and no shell prompt after it",
		Remedy: "see what the login shell runs before its prompt (profile, login notice)"},
}

// loginLoop and rebootLoop are of what comes again and again.
var (
	loginLoop = Tripwire{ID: "login-loop", Fatal: true, Class: "service",
		Means:  "the console logs in again and again and never gets to a shell",
		Remedy: "see why the login shell ends: the user's shell, its profile, or a login timeout on a slow guest"}
	rebootLoop = Tripwire{ID: "reboot-loop", Fatal: true, Class: "reboot-loop",
		Means:  "the machine starts again and again",
		Remedy: "look at the last lines before each restart; run QEMU with -no-reboot to keep the first"}
)

// logins is how often the console may log in without a shell between.
const logins = 3

var loginAgain = re(`login: .*\(automatic login\)|^Login timed out after \d+ seconds|^Login incorrect`)

// Tripwires are all of them: what lines tell, what silences do, and loops. Those of
// lines are the rows of the table by which saved consoles are judged, too.
func Tripwires() []Tripwire {
	var all []Tripwire
	seen := map[string]bool{}
	add := func(t Tripwire) {
		if !seen[t.ID] {
			seen[t.ID] = true
			all = append(all, t)
		}
	}
	for _, t := range silences {
		add(t)
	}
	add(loginLoop)
	add(rebootLoop)
	add(waitsForPerson)
	for _, r := range verdict.Rows() {
		add(Tripwire{ID: r.ID, Means: r.Means, Remedy: r.Remedy, Fatal: r.Final != "", Class: r.Class})
	}
	return all
}
