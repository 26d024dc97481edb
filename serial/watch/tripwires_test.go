package watch

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loaded and later bring a watch to a stage.
const (
	banner  = "ISOLINUX 6.04 20200816 ETCD\r\n"
	loaded  = banner + "Loading /boot/bzImage... ok\r\n"
	stage1  = loaded + "<<< NixOS Stage 1 >>>\r\n"
	stage2  = stage1 + "<<< NixOS Stage 2 >>>\r\n[  OK  ] Reached target Basic System.\r\n"
	atLogin = stage2 + "nixos login: nixos (automatic login)\r\n"
	atShell = atLogin + "\x1b[?2004h[nixos@nixos:~]$ "
	asRoot  = atLogin + "\x1b[?2004h[root@nixos:~]# "
)

// tripCases has for each tripwire that looks at lines what trips it and what
// only looks like it.
var tripCases = map[string]struct{ trips, harmless []string }{
	"host-port-taken": {
		[]string{"qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:2222-:22: Could not set up host forwarding rule 'tcp:127.0.0.1:2222-:22'\r\n"},
		[]string{atShell + "echo Could not set up host forwarding rule\r\n", "qemu-system-x86_64: warning: nic eth0 has no peer\r\n"}},
	"disk-image-locked": {
		[]string{"qemu-system-x86_64: -drive file=d.raw,if=virtio: Failed to get \"write\" lock\r\nIs another process using the image [d.raw]?\r\n",
			"qemu-system-x86_64: -device virtio-blk-pci,drive=d: Failed to get shared \"write\" lock\r\n"},
		[]string{atLogin + "Failed to get shared lock on /etc/passwd\r\n"}},
	"kvm-unusable": {
		[]string{"Could not access KVM kernel module: Permission denied\r\n", "qemu-system-x86_64: failed to initialize kvm: No such device\r\n", "KVM internal error. Suberror: 1\r\n"},
		[]string{loaded + "[    0.000000] Hypervisor detected: KVM\r\n"}},
	"qemu-refused": {
		[]string{"qemu-system-x86_64: -cdrom no.iso: Could not open 'no.iso': No such file or directory\r\n", "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\r\n", "qemu-system-x86_64: -foo: invalid option\r\n"},
		[]string{"qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:ECX.pcid\r\n", "qemu-system-x86_64: terminating on signal 15 from pid 1 (x)\r\n",
			"qemu-system-x86_64: -chardev socket,id=c,path=c.sock,server=on,wait=on: info: QEMU waiting for connection on: disconnected:unix:c.sock,server=on\r\n"}},
	"no-bootable-device": {
		[]string{"SeaBIOS (version 1.16)\r\nBooting from DVD/CD...\r\nNo bootable device.\r\n", "BdsDxe: No bootable option or device was found.\r\n"},
		[]string{"SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n\r\nBooting from DVD/CD...\r\n" + banner, atLogin + "No bootable device.\r\n"}},
	"isolinux-error": {
		[]string{banner + "Failed to load ldlinux.c32\r\n", banner + "isolinux.bin missing or corrupt.\r\n", banner + "No DEFAULT or UI configuration directive found!\r\n"},
		[]string{banner + "Loading ldlinux.c32... ok\r\n", atShell + "grep isolinux.bin missing\r\n"}},
	"grub-error": {
		[]string{"Welcome to GRUB!\r\nerror: no such device: 1234.\r\n", "Welcome to GRUB!\r\nerror: file `/boot/bzImage' not found.\r\n", "grub rescue> "},
		[]string{"Welcome to GRUB!\r\nerror: no suitable video mode found.\r\nBooting in blind mode\r\n", atLogin + "error: file `x' not found.\r\n"}},
	"bootloader-prompt": {
		[]string{"Welcome to GRUB!\r\ngrub> ", "U-Boot 2023.01 (Jan 01 2023)\r\n=> "},
		// ISOLINUX's prompt goes on by itself when there is a timeout.
		[]string{banner + "boot: ", atShell + "cat grub\r\ngrub> "}},
	"kernel-not-started": {
		[]string{loaded + "Invalid or corrupt kernel image.\r\n", loaded + "This kernel requires an x86-64 CPU, but only detected an i686 CPU.\r\n", loaded + "Out of memory\r\n\r\n -- System halted\r\n"},
		[]string{loaded + "Loading kernel modules... ok\r\n"}},
	"root-not-mounted": {
		[]string{loaded + "[    1.234567] VFS: Cannot open root device \"sda1\" or unknown-block(0,0)\r\n", loaded + "[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"},
		[]string{stage1 + "[   10.654175] /dev/root: Can't open blockdev\r\n"}},
	"init-missing": {
		[]string{loaded + "[    2.345678] Kernel panic - not syncing: No working init found.\r\n", loaded + "[    3.456789] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\r\n"},
		[]string{atLogin + "service: No init found in the archive, skipped\r\n"}},
	"no-stage-2": {
		[]string{stage1 + "stage 2 init script (/mnt-root/init) not found\r\n"},
		[]string{stage1 + "stage 2 init script (/init) is run\r\n"}},
	"kernel-panic": {
		[]string{loaded + "[    3.456789][    T1] Kernel panic - not syncing: sysrq triggered crash\r\n",
			atShell + "[  190.123456] Kernel panic - not syncing: Fatal exception\r\n", loaded + "Kernel panic - not syncing: early\r\n"},
		[]string{loaded + "[    0.000000] Command line: panic=1 boot.panic_on_fail\r\n", atShell + "grep 'Kernel panic - not syncing' log\r\n", atLogin + "docs: Kernel panic - not syncing means trouble\r\n"}},
	"kernel-oops": {
		[]string{loaded + "[    4.567890] BUG: unable to handle page fault for address: ffffffff\r\n", loaded + "[    4.567890] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\n", loaded + "[    4.567890] Oops: 0002 [#1] PREEMPT SMP\r\n", loaded + "[    4.567890] kernel BUG at mm/slub.c:1!\r\n"},
		[]string{loaded + "[    4.567890] Oops is a word\r\n", loaded + "[    4.567890] mce: BUG: disabled by boot parameter\r\n"}},
	"kernel-warning": {
		[]string{loaded + "[    5.678901] WARNING: CPU: 0 PID: 1 at kernel/x.c:12 fn+0x1/0x2\r\n", loaded + "[    5.678901] WARNING: kernel/x.c:12 at fn+0x1/0x2, CPU#0: swapper/0/1\r\n"},
		[]string{atLogin + "WARNING: Running as a non-root user. Functionality may be unavailable.\r\n", loaded + "[    5.678901] WARNING: Kernel memory regions overlap\r\n", atLogin + "  WARNING: Device /dev/vda not initialized in udev database\r\n"}},
	"soft-lockup": {
		[]string{loaded + "[   60.123456] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]\r\n"},
		[]string{loaded + "[    0.123456] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.\r\n"}},
	"rcu-stall": {
		[]string{loaded + "[   60.123456] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\r\n", loaded + "[   60.123456] rcu: INFO: rcu_sched self-detected stall on CPU\r\n"},
		[]string{loaded + "[    0.123456] rcu: Hierarchical RCU implementation.\r\n", loaded + "[    0.1] rcu_tasks: Setting shift to 1\r\n"}},
	"hung-task": {
		[]string{stage2 + "[  242.123456] INFO: task systemd-udevd:231 blocked for more than 120 seconds.\r\n"},
		[]string{stage2 + "[  242.123456] hung_task: timeout set to 120\r\n"}},
	"out-of-memory": {
		[]string{stage2 + "[   30.123456] Out of memory: Killed process 123 (nix) total-vm:1kB\r\n", stage2 + "[   30.123456] python3 invoked oom-killer: gfp_mask=0x100cca\r\n"},
		[]string{stage2 + "[  OK  ] Started Userspace Out-Of-Memory (OOM) Killer.\r\n", stage2 + "[  OK  ] Listening on Userspace Out-Of-Memory (OOM) Killer Socket.\r\n", stage2 + "[   30.123456] Memory cgroup out of memory: Killed process 9 (x)\r\n"}},
	"squashfs-error": {
		[]string{stage2 + "[   12.123456] SQUASHFS error: xz decompression failed, data probably corrupt\r\n"},
		[]string{stage1 + "[    8.123456] squashfs: version 4.0 (2009/01/31) Phillip Lougher\r\n"}},
	"disk-io-error": {
		[]string{stage2 + "[   12.123456] I/O error, dev sr0, sector 4 op 0x0:(READ) flags 0x0\r\n", stage2 + "[   12.123456] Buffer I/O error on dev vda, logical block 0, async page read\r\n", stage2 + "[   12.123456] blk_update_request: critical medium error, dev sr0, sector 8\r\n"},
		[]string{loaded + "[   75.115770] I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\r\n"}},
	"file-system-error": {
		[]string{atLogin + "[   80.123456] EXT4-fs error (device dm-0): ext4_lookup:1: inode #2\r\n"},
		[]string{atLogin + "[   80.123456] EXT4-fs (dm-0): mounted filesystem with ordered data mode\r\n"}},
	"clock-unstable": {
		[]string{loaded + "[    9.123456] clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable because the skew is too large:\r\n"},
		[]string{loaded + "[    1.123456] clocksource: Switched to clocksource tsc-early\r\n"}},
	"module-missing": {
		[]string{stage1 + "modprobe: FATAL: Module virtio_foo not found in directory /lib/modules/6.1\r\n"},
		[]string{stage1 + "loading module loop...\r\n"}},
	"initrd-shell": {
		[]string{stage1 + "(initramfs) ", stage1 + "An error occurred in stage 1 of the boot process, which must mount the\r\n", stage1 + "dracut:/# "},
		[]string{stage1 + "\r\nBusyBox v1.36.1 (Debian) built-in shell (ash)\r\n", loaded + "[    0.0] Command line: boot.shell_on_fail\r\n", atLogin + "[   OK  ] interactive shell ready\r\n"}},
	"dracut-fatal": {
		[]string{stage1 + "[  180.123456] dracut-initqueue[300]: Warning: Could not boot.\r\n", stage1 + "dracut: FATAL: No or empty root= argument\r\n", stage1 + "[    3.1] dracut: Refusing to continue\r\n"},
		[]string{stage1 + "[    3.123456] dracut: dracut-059\r\n"}},
	"root-device-missing": {
		[]string{stage1 + "ALERT!  /dev/disk/by-label/x does not exist.  Dropping to a shell!\r\n", stage1 + "Gave up waiting for root file system device.  Common problems:\r\n", stage1 + "Timed out waiting for device /dev/root, trying to mount anyway.\r\n", stage1 + "Unable to find a medium containing a live file system\r\n"},
		[]string{stage1 + "waiting for device /dev/root to appear...\r\n"}},
	"init-crashed": {
		[]string{stage2 + "[   20.123456] systemd[1]: Caught <SEGV>, dumped core as pid 99.\r\n", stage2 + "[   20.123456] systemd[1]: Freezing execution.\r\n", stage2 + "[!!!!!!] Failed to start up manager, freezing.\r\n"},
		[]string{stage2 + "[   20.123456] systemd[1]: Freezing user sessions is supported\r\n"}},
	"emergency-mode": {
		[]string{stage2 + "You are in emergency mode. After logging in, type \"journalctl -xb\"\r\n", stage2 + "Press Enter for maintenance\r\n", stage2 + "Give root password for maintenance\r\n(or press Control-D to continue): "},
		[]string{stage2 + "[  OK  ] Stopped target Emergency Mode.\r\n", loaded + "[    0.0] Kernel command line: systemd.unit=emergency.target\r\n"}},
	"ordering-cycle": {
		[]string{stage2 + "[   15.123456] systemd[1]: a.service: Found ordering cycle on b.service/start\r\n", stage2 + "[   15.123456] systemd[1]: a.service: Job b.service/start deleted to break ordering cycle starting with a.service/start\r\n"},
		[]string{stage2 + "[  OK  ] Started Check for an ordering cycle.\r\n"}},
	"job-waits": {
		[]string{stage2 + "[  ***] (2 of 2) A start job is running for Pre-NixOS setup (5min 2s / no limit)\r\n", stage2 + "[***   ] A start job is running for X (1h 12min 2s / no limit)\r\n"},
		[]string{stage2 + "[  *** ] (1 of 2) A start job is running for Firewall (21s / no limit)\r\n", stage2 + "[  *** ] A start job is running for X (3min 21s / 5min 30s)\r\n"}},
	"device-timeout": {
		[]string{stage2 + "[ TIME ] Timed out waiting for device /dev/disk/by-label/swap.\r\n"},
		[]string{stage2 + "         Expecting device /dev/ttyS0...\r\n"}},
	"unit-failed": {
		[]string{stage2 + "[FAILED] Failed to start Pre-NixOS setup.\r\n", stage2 + "[\x1b[0;1;31mFAILED\x1b[0m] Failed to mount \x1b[0;1;39m/boot\x1b[0m.\r\n"},
		[]string{stage2 + "[FAILED] Failed unmounting /iso.\r\n", atShell + "systemctl status x\r\nOct 08 06:07:50 nixos systemd[1]: Failed to start X.\r\n\x1b[?2004h[nixos@nixos:~]$ "}},
	"dependency-failed": {
		[]string{stage2 + "[DEPEND] Dependency failed for Local File Systems.\r\n"},
		[]string{stage2 + "[  OK  ] Reached target Local File Systems.\r\n"}},
	"restart-limit": {
		[]string{stage2 + "[   40.123456] systemd[1]: serial-getty@ttyS0.service: Start request repeated too quickly.\r\n"},
		[]string{stage2 + "[   40.123456] systemd[1]: x.service: Scheduled restart job, restart counter is at 1.\r\n"}},
	"generator-failed": {
		[]string{stage2 + "[   10.123456] systemd[1]: /lib/systemd/system-generators/x-generator failed with exit status 1.\r\n"},
		[]string{stage2 + "[  OK  ] Listening on OpenSSH Server Socket (systemd-ssh-generator, AF_VSOCK).\r\n"}},
	"segfault": {
		[]string{stage2 + "[   33.123456] disko[99]: segfault at 0 ip 0000 sp 0000 error 4 in libc.so.6\r\n", stage2 + "[   33.123456] traps: python3[88] general protection fault ip:0 sp:0 error:0\r\n"},
		[]string{stage2 + "[   33.123456] segfault handler: test ok\r\n"}},
	"core-dump": {
		[]string{stage2 + "[   33.123456] systemd-coredump[101]: Process 99 (disko) of user 0 dumped core.\r\n"},
		[]string{stage2 + "[  OK  ] Listening on Process Core Dump Socket.\r\n"}},
	"go-panic": {
		[]string{atLogin + "panic: runtime error: index out of range\r\n\r\ngoroutine 1 [running]:\r\n"},
		[]string{atLogin + "a goroutine 1 [running]: in a sentence\r\n"}},
	"python-traceback": {
		[]string{atLogin + "Traceback (most recent call last):\r\n"},
		[]string{atShell + "journalctl -u x\r\nOct 08 06:07:50 nixos x[905]: Traceback (most recent call last):\r\n\x1b[?2004h[nixos@nixos:~]$ "}},
	"disk-full": {
		[]string{atLogin + "cp: error writing '/a': No space left on device\r\n"},
		[]string{atShell + "grep -c 'No space left on device' log\r\n"}},
	"login-loop": {
		[]string{stage2 + strings.Repeat("nixos login: nixos (automatic login)\r\n\r\n", 4), stage2 + strings.Repeat("Login timed out after 60 seconds.\r\n", 4)},
		[]string{stage2 + "nixos login: nixos (automatic login)\r\n\r\n", strings.Repeat(atShell, 2)}},
	"reboot-loop": {
		[]string{strings.Repeat(stage1, 3)},
		[]string{strings.Repeat(stage1, 2), banner + strings.Repeat("\x1b[1;1HAutomatic boot in 3 seconds...", 10)}},
}

