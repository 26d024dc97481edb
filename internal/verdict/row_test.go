package verdict

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// told has, for each row, a line that means it and one that only looks like it.
var told = map[string][2]string{
	"secure-world-panic":   {"PANIC at PC : 0x0000000000004188", "I/TC: Primary CPU switching to normal world boot"},
	"xen-panic":            {"(XEN) Panic on CPU 0:", "(XEN) Command line: noreboot panic=0"},
	"nfs-silent":           {"[  125.721276] nfs: server 192.0.2.1 not responding, still trying", "[  126.721276] nfs: server 192.0.2.1 OK"},
	"initrd-target-failed": {"[DEPEND] Dependency failed for Initrd File Systems.", "[DEPEND] Dependency failed for Local File Systems."},
	"passphrase-wrong":     {"cryptsetup: cryptsetup failed, bad password or options?", "cryptsetup: sda3_crypt: set up successfully"},
	"sbi-trap":             {"sbi_trap_error: hart4: trap handler failed (error -5)", "sbi_trap_error: hart4: mcause=0xd mtval=0x155574e000"},
	"board-halted":         {"### ERROR ### Please RESET the board ###", "Please RESET the board"},
	"root-not-found":       {"Partition with root filesystem not found. Waiting...", "root filesystem found"},
	"kvm-unusable":         {"qemu-system-x86_64: failed to initialize kvm: Permission denied", "[    0.1] kvm-clock: Using msrs"},
	"host-port-taken":      {"qemu-system-x86_64: -netdev user,id=n: Could not set up host forwarding rule 'tcp::22-:22'", "nginx: bind() failed (98: Address already in use)"},
	"disk-image-locked":    {`qemu-system-x86_64: -drive file=a.img: Failed to get "write" lock`, "apt: could not get lock"},
	"qemu-refused":         {"qemu-system-aarch64: -machine virt,x=y: Property 'x' not found", "qemu-system-x86_64: terminating on signal 15 from pid 7"},
	"qemu-assertion":       {"qemu-system-x86_64: ../hw/scsi/lsi53c895a.c:624: lsi_do_dma: Assertion `s->current' failed.", "systemd[1]: Assertion 'path' failed at src/basic/path-util.c:1, function x(). Aborting."},
	"signature-refused":    {"error: /boot/vmlinuz-6.1.0 has invalid signature.", "[    0.9] module x: has valid signature"},
	"efi-shell":            {"Shell> ", "Shell> fs0:"},
	"loader-memory":        {"error: out of memory.", "[    2.0] xen: Out of memory is no error: see log"},
	"grub-password":        {"Enter username: ", "Enter username: root"},
	"panic-stall":          {"[  370.1] Kernel panic - not syncing: hung_task: blocked tasks", "[    0.1] sysctl kernel.hung_task_panic = 1"},
	"panic-verity":         {"[    4.2] Kernel panic - not syncing: dm-verity device corrupted", "[    4.2] device-mapper: verity: sha256 using implementation sha256-generic"},
	"panic-nfs":            {"[   99.1] VFS: Unable to mount root fs via NFS, trying floppy.", "[    3.1] VFS: Mounted root (nfs filesystem) on device 0:15."},
	"fsck-asks":            {"Clear orphaned inode 12 (uid=0)? Fix<y>? ", "Fix<y>? yes"},
	"protected-boot":       {"Protected boot has failed: 0xa02", "Protected boot is on"},
	"host-memory":          {"qemu-system-x86_64: cannot set up: Cannot allocate memory", "fork: Cannot allocate memory"},
	"efi-exception":        {"!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!", "[    1.0] traps: exception type 3"},
	"no-bootable-device":   {"No bootable device.", "SeaBIOS looks for a bootable device"},
	"secure-boot":          {"Verifying shim SBAT data failed: Security Policy Violation", "[    0.0] secureboot: Secure boot disabled"},
	"shim-no-loader":       {`start_image() returned Not Found, falling back to default loader`, "StartImage returned Not Found: a test"},
	"grub-error":           {"error: no such partition.", "error: no suitable video mode found."},
	"bootloader-prompt":    {"grub> ", "grub> linux /vmlinuz root=/dev/sda1"},
	"isolinux-error":       {"Failed to load ldlinux.c32", "ISOLINUX 6.04 ldlinux.c32 loaded"},
	"uboot-no-kernel":      {"Wrong Image Format for bootm command", "## Booting kernel from Legacy Image at 82000000 ..."},
	"kernel-not-started":   {"This kernel requires an x86-64 CPU, but only detected an i686 CPU.", "This kernel supports an x86-64 CPU"},
	"no-kernel-console":    {"Starting kernel ...", "Starting kernel module loader"},
	"net-boot-failed":      {"ARP Retry count exceeded; starting again", "the Retry count exceeded; starting again is a message"},
	"pi-firmware-missing":  {"start4.elf not found (2)", "  4.12 [sdcard] recover4.elf not found"},
	"talos-failed":         {"[   20.476200] [talos] initialize sequence: failed", "[   20.476200] [talos] initialize sequence: done: 20ms"},
	"no-device-tree":       {"** Unable to read file board.dtb **", "12345 bytes read: board.dtb"},
	"root-not-mounted":     {"[    1.2] VFS: Cannot open root device \"sda1\" or unknown-block(0,0): error -6", "[    1.2] VFS: Mounted root (ext4 filesystem) readonly"},
	"waits-for-root":       {"[    2.0] Waiting for root device /dev/mmcblk0p2...", "Waiting for the root user"},
	"init-missing":         {"Kernel panic - not syncing: No working init found.", "init: found"},
	"panic-memory":         {"Kernel panic - not syncing: System is deadlocked on memory", "memory: 512M"},
	"out-of-memory":        {"[   40.1] Out of memory: Killed process 77 (stress)", "oom_score_adj is 0"},
	"kernel-oops":          {"[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000010", "DEBUG: kernel NULL check passed"},
	"kernel-panic":         {"Kernel panic - not syncing: Fatal exception in interrupt", "sysctl kernel.panic = 10"},
	"soft-lockup":          {"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper:1]", "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter."},
	"cpu-too-old":          {"Fatal glibc error: CPU ISA level is lower than required", "CPU: ISA is rv64imafdc"},
	"initrd-damaged":       {"[    0.5] Initramfs unpacking failed: invalid magic at start of compressed archive", "[    0.5] Unpacking initramfs..."},
	"squashfs-error":       {"SQUASHFS error: xz decompression failed, data probably corrupt", "squashfs: version 4.0 (2009/01/31) Phillip Lougher"},
	"root-device-missing":  {"ALERT!  UUID=1234 does not exist.  Dropping to a shell!", "mount: mounting tmpfs on /run failed: Device or resource busy"},
	"no-stage-2":           {"stage 2 init script (/mnt-root/init) not found", "stage 2 init script (/init) is run"},
	"initrd-shell":         {"initramfs emergency recovery shell launched. Type 'exit' to continue boot", "sshd: shell launched for root"},
	"fsck-manual":          {"/dev/vda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", "/dev/vda1: clean, 11/64 files, fsck in 30 mounts"},
	"no-network-for-root":  {"ipconfig: no devices to configure", "ipconfig: eth0: hardware address 52:54:00:12:34:56 mtu 1500 DHCP"},
	"config-unfetched":     {"Ignition has failed. Please ensure your config is valid.", "Ignition finished successfully"},
	"device-timeout":       {"[ TIME ] Timed out waiting for device /dev/disk/by-label/DATA.", "Waiting for device /dev/sda to settle"},
	"emergency-mode":       {"You are in emergency mode. After logging in, type \"journalctl -xb\" to view", "emergency mode is off"},
	"init-crashed":         {"systemd[1]: Freezing execution.", "systemd[1]: Freezing user slices: not now"},
	"unit-failed":          {"[FAILED] Failed to start foo.service - Foo.", "[FAILED] 0 tests"},
	"job-hangs":            {"[***   ] A start job is running for Wait for Network (2min 3s / no limit)", "[***   ] A start job is running for Wait for Network (3s / 1min 30s)"},
	"passphrase":           {"Please enter passphrase for disk root:", "ssh: the passphrase was cached"},
	"press-key":            {"Press any key to continue", "Hit any key to stop autoboot:  0"},
	"dialog":               {" <Tab>/<Alt-Tab> between elements | <Space> selects", "the <Tab> key completes"},
	"rcu-stall":            {"[   60.1] rcu: INFO: rcu_sched self-detected stall on CPU", "[    0.1] rcu: Hierarchical RCU implementation."},
	"hung-task":            {"[  242.1] INFO: task systemd-udevd:231 blocked for more than 120 seconds.", "[  242.1] hung_task: timeout set to 120"},
	"file-system-error":    {"[   80.1] EXT4-fs error (device dm-0): ext4_lookup:1: inode #2", "[   80.1] EXT4-fs (dm-0): mounted filesystem with ordered data mode"},
	"root-blockdev":        {"[   10.6] /dev/root: Can't open blockdev", "Can't open blockdev: a sentence"},
	"kernel-warning":       {"[    5.678901] WARNING: CPU: 0 PID: 1 at kernel/x.c:12 fn+0x1/0x2", "WARNING: Running as a non-root user."},
	"disk-io-error":        {"[   12.123456] I/O error, dev sr0, sector 4 op 0x0:(READ) flags 0x0", "[   75.115770] I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0"},
	"clock-unstable":       {"[    9.123456] clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is too large:", "[    1.123456] clocksource: Switched to clocksource tsc-early"},
	"segfault":             {"[   33.123456] disko[99]: segfault at 0 ip 0000 sp 0000 error 4 in libc.so.6", "[   33.123456] segfault handler: test ok"},
	"dracut-fatal":         {"dracut: FATAL: No or empty root= argument", "[    3.123456] dracut: dracut-059"},
	"module-missing":       {"modprobe: FATAL: Module virtio_foo not found in directory /lib/modules/6.1", "loading module loop..."},
	"job-waits":            {"[  ***] (2 of 2) A start job is running for Setup (5min 2s / no limit)", "[  *** ] A start job is running for X (3min 21s / 5min 30s)"},
	"ordering-cycle":       {"[   15.123456] systemd[1]: a.service: Found ordering cycle on b.service/start", "[  OK  ] Started Check for an ordering cycle."},
	"dependency-failed":    {"[DEPEND] Dependency failed for Local File Systems.", "[  OK  ] Reached target Local File Systems."},
	"restart-limit":        {"[   40.123456] systemd[1]: x.service: Start request repeated too quickly.", "[   40.123456] systemd[1]: x.service: Scheduled restart job, restart counter is at 1."},
	"generator-failed":     {"[   10.123456] systemd[1]: /lib/systemd/system-generators/x-generator failed with exit status 1.", "[  OK  ] Listening on OpenSSH Server Socket (systemd-ssh-generator, AF_VSOCK)."},
	"core-dump":            {"[   33.123456] systemd-coredump[101]: Process 99 (disko) of user 0 dumped core.", "[  OK  ] Listening on Process Core Dump Socket."},
	"go-panic":             {"goroutine 1 [running]:", "a goroutine 1 [running]: in a sentence"},
	"python-traceback":     {"Traceback (most recent call last):", "x: Traceback (most recent call last): is what Python says"},
	"disk-full":            {"cp: error writing '/a': No space left on device", "No space left on device is an error"},
	"install-ended":        {"install exited abnormally [1/1]", "install exited"},
}

