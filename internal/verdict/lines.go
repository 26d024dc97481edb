package verdict

import "regexp"

// signs are kinds of lines that change what others mean.
var signs = []*regexp.Regexp{
	// The machine is to start again.
	restarts: re(`reboot: |Rebooting in |Restarting system|sysrq: Resetting|The system is going down`),
	// A machine starts (again).
	begins: re(`SeaBIOS \(|^(?:ISO|SYS|EXT|PXE)LINUX \d|^Welcome to GRUB!|^systemd-boot \d|U-Boot (?:SPL|TPL) |^U-Boot 20|coreboot-\d.*(?:bootblock|romstage)|Linux version \d|Booting Linux on physical CPU|OpenSBI v\d|NOTICE:  BL[12]\b|NOTICE:  Booting Trusted`),
	// systemd runs in the initrd.
	inInitrd: re(`[Rr]unning in (?:initrd|initramfs)|Welcome to .*(?:dracut-|\([Ii]nitramfs\))`),
	// systemd does what it does in an initrd only.
	initrdWork: re(`systemd\[1\]: (?:sysroot\.mount|initrd-)|mount: /sysroot: `),
	// Something failed that is in an initrd only.
	initrdFails: re(`Dependency failed for (?:Initrd |initrd-|sysroot|/sysroot)|Starting Dracut Emergency Shell|unit=dracut-(?:initqueue|pre-|mount|cmdline)|Generating "/run/initramfs/rdsosreport`),
	switches:    re(`[Ss]witch(?:ing)?[ _-][Rr]oot`),
	// Takes back what the kernel has said of an init that it would run.
	noExec: re(`Failed to execute /|Requested init \S+ failed`),
	// The busybox shell's first words, in an initrd's rescue too.
	busybox: re(`BusyBox v\S+ .*built-in shell`),
	// A boot has come to its end, without a login on this console.
	settled: re(`Reached target .*(?:[Mm]ulti-[Uu]ser|[Gg]raphical)|Startup finished in |Update UTMP about System Runlevel|Record Runlevel Change in UTMP|Stopped motd-news|Finished systemd-update-utmp-runle`),
	// From here on u-root's shell asks with a lone >.
	uroot: re(`Welcome to u-root!`),
	// The kernel is to say little.
	hushed: re(`[Cc]ommand line: .*\b(?:quiet|loglevel=[0-4])\b`),
	// systemd shows for what it waits.
	spins: re(`^\[[ *]{6}\] .*job is running`),
	// OP-TEE speaks on the same line beside whoever else does.
	secure: re(`^[DIFM]/T[CA]:`),
	// Lines that look fatal, and boots go on after them.
	harmless: re(`hwmatch|^\S*qemu\S*: .*(?:info|warning): |error: no suitable video mode|error: (?:\S+\.c:\d+:)?file .*(?:\.pf2|fonts?/|locale).* not found|printk: .* suppressed|callbacks suppressed|Direct firmware load for|firmware: failed to load|can't access tty|Gave up waiting for suspend/resume device|RDSEED|ACPI (?:BIOS )?Error`),
}

const (
	restarts = iota
	begins
	inInitrd
	initrdWork
	initrdFails
	switches
	noExec
	busybox
	settled
	uroot
	hushed
	spins
	secure
	harmless
)

// loginAsked is a login that no rescue shell asks for.
var loginAsked = re(`login: ?`)