// trips are the IDs that a console touches. It is fed byte by byte.
func trips(console string) []string {
	var ids []string
	w := New(Config{OnTrip: func(t Trip) { ids = append(ids, t.ID) }})
	for i := range len(console) {
		w.Write([]byte(console[i : i+1]))
	}
	w.Close()
	return ids
}

func TestTripwires(t *testing.T) {
	require.GreaterOrEqual(t, len(Tripwires()), 60)
	seen := map[string]bool{}
	for _, row := range Tripwires() {
		require.False(t, seen[row.ID], "%s stands twice", row.ID)
		seen[row.ID] = true
		assert.NotEmpty(t, row.Means, row.ID)
		assert.NotEmpty(t, row.Remedy, row.ID)
	}
	for id, c := range tripCases {
		t.Run(id, func(t *testing.T) {
			require.True(t, seen[id], "there is no such tripwire")
			require.NotEmpty(t, c.trips)
			require.NotEmpty(t, c.harmless)
			for _, console := range c.trips {
				assert.Contains(t, trips(console), id, "%q", console)
			}
			for _, console := range c.harmless {
				assert.NotContains(t, trips(console), id, "%q", console)
			}
		})
	}
}

func TestTheTableIsNobodysToChange(t *testing.T) {
	clear(Tripwires())
	assert.Equal(t, []string{"kernel-panic"}, trips(loaded+"[    3.456789] Kernel panic - not syncing: x\r\n"))
	assert.NotEmpty(t, Tripwires()[0].ID)
}