// others are further kinds of lines of some rows, and what looks like them.
var others = map[string][][2]string{
	"install-ended": {
		{"Pane is dead", "The pane is dead slow"},
		{"[   34.5] anaconda[2628]: Non interactive installation failed: the command exited with the code 1", "[   33.5] anaconda[2628]: Installing."},
		{"main-menu[1247]: WARNING **: Menu item 'finish-install' failed.", "main-menu[1247]: INFO: Menu item 'finish-install' selected"},
		{"base-installer: error: exiting on error base-installer/debootstrap-failed", "base-installer: info: no error"},
	},
	"root-device-missing": {{"dracut-initqueue[1371]: Warning: It seems that the boot has failed. Possible causes include", "dracut-initqueue[1371]: Warning: nothing has failed"}},
	"secure-world-panic":  {{"E/TC:0 0 Panic 'Failed to initialize RPMB' at core/main.c:45 <init>", "E/TC:0 0 TA panicked with code 0xffff0000"}},
	"init-missing":        {{`[    3.088822] init: execv("/system/bin/init") failed: No such file or directory`, "[    3.0] init: Unable to open /lib/modules, skipping module loading."}, {"[    3.0] init: InitFatalReboot: signal 6", "[    3.0] init: Reboot start"}},
	"kvm-unusable":        {{"KVM internal error. Suberror: 1", "KVM internal errors are rare"}},
	"dracut-fatal":        {{"[    3.1] dracut: Refusing to continue", "dracut refuses nothing"}},
	"qemu-assertion":      {{"ERROR:../system/cpus.c:504:qemu_mutex_lock_iothread_impl: assertion failed: (!qemu_mutex_iothread_locked())", "ERROR: assertion failed in test 4"}},
	"secure-boot": {
		// The firmware's own shell is refused whatever the medium holds.
		{`BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM QM00001 " from PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x0,0xFFFF,0x0): Access Denied`,
			`BdsDxe: failed to start Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)/FvFile(7C04A583-9E3E-4F1C-AD65-E05268D0B4D1): Security Violation`},
		{`BdsDxe: failed to start Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Security Violation`,
			`BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Not Found`},
		{"\xb3     Verification failed: (0x1A) Security Violation     \xb3", "Verification failed: (0x0E) Not Found"},
		{"Invalid signature detected. Check Secure Boot Policy in Setup", "[    0.0] Secure Boot Policy: none"},
		{`Error loading EFI binary \EFI\Linux\a.efi: Access denied`, `Error loading \EFI\Linux\a.efi: Not found`},
		{"Image not authenticated", "test image not authenticated"},
	},
	"shim-no-loader": {{`Failed to load image \EFI\BOOT\grubx64.efi: Not Found`, `Failed to open \EFI\BOOT\mmx64.efi - Not Found`}},
	"signature-refused": {{"Failed to verify required signature 'key-dev'", "Verified required signature 'key-dev'"}, {"error: bad shim signature.", "a bad shim signature is an error"},
		{"error: shim_lock protocol not found.", "error: protocol not found."},
		{"error: Secure Boot forbids loading module from (cd0)/boot/grub/x86_64-efi/memrw.mod.", "Secure Boot forbids nothing"}},
	"efi-exception":      {{"[0010.766] Synchronous Exception: DATA ABORT (FAR: 8)", "No Synchronous Exception was seen"}, {`"Synchronous Abort" handler, esr 0x96000004, far 0x0`, "A synchronous abort is handled"}, {"data abort", "a data abort handler is set"}},
	"no-bootable-device": {{"SPL: failed to boot from all boot devices", "SPL: boots from MMC1"}, {"spl: mmc device not found!!", "MMC Device 0 not found"}, {"FATAL: INT18: BOOT FAILURE", "INT18: a boot failure calls it"}},
	"kernel-not-started": {
		{"EFI stub: ERROR: Exit boot services failed.", "EFI stub: ERROR: Could not determine UEFI Secure Boot status."},
		{`Error loading \vmlinuz-linux: Unsupported`, "[    1.0] Error loading module x: Unsupported version"},
		{"XZ-compressed data is corrupt", "[    0.6] Initramfs unpacking failed: XZ-compressed data is corrupt"},
		{" -- System halted", "[   99.0] reboot: System halted"},
	},
	"no-kernel-console":   {{"Loading MS-DOS executable '/mnt/system/bzImage'", "Loading an executable '/mnt/x'"}, {"[8082470429,5] INIT: Starting kernel at 0x20010000, fdt at 0x305efb18", "INIT: Starting kernel modules"}, {"[    0.000000] bootconsole [uart0] disabled", "[    0.000000] printk: bootconsole [uart0] enabled"}},
	"grub-error":          {{"error: you need to load the kernel first.", "you need to load the kernel first"}, {"grub rescue> ", "the grub rescue> prompt"}, {"error: ../../grub-core/fs/fshelp.c:257:file `/boot/vmlinuz' not found.", "error: ../../grub-core/fs/fshelp.c:257:file `/boot/grub/fonts/unicode.pf2' not found."}},
	"loader-memory":       {{"Not enough memory to load specified image.", "Enough memory to load it"}},
	"cpu-too-old":         {{"[    3.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000004", "[    3.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000400"}},
	"net-boot-failed":     {{"TFTP error: 'File not found' (1)", "TFTP from server 10.0.2.2; our IP address is 10.0.2.15"}},
	"pi-firmware-missing": {{"  4.15 [sdcard] start.elf not found", "Starting start4.elf @ 0xfec00200"}, {"Firmware not found", "[    1.0] x: firmware not found, using defaults"}},
	"talos-failed":        {{"[talos] error running phase 6 in initialize sequence: task 1/1: failed, unexpected EOF", "[talos] phase 6: running"}},
	"config-unfetched":    {{"[   10.1] ignition[851]: CRITICAL : files: createFiles: op(1): gzip: invalid header", "[   10.1] ignition[851]: INFO     : files: op(1): [finished]"}, {"Ignition failed: failed to create files", "Ignition failed before, and was tried again"}},
	"uboot-no-kernel":     {{"Could not find a valid device tree", "Found a valid device tree"}, {"[0010.614] Android boot image magic number invalid", "Android boot image magic number is right"}},
	"panic-nfs":           {{"[   99.1] VFS: Unable to mount root fs via SMB.", "[   99.1] VFS: Unable to mount root fs on unknown-block(0,0)"}},
}

