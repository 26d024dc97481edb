package serial

import (
	"regexp"
	"time"
)

// Tripwire is a line on a console, or a silence, that has a name.
type Tripwire struct {
	ID     string // kebab-case, unique, never reused
	Means  string // what has happened
	Remedy string // what to do about it
	// Fatal: nothing that is awaited will come any more.
	Fatal bool

	// words are looked for before pattern is tried: with one of them at least
	// in every line that matches, a flood of other lines stays cheap.
	words   []string
	pattern *regexp.Regexp
	except  *regexp.Regexp // a line that matches it, too, does not count
	// before: it counts only until this stage has been reached ("" is always).
	before Stage
	// prompt: it is a line that waits for input, and so has no end.
	prompt bool
	// times the pattern must be seen, without a shell between; 0 is once.
	times int
	// silence in stage trips when it lasts longer than this.
	silent  Stage
	silence time.Duration
	// spins: a spinner that turns for a job without a limit is a silence, too.
	spins bool
}

// Alarm is a line of trouble that one image is known for, as those of [Tripwires]
// are of any. It ends no wait.
type Alarm struct {
	ID, Means, Remedy string
	Pattern           *regexp.Regexp // of a visible line
}

// A kernel message may stand anywhere in a line, behind its time stamp: it is
// printed into whatever else is being written. Without a stamp it must start
// the line, else it is somebody's quotation.
const kernel = `(?:^(?:<\d>)?|\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? )`

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// Tripwires is the table, in the order of a boot. The patterns are matched on
// visible lines: no escape sequences, no carriage returns.
var Tripwires = []Tripwire{
	// QEMU itself, where its stderr shares the file with the console.
	{ID: "host-port-taken", Fatal: true,
		Means:   "QEMU did not start: a forwarded host port is in use",
		Remedy:  "find who listens on the port (ss -ltnp), or let each VM choose a free port of its own",
		words:   []string{"Could not set up host forwarding rule"},
		pattern: re(`^[\w./-]*qemu[\w.-]*: .*Could not set up host forwarding rule`)},
	{ID: "disk-image-locked", Fatal: true,
		Means:   "QEMU did not start: another process holds the disk image's lock",
		Remedy:  "stop the other VM (fuser -v IMAGE), or give each VM an overlay of its own",
		words:   []string{"Failed to get", "Failed to lock", "Is another process using"},
		pattern: re(`^[\w./-]*qemu[\w.-]*: .*Failed to (?:get|lock) .*\b(?:lock|byte)\b|^Is another process using the image`)},
	{ID: "kvm-unusable", Fatal: true,
		Means:   "QEMU cannot run a guest on KVM here",
		Remedy:  "run with -tags tcg, or fix access to /dev/kvm",
		words:   []string{"KVM", "kvm"},
		pattern: re(`^KVM internal error\. Suberror|^[\w./-]*qemu[\w.-]*: .*(?:Could not access KVM kernel module|failed to initialize kvm|kvm run failed)|^error: kvm run failed|^Could not access KVM kernel module`)},
	{ID: "qemu-refused", Fatal: true,
		Means:   "QEMU did not start: it refused an option or could not open a file",
		Remedy:  "read QEMU's message and the command line in command.txt",
		words:   []string{"qemu"},
		pattern: re(`^[\w./-]*qemu[\w.-]*: (?:-\w[\w-]*(?: \S+)?: |[Cc]ould not open|[Cc]annot set up guest memory|unable to|invalid |Unexpected error)`),
		except:  re(`: (?:info|warning): `)},

	// Firmware and bootloader.
	{ID: "firmware-silent", silent: "", silence: 60 * time.Second, Fatal: true,
		Means:  "nothing at all came from the console",
		Remedy: "check that the serial port is the one that is recorded, and that QEMU runs"},
	{ID: "firmware-hangs", silent: Firmware, silence: 120 * time.Second, Fatal: true,
		Means:  "the firmware went silent before it handed over to a bootloader",
		Remedy: "check the boot order and that the image is bootable by this firmware (BIOS or UEFI)"},
	{ID: "no-bootable-device", Fatal: true, before: KernelLoad,
		Means:   "the firmware found nothing to boot from",
		Remedy:  "check that the image is attached as the CD and has an El Torito entry for this firmware",
		words:   []string{"o bootable", "Boot Failed"},
		pattern: re(`^No bootable (?:device|medium|option or device)|^BdsDxe: No bootable option|^FATAL: No bootable medium`)},
	{ID: "isolinux-error", Fatal: true, before: Initrd,
		Means:   "ISOLINUX could not read its files or its configuration",
		Remedy:  "build the image again; check isolinux.bin, ldlinux.c32 and isolinux.cfg in it",
		words:   []string{"isolinux", "ISOLINUX", "ldlinux", "COM32", "No DEFAULT or UI", "Could not find kernel image", "Image checksum"},
		pattern: re(`^isolinux(?:\.bin)?:? .*(?:missing|corrupt|rror)|[Ii]mage checksum error|Failed to load (?:ldlinux|COM32|lib\w+)\b|not a COM32R image|^No DEFAULT or UI configuration directive found|^Could not find kernel image:`)},
	{ID: "grub-error", Fatal: true, before: Initrd,
		Means:   "GRUB could not read its configuration, the kernel or the initrd",
		Remedy:  "check the paths in grub.cfg and the files in the image",
		words:   []string{"error: ", "magic is broken"},
		pattern: re("^error: (?:file |no such |unknown filesystem|you need to load the kernel|invalid |out of memory|failure reading|attempt to read|unable to|couldn't|can't|bad shim|.*not found|.*verification)|magic is broken")},
	{ID: "bootloader-prompt", Fatal: true, before: Initrd,
		prompt:  true,
		Means:   "GRUB waits at its command prompt: it has no configuration to go by",
		Remedy:  "check that the bootloader's configuration file is in the image where it looks for it",
		words:   []string{"grub>", "grub rescue>"},
		pattern: re(`^(?:grub>|grub rescue>) ?$`)},
	{ID: "boot-menu-waits", silent: Menu, silence: 60 * time.Second, Fatal: true,
		Means:  "the boot menu waits for a key and does not count down",
		Remedy: "set a timeout for the menu in the image (ISOLINUX: TIMEOUT), or press Enter"},
	{ID: "bootloader-hangs", silent: Bootloader, silence: 90 * time.Second, Fatal: true,
		Means:  "the bootloader went silent before it loaded a kernel",
		Remedy: "see whether the bootloader talks to the serial port at all (SERIAL 0 115200), and what it waits for"},
	{ID: "kernel-not-started", Fatal: true, before: Initrd,
		Means:   "the kernel was loaded and refused to start",
		Remedy:  "check the kernel file, the guest's memory and the CPU model",
		words:   []string{"corrupt kernel image", "This kernel requires", "use a kernel", "System halted", "Not enough memory"},
		pattern: re(`^Invalid or corrupt kernel image|^Not enough memory to load|^This kernel requires an? |^Unable to boot - please use a kernel|-- System halted`)},

	// Kernel and initrd.
	{ID: "no-kernel-console", silent: KernelLoad, silence: 300 * time.Second, Fatal: true,
		Means:  "the kernel was loaded and nothing came after it: it has no console here, or it hangs",
		Remedy: "put console=ttyS0,115200n8 last on the kernel command line of the image"},
	{ID: "root-not-mounted", Fatal: true,
		Means:   "the kernel found no root file system",
		Remedy:  "check root= on the kernel command line, the initrd and the disk's driver in it",
		words:   []string{"Unable to mount root fs", "Cannot open root device"},
		pattern: re(kernel + `(?:Kernel panic - not syncing: )?VFS: (?:Unable to mount root fs|Cannot open root device)`)},
	{ID: "init-missing", Fatal: true,
		Means:   "there is no init to start",
		Remedy:  "check init= on the kernel command line and that the root file system is complete",
		words:   []string{"No working init", "No init found", "init not found", "stage 2 init script"},
		pattern: re(kernel + `(?:Kernel panic - not syncing: )?(?:No working init found|No init found)|^stage 2 init script .*not found|^/?(?:sbin/)?init not found`)},
	{ID: "kernel-panic", Fatal: true,
		Means:   "the kernel panicked",
		Remedy:  "read the lines above the panic; give the guest more memory or another CPU model if they point there",
		words:   []string{"Kernel panic - not syncing"},
		pattern: re(kernel + `Kernel panic - not syncing`)},
	{ID: "kernel-oops", Fatal: true,
		Means:   "the kernel hit a fault of its own",
		Remedy:  "read the call trace; the guest cannot be trusted after this",
		words:   []string{"BUG: ", "Oops", "kernel BUG at", "general protection fault", "Unable to handle kernel", "divide error", "invalid opcode"},
		pattern: re(kernel + `(?:#PF: .*|BUG: (?:unable to handle|kernel NULL pointer|Bad |sleeping function|scheduling while atomic)|kernel BUG at |Oops: |Oops - |Internal error: Oops|general protection fault, |Unable to handle kernel |divide error: |invalid opcode: )`)},
	{ID: "kernel-warning",
		Means:   "the kernel warned about itself, with a trace",
		Remedy:  "look the place up; often known for the kernel version",
		words:   []string{"WARNING: "},
		pattern: re(kernel + `WARNING: (?:CPU: \d+ PID: \d+ at |\S+:\d+ at \S+, CPU#\d+: )`)},
	{ID: "soft-lockup",
		Means:   "a CPU of the guest was stuck for many seconds",
		Remedy:  "run fewer guests at once; under emulation this is a host that is too busy",
		words:   []string{"soft lockup", "hard LOCKUP", "hard lockup"},
		pattern: re(kernel + `(?:NMI )?[Ww]atchdog: (?:BUG: soft lockup|Watchdog detected hard LOCKUP|BUG: hard lockup|CPU\d+: Watchdog detected hard LOCKUP)|` + kernel + `BUG: soft lockup`)},
	{ID: "rcu-stall",
		Means:   "the kernel's RCU stalled: a CPU did not get to run",
		Remedy:  "run fewer guests at once; under emulation this is a host that is too busy",
		words:   []string{"rcu_"},
		pattern: re(kernel + `(?:rcu: )?INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stalls?`)},
	{ID: "hung-task",
		Means:   "a task of the guest did not run for minutes",
		Remedy:  "see which device it waits for, in its call trace",
		words:   []string{"blocked for more than"},
		pattern: re(kernel + `INFO: task .+:\d+ blocked (?:in I/O wait )?for more than \d+ seconds`)},
	{ID: "out-of-memory", Fatal: true,
		Means:   "the guest ran out of memory and killed a process",
		Remedy:  "give the guest more memory",
		words:   []string{"Out of memory: ", "invoked oom-killer"},
		pattern: re(kernel + `(?:Out of memory: Kill|.{1,64} invoked oom-killer: )`)},
	{ID: "squashfs-error", Fatal: true,
		Means:   "the image's squashfs cannot be read: it is damaged or cut short",
		Remedy:  "compare the ISO's size and digest with the build's; build or copy it again",
		words:   []string{"SQUASHFS error"},
		pattern: re(kernel + `SQUASHFS error: `)},
	{ID: "disk-io-error",
		Means:   "a disk or the CD gave read or write errors",
		Remedy:  "check the image file, the disk file and free space on the host",
		words:   []string{"I/O error", "medium error", "target error"},
		pattern: re(kernel + `(?:blk_update_request: )?(?:critical (?:medium|target) error|I/O error), dev (?:sr|vd|sd|hd|xvd|nvme|loop|md|dm-|mmcblk)|` + kernel + `Buffer I/O error on (?:dev(?:ice)? )?(?:sr|vd|sd|hd|xvd|nvme|loop|md|dm-|mmcblk)`)},
	{ID: "file-system-error",
		Means:   "a file system found itself damaged",
		Remedy:  "start from a clean disk image; check that no two guests write to the same one",
		words:   []string{"EXT4-fs error", "EXT4-fs (", "XFS (", "BTRFS"},
		pattern: re(kernel + `(?:EXT4-fs error |EXT4-fs \(\S+\): .*(?:corrupt|error loading journal)|XFS \(\S+\): .*(?:[Cc]orruption|Shutting down)|BTRFS (?:error|critical) )`)},
	{ID: "clock-unstable",
		Means:   "the guest gave its clock up as unstable",
		Remedy:  "run fewer guests at once; under emulation this is a host that is too busy",
		words:   []string{"as unstable"},
		pattern: re(kernel + `(?:clocksource: )?(?:timekeeping watchdog|.*Marking (?:clocksource|TSC)).* unstable`)},
	{ID: "module-missing",
		Means:   "a kernel module that is needed is not in the initrd or the image",
		Remedy:  "add the module to the initrd (boot.initrd.availableKernelModules)",
		words:   []string{"modprobe: FATAL: Module"},
		pattern: re(`^modprobe: FATAL: Module \S+ not found`)},
	{ID: "initrd-shell", Fatal: true, before: Shell,
		prompt:  true,
		Means:   "the initrd gave up and waits in a rescue shell",
		Remedy:  "read the lines above it: most often the root device or a module is missing",
		words:   []string{"(initramfs)", "error occurred in stage 1", "interactive shell", "dracut:", "BusyBox v"},
		pattern: re(`^\(initramfs\)|^An error occurred in stage 1 of the boot|^starting interactive shell\.\.\.|^dracut:/# ?|^BusyBox v.* built-in shell \(ash\)`)},
	{ID: "dracut-fatal", Fatal: true, before: Shell,
		Means:   "dracut gave up on the boot",
		Remedy:  "read the lines above it: most often the root device is missing",
		words:   []string{"dracut"},
		pattern: re(`(?:^|\] )dracut(?:-\w+)?(?:\[\d+\])?: (?:FATAL|Refusing to continue|Warning: Could not boot|Warning: dracut-initqueue timeout)|^dracut Warning: Could not boot`)},
	{ID: "root-device-missing", Fatal: true, before: Login,
		Means:   "the initrd waited for the root device or the live medium in vain",
		Remedy:  "check root= and the ISO's label, and that the initrd has the CD's driver",
		words:   []string{"ALERT!", "Gave up waiting", "Unable to find a medium", "Timed out waiting for device /dev", "waiting for device /dev"},
		pattern: re(`^ALERT! .* does not exist|^Gave up waiting for (?:root|suspend/resume) |Unable to find a medium containing a live file system|^Timed out waiting for device /dev/\S+, trying to mount anyway`)},
	{ID: "initrd-hangs", silent: Initrd, silence: 180 * time.Second, Fatal: true,
		Means:  "the initrd went silent before it handed over to init",
		Remedy: "see the last line it printed: it waits for what that line names"},

	// Init and its services.
	{ID: "init-crashed", Fatal: true,
		Means:   "systemd itself crashed or froze",
		Remedy:  "read the lines above it; give the guest more memory if they point there",
		words:   []string{"Caught <", "Freezing execution", "[!!!!!!]"},
		pattern: re(`(?:^|systemd\[1\]: )(?:Freezing execution|Caught <\w+>, (?:dumped core|core dump failed|not dumping core))|^\[!{6}\] .*(?:[Ff]reezing|[Ff]ailed to)`)},
	{ID: "emergency-mode", Fatal: true,
		prompt:  true,
		Means:   "systemd gave up and waits in emergency or rescue mode",
		Remedy:  "look for the first FAILED, TIME or DEPEND line above it: that unit is the cause",
		words:   []string{"emergency mode", "rescue mode", "for maintenance", "root account is locked"},
		pattern: re(`^You are in (?:emergency|rescue) mode|^(?:Give root password|Press Enter) for (?:system )?maintenance|^Entering emergency mode\.|^Cannot open access to console, the root account is locked`)},
	{ID: "ordering-cycle",
		Means:   "systemd found units that wait for each other and dropped one of them",
		Remedy:  "break the cycle of After= and Requires= that the line names",
		words:   []string{"ordering cycle"},
		pattern: re(`(?:^|\] |systemd\[1\]: )\S+: (?:Found ordering cycle|Job .* deleted to break ordering cycle)|^\[ SKIP \] Ordering cycle found`)},
	{ID: "job-waits",
		Means:   "a start job has run for more than five minutes: it may wait for something that waits for it",
		Remedy:  "look at systemctl list-jobs and at the unit's running child (systemctl status): which unit waits for which?",
		words:   []string{"job is "},
		pattern: re(`A (?:start|stop) job is .*\((?:\d+h ?)?(?:[5-9]|[1-9]\d)min`)},
	{ID: "device-timeout",
		Means:   "systemd waited for a device that did not appear",
		Remedy:  "see which device the line names; under emulation raise the unit's JobTimeoutSec",
		words:   []string{"Timed out waiting for device"},
		pattern: re(`^\[ TIME \] Timed out waiting for device|systemd\[1\]: Timed out waiting for device`)},
	{ID: "unit-failed",
		Means:   "a unit failed to start",
		Remedy:  "read journalctl -u UNIT -b",
		words:   []string{"Failed to start", "Failed to mount", "Failed to listen", "Failed to activate"},
		pattern: re(`^\[FAILED\] Failed to (?:start|mount|listen on|activate) |(?:^|\] )systemd\[1\]: Failed to (?:start|mount|listen on|activate) `)},
	{ID: "dependency-failed",
		Means:   "a unit was not started because one it needs failed",
		Remedy:  "look for the unit that failed before it",
		words:   []string{"Dependency failed for"},
		pattern: re(`^\[DEPEND\] Dependency failed for |(?:^|\] )systemd\[1\]: Dependency failed for `)},
	{ID: "restart-limit",
		Means:   "a service was restarted again and again until systemd gave up",
		Remedy:  "read journalctl -u UNIT -b for why it ends each time",
		words:   []string{"Start request repeated too quickly", "restart counter is at"},
		pattern: re(`(?:^|\] )systemd\[1\]: \S+: (?:Start request repeated too quickly|Scheduled restart job, restart counter is at (?:[5-9]|\d\d))`)},
	{ID: "generator-failed",
		Means:   "a systemd generator failed: units may be missing",
		Remedy:  "run the generator by hand in the image and read its message",
		words:   []string{"generator"},
		pattern: re(`(?:systemd|\(sd-gens?\)|\(sd-exec[^)]*\))\[\d+\]: \S*generator\S* (?:failed with|terminated by|exited)`)},
	{ID: "init-hangs", silent: Init, silence: 300 * time.Second, Fatal: true,
		Means:  "systemd went silent before there was a login prompt",
		Remedy: "see which job the last spinner or Starting line names, and what that unit waits for"},
	// In the recorded boots a spinner turned alone for 58 s at most, emulated.
	{ID: "job-hangs", silent: Init, silence: 150 * time.Second, spins: true, Fatal: true,
		Means:  "systemd waits for a job that has no limit, and nothing else has happened since",
		Remedy: "see what the unit that the spinner names waits for; give it a TimeoutStartSec, or take it out of the way to the login"},
	{ID: "segfault",
		Means:   "a program of the guest crashed",
		Remedy:  "find the program's core dump (coredumpctl); under emulation try another CPU model",
		words:   []string{"segfault at", "traps: "},
		pattern: re(kernel + `(?:\S+\[\d+\]: segfault at |traps: \S+\[\d+\] (?:general protection|trap))`)},
	{ID: "core-dump",
		Means:   "a program of the guest crashed and left a core dump",
		Remedy:  "look at coredumpctl info in the guest",
		words:   []string{"dumped core"},
		pattern: re(`(?:^|\] )systemd-coredump\[\d+\]: .*dumped core|systemd\[1\]: \S+: Main process exited, code=dumped`)},
	{ID: "go-panic",
		Means:   "a Go program of the guest panicked",
		Remedy:  "read the goroutine trace that follows",
		words:   []string{"goroutine ", "fatal error: "},
		pattern: re(`^goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[running(?:, locked to thread)?\]:|^fatal error: all goroutines are asleep`)},
	{ID: "python-traceback",
		Means:   "a Python program of the guest ended with an exception",
		Remedy:  "read the last line of the traceback",
		words:   []string{"Traceback (most recent call last)"},
		pattern: re(`^(?:\[ *\d+\.\d+\] \S+\[\d+\]: )?Traceback \(most recent call last\):`)},
	{ID: "disk-full",
		Means:   "a file system of the guest is full",
		Remedy:  "give the guest more memory (a live system writes to memory) or a larger disk",
		words:   []string{"No space left on device"},
		pattern: re(`(?:: |\] )No space left on device`)},

	// Login.
	{ID: "login-loop", times: 4, before: Shell, Fatal: true,
		Means:   "the console logs in again and again and never gets to a shell",
		Remedy:  "see why the login shell ends: the user's shell, its profile, or a login timeout on a slow guest",
		words:   []string{"(automatic login)", "Login timed out", "Login incorrect"},
		pattern: re(`login: .*\(automatic login\)|^Login timed out after \d+ seconds|^Login incorrect`)},
	{ID: "reboot-loop", times: 3, before: "", Fatal: true,
		Means:  "the machine starts again and again",
		Remedy: "look at the last lines before each restart; run QEMU with -no-reboot to keep the first",
		words:  []string{"LINUX ", "GRUB", "systemd-boot", "SeaBIOS"},
		// Not "GNU GRUB version": its menu is drawn again and again.
		pattern: re(`^(?:ISO|SYS|EXT|PXE)LINUX \d|^Welcome to GRUB!|^systemd-boot \d|^SeaBIOS \(`)},
	{ID: "login-hangs", silent: Login, silence: 180 * time.Second, Fatal: true,
		Means:  "there was a login and no shell prompt after it",
		Remedy: "see what the login shell runs before its prompt (profile, login notice)"},
}