// An image's own alarms are news like any other, and no command's output is.
func TestAlarms(t *testing.T) {
	alarm := Alarm{ID: "provisioning-failed", Means: "the provisioner failed", Remedy: "read its journal", Pattern: re(`^pre-nixos: Provisioning failed`)}
	for console, want := range map[string]int{
		atLogin + "pre-nixos: Provisioning failed.\r\npre-nixos: Provisioning failed.\r\n":                                     1,
		atLogin + "Oct 1 nixos x[1]: pre-nixos: Provisioning failed.\r\n":                                                      0,
		atShell + "cat notice\r\n\x1b[?2004l\rpre-nixos: Provisioning failed.\r\n\x1b[?2004h[nixos@nixos:~]$ ":                 0,
		atShell + "provision\r\n\x1b[?2004l\rpre-nixos: Provisioning failed.\r\n[   99.123456] Kernel panic - not syncing\r\n": 2,
	} {
		var seen []Trip
		w := New(Config{Alarms: []Alarm{alarm}, OnTrip: func(t Trip) { seen = append(seen, t) }})
		w.Write([]byte(console))
		w.Close()
		require.Len(t, seen, want, "%q", console)
		if want > 0 {
			assert.Equal(t, alarm.ID, seen[0].ID)
			assert.Equal(t, alarm.Remedy, seen[0].Remedy)
			assert.False(t, seen[0].Fatal)
			assert.Contains(t, seen[0].Line, "Provisioning failed")
		}
	}
}