func tripped(line string) (ids []string) {
	r := Reader{Saw: func(s Sign) { ids = append(ids, s.ID) }}
	r.Line(1, 0, []byte(line))
	if f := r.boot.final; f != nil {
		ids = append(ids, f.row.id)
	}
	return ids
}

func TestEachRow(t *testing.T) {
	for _, row := range all {
		lines, ok := told[row.id]
		if !assert.True(t, ok, "no line shows %s", row.id) {
			continue
		}
		for _, lines := range append(others[row.id], lines) {
			assert.Contains(t, tripped(lines[0]), row.id, lines[0])
			assert.NotContains(t, tripped(lines[1]), row.id, lines[1])
		}
		assert.NotEmpty(t, row.means, row.id)
		assert.NotEmpty(t, row.remedy, row.id)
		// A program's name and a file of it, or an issue of a repository.
		assert.Regexp(t, `^[A-Z\w].* [\w*.-]+/[\w*./-]+|^console in [\w.-]+/[\w.-]+ issue \d+$`, row.source, row.id)
	}
	assert.Len(t, told, len(all))
}

// A pattern that is tried on each line would cost each line.
func TestNoPatternIsTriedOnEveryLine(t *testing.T) {
	for _, i := range tables.Bare() {
		switch {
		case i < len(all):
			t.Error(all[i].id)
		case i < len(all)+len(marks):
			t.Error("a mark of ", marks[i-len(all)].stage)
		default:
			t.Error("sign ", i-len(all)-len(marks))
		}
	}
}

// What is final says so of a line that is, and of none that only looks like it; a
// row without a reason never does.
func TestFinalRows(t *testing.T) {
	for _, row := range all {
		ends := 0
		for _, lines := range append(others[row.id], told[row.id]) {
			for i, line := range lines {
				r := Reader{Saw: func(s Sign) {
					if s.ID != row.id {
						return
					}
					assert.False(t, s.Ends && s.Final == "", line)
					if (s.Ends || s.Waits) && s.Final != "" {
						ends++
						assert.Zero(t, i, "%s only looks like it", line)
					}
				}}
				r.Line(1, 0, []byte(line))
			}
		}
		assert.Equal(t, row.final != "", ends > 0, row.id)
	}
}