func TestAnswersDoNotTrip(t *testing.T) {
	const panics = "[    3.456789] Kernel panic - not syncing: old news\r\n"
	for name, console := range map[string]string{
		"asked-for dmesg":            asRoot + "dmesg\r\n\x1b[?2004l\r[    0.000000] Linux version 6.1\r\n" + panics + "\x1b[?2004h[root@nixos:~]# ",
		"asked for without brackets": atLogin + "root@nixos:~# dmesg\r\n" + panics + "root@nixos:~# ",
		"asked for behind own PS1":   atShell + "export PS1='> '\r\n\x1b[?2004l\r\x1b[?2004h> dmesg\r\n\x1b[?2004l\r" + panics + "\x1b[?2004h> ",
		"echo":                       atShell + "echo '[    3.456789] Kernel panic - not syncing'\r\n\x1b[?2004l\r[    3.456789] Kernel panic - not syncing\r\n\x1b[?2004h[nixos@nixos:~]$ ",
	} {
		assert.Empty(t, trips(console), name)
	}
	w := New(Config{OnTrip: func(trip Trip) { t.Errorf("tripped: %+v", trip) }})
	w.Write([]byte(atLogin))
	w.Asked(true)
	w.Write([]byte(panics))
	w.Asked(false)
	w.Close()
}

func TestACommandThatDoesNotComeBackWasNoAnswer(t *testing.T) {
	console := asRoot + "provision\r\n\x1b[?2004l\r[  190.123456] Kernel panic - not syncing: Fatal exception\r\n"
	assert.Equal(t, []string{"kernel-panic"}, trips(console))

	synctest.Test(t, func(t *testing.T) {
		var ids []string
		w := New(Config{OnTrip: func(t Trip) { ids = append(ids, t.ID) }})
		w.Write([]byte(console))
		require.Nil(t, w.Idle(time.Now()))
		time.Sleep(heldFor)
		trip := w.Idle(time.Now())
		require.NotNil(t, trip)
		assert.Equal(t, "kernel-panic", trip.ID)
		assert.Equal(t, []string{"kernel-panic"}, ids)
	})
}

func TestSilence(t *testing.T) {
	for console, want := range map[string]struct {
		id    string
		after time.Duration
	}{
		"":                                       {"firmware-silent", 60 * time.Second},
		"SeaBIOS (version 1.16)\r\n":             {"firmware-hangs", 120 * time.Second},
		banner:                                   {"bootloader-hangs", 90 * time.Second},
		banner + "Press [Tab] to edit options":   {"boot-menu-waits", 60 * time.Second},
		loaded:                                   {"no-kernel-console", 300 * time.Second},
		stage1:                                   {"initrd-hangs", 180 * time.Second},
		stage2:                                   {"init-hangs", 300 * time.Second},
		atLogin:                                  {"login-hangs", 180 * time.Second},
		atShell:                                  {},
		stage2 + "nixos login: ":                 {},
		stage2 + "nixos login: me\r\nPassword: ": {},
		"words that no firmware is known for":    {},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told int
			w := New(Config{OnTrip: func(Trip) { told++ }})
			w.Write([]byte(console))
			if want.id == "" {
				time.Sleep(24 * time.Hour)
				assert.Nil(t, w.Idle(time.Now()), "%q", console)
				return
			}
			time.Sleep(want.after - time.Second)
			assert.Nil(t, w.Idle(time.Now()), "%q", console)
			time.Sleep(time.Second)
			for range 3 {
				trip := w.Idle(time.Now())
				require.NotNil(t, trip, "%q", console)
				assert.Equal(t, want.id, trip.ID, "%q", console)
				assert.True(t, trip.Fatal)
			}
			assert.Equal(t, 1, told, "a silence is told once")
			w.Write([]byte("."))
			assert.Nil(t, w.Idle(time.Now()))
		})
	}
}

// A spinner is drawn every few hundred milliseconds, and shows no progress.
func TestASpinnerIsSilence(t *testing.T) {
	for name, test := range map[string]struct {
		job   string // at that time
		other string // every minute
		stops bool   // after two minutes
		trips bool
	}{
		"no limit":                  {job: "running for Fault (%s / no limit)", trips: true},
		"among several":             {job: "running fo…el Module configfs (%s / no limit)", trips: true},
		"the job's limit will come": {job: "running for /dev/disk/by-label/x (%s / 10min)"},
		"something else happens":    {job: "running for Fault (%s / no limit)", other: "[  OK  ] Started Something.\r\n"},
		"another job begins":        {job: "running for Fault (%s / no limit)", other: "\r\x1b[K[*** ] A start job is running for Other (3s / no limit)\r\n\x1bM"},
		"it stops":                  {job: "running for Fault (%s / no limit)", stops: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := New(Config{})
			time.Sleep(time.Hour) // a quiet kernel
			w.Write([]byte(stage2 + "[  OK  ] Reached target Local File Systems.\r\n"))
			last := time.Now()
			var trip *Trip
			for i := 1; i < 299 && trip == nil; i++ {
				time.Sleep(time.Second)
				if i%60 == 0 && test.other != "" {
					w.Write([]byte(test.other))
				}
				if !test.stops || i < 120 {
					ran := fmt.Sprintf("%dmin %ds", i/60, i%60)
					if i < 60 {
						ran = fmt.Sprintf("%ds", i)
					} else if i%60 == 0 {
						ran = fmt.Sprintf("%dmin", i/60)
					}
					fmt.Fprintf(w, "\r\x1b[K[   *** ] A start job is "+test.job+"\r\n\x1bM", ran)
				}
				trip = w.Idle(time.Now())
			}
			if !test.trips {
				require.Nil(t, trip, name)
				return
			}
			require.NotNil(t, trip, name)
			assert.Equal(t, "job-hangs", trip.ID)
			assert.True(t, trip.Fatal)
			assert.Equal(t, last, trip.At)
			assert.Equal(t, 150*time.Second, time.Since(last))
			assert.Contains(t, trip.Line, "no progress for 2m30s; last line: [   *** ] A start job is "+fmt.Sprintf(test.job, "2min 30s"))
		})
	}
}

func TestABannerThatACommandPrintsIsNoRestart(t *testing.T) {
	w := New(Config{})
	w.Write([]byte(asRoot + "strings isolinux.bin\r\n\x1b[?2004l\r" + banner))
	assert.Equal(t, Shell, w.Stage())
	w.Write([]byte("\x1b[?2004h[root@nixos:~]# reboot\r\n\x1b[?2004l\r[  200.123456] reboot: Restarting system\r\n" + banner))
	assert.Equal(t, Bootloader, w.Stage())
}

// A kernel that was told to say little may be silent for as long as it likes: it
// is worth a note, and ends no wait.
func TestAQuietKernelsSilenceIsNotFinal(t *testing.T) {
	for console, quiet := range map[string]bool{
		loaded: true,
		loaded + "[    0.000000] Kernel command line: ro quiet\r\n":                    false,
		stage1 + "[    0.000000] Kernel command line: console=ttyS0 loglevel=3 ro\r\n": false,
		banner + "Kernel command line: ro quiet\r\nLoading /boot/bzImage... ok\r\n":    false,
	} {
		synctest.Test(t, func(t *testing.T) {
			var seen []Trip
			w := New(Config{Quiet: quiet, OnTrip: func(trip Trip) { seen = append(seen, trip) }})
			w.Write([]byte(console))
			for range 3600 {
				time.Sleep(time.Second)
				assert.Nil(t, w.Idle(time.Now()), "%q", console)
			}
			require.Len(t, seen, 1, "%q", console)
			assert.False(t, seen[0].Fatal)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(Config{})
		w.Write([]byte(loaded + "[    0.000000] Kernel command line: ro loglevel=7\r\n"))
		time.Sleep(time.Hour)
		assert.NotNil(t, w.Idle(time.Now()))
	})
}

// A loop is told of in the stage in which the machine has started again.
func TestARebootLoopHasItsStage(t *testing.T) {
	var seen []Trip
	w := New(Config{OnTrip: func(trip Trip) { seen = append(seen, trip) }})
	w.Write([]byte(strings.Repeat(stage1, 3)))
	require.Len(t, seen, 1)
	assert.Equal(t, "reboot-loop", seen[0].ID)
	assert.Equal(t, Bootloader, seen[0].Stage)
}

// What was seen on the way is what a silence after it is called.
func TestASilenceIsNamedByItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Config{})
		w.Write([]byte(stage2 + "[ TIME ] Timed out waiting for device /dev/sdb1.\r\n[  OK  ] Reached target Swaps.\r\n"))
		time.Sleep(time.Hour)
		trip := w.Idle(time.Now())
		require.NotNil(t, trip)
		assert.Equal(t, "device-timeout", trip.ID)
		assert.Contains(t, trip.Line, "nothing for 5m0s; shown by: [ TIME ] Timed out waiting")
	})
}

func TestPatienceScalesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Config{Patience: 0.1})
		w.Write([]byte(loaded))
		time.Sleep(31 * time.Second)
		require.NotNil(t, w.Idle(time.Now()))
	})
}
