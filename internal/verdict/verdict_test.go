package verdict

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func read(console string) Verdict {
	var r Reader
	for i, line := range strings.Split(console, "\n") {
		r.Line(i+1, 0, []byte(line))
	}
	return r.Verdict()
}

const (
	loads   = "SeaBIOS (version 1.16)\nISOLINUX 6.04 20200816\nLoading /live/vmlinuz... ok\n[    0.000000] Linux version 6.1.0\n"
	initrds = loads + "[    1.000000] Run /init as init process\nLoading, please wait...\nBegin: Running /scripts/local-top ... done.\n"
	inits   = initrds + "Welcome to Debian GNU/Linux 12 (bookworm)!\n[  OK  ] Started systemd-journald.service - Journal Service.\n"
	logins  = inits + "\nDebian GNU/Linux 12 host ttyS0\n\nhost login: "
	shells  = logins + "root (automatic login)\nroot@host:~# "
)

// What OVMF with Secure Boot says of a CD, and of its own shell, which nobody
// signed: it stands at the end of every boot that fails there.
const (
	starting = "BdsDxe: starting Boot0001 \"UEFI QEMU DVD-ROM QM00001 \" from PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x0,0xFFFF,0x0)\n"
	failing  = "BdsDxe: failed to load Boot0001 \"UEFI QEMU DVD-ROM QM00001 \" from PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x0,0xFFFF,0x0): "
	nothing  = "BdsDxe: loading Boot0002 \"EFI Internal Shell\" from Fv(7CB8BDC9)/FvFile(7C04A583)\n" +
		"BdsDxe: starting Boot0002 \"EFI Internal Shell\" from Fv(7CB8BDC9)/FvFile(7C04A583)\n" +
		"BdsDxe: failed to start Boot0002 \"EFI Internal Shell\" from Fv(7CB8BDC9)/FvFile(7C04A583): Security Violation\n" +
		"BdsDxe: No bootable option or device was found.\nBdsDxe: Press any key to enter the Boot Manager Menu.\n"
)

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		console, verdict, stage, class, id string
	}{
		"nothing":                     {"", Unclear, "", None, ""},
		"no console at all":           {"hello\nworld\n", Unclear, "", None, ""},
		"cut off in the kernel":       {loads + "[    0.100000] Memory: 1 GB\n", Unclear, "kernel-load", None, ""},
		"login":                       {logins, Boots, "login", None, ""},
		"shell":                       {shells, Boots, "shell", None, ""},
		"no login on this console":    {inits + "[  OK  ] Reached target multi-user.target - Multi-User System.\n", Boots, "init", None, ""},
		"busybox":                     {loads + "[    1.000000] Run /init as init process\nStarting syslogd: OK\n\nWelcome to Buildroot\nbuildroot login: root\n# ", Boots, "shell", None, ""},
		"a shell as init":             {"[    1.000000] Linux version 6.1\n[    1.200000] Run /bin/sh as init process\n/bin/sh: can't access tty; job control turned off\n/ # ", Boots, "shell", None, ""},
		"openwrt":                     {"[    1.000000] Linux version 6.1\n[    9.100000] procd: - init -\nPlease press Enter to activate this console.\n", Boots, "login", None, ""},
		"passed on the way":           {strings.Replace(shells, "Welcome to Debian", "[    2.000000] BUG: kernel NULL pointer dereference, address: 0\nWelcome to Debian", 1), Boots, "shell", None, ""},
		"timed out and passed":        {strings.Replace(logins, "\nDebian GNU", "[ TIME ] Timed out waiting for device /dev/sdb1.\n\nDebian GNU", 1), Boots, "login", None, ""},
		"panic after the login":       {shells + "\n[   99.000000] Kernel panic - not syncing: Fatal exception\n", Fails, "shell", "kernel-crash", "kernel-panic"},
		"no disk":                     {"SeaBIOS (version 1.16)\nBooting from Hard Disk...\nBoot failed: not a bootable disk\nNo bootable device.\n", Fails, "firmware", "no-boot-medium", "no-bootable-device"},
		"secure boot":                 {"BdsDxe: failed to load Boot0001 \"UEFI\" from Pci(0x1): Access Denied\n", Fails, "firmware", "secure-boot", "secure-boot"},
		"shim without GRUB":           {starting + "start_image() returned Not Found\n" + failing + "Not Found\n" + nothing, Fails, "firmware", "bootloader", "shim-no-loader"},
		"nothing for Secure Boot":     {failing + "Not Found\n" + nothing, Fails, "firmware", "no-boot-medium", "no-bootable-device"},
		"refused, and nothing else":   {failing + "Access Denied\n" + nothing, Fails, "firmware", "secure-boot", "secure-boot"},
		"refused by shim":             {starting + "\xb3   Verification failed: (0x1A) Security Violation   \xb3\n", Fails, "firmware", "secure-boot", "secure-boot"},
		"refused, then from disk":     {failing + "Access Denied\n" + shells, Boots, "shell", None, ""},
		"grub":                        {"Welcome to GRUB!\n\nerror: file `/boot/grub/i386-pc/normal.mod' not found.\nEntering rescue mode...\ngrub rescue> ", Fails, "bootloader", "bootloader", "grub-error"},
		"grub's fonts":                {"Welcome to GRUB!\nerror: file `/boot/grub/fonts/unicode.pf2' not found.\nerror: no suitable video mode found.\n" + shells, Boots, "shell", None, ""},
		"silent":                      {"U-Boot 2023.01 (Jan 01 2023)\nHit any key to stop autoboot:  0\nStarting kernel ...\n\n", Fails, "kernel-load", "kernel-silent", "no-kernel-console"},
		"silent after ISOLINUX":       {"ISOLINUX 6.04 20200816\nLoading /live/vmlinuz... ok\nLoading /live/initrd.img...ok\n", Fails, "kernel-load", "kernel-silent", "no-kernel-console"},
		"not silent":                  {"U-Boot 2023.01 (Jan 01 2023)\nStarting kernel ...\n[    0.000000] Linux version 6\n[    0.100000] smp: up\n", Unclear, "kernel-load", None, ""},
		"no root":                     {loads + "[    1.000000] VFS: Cannot open root device \"sda\" or unknown-block(0,0): error -6\n[    1.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", Fails, "kernel-load", "root-missing", "root-not-mounted"},
		"the reason of no root":       {loads + "[    0.500000] Initramfs unpacking failed: junk within compressed archive\n[    1.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", Fails, "kernel-load", "initrd-damaged", "initrd-damaged"},
		"an initrd passed":            {strings.Replace(shells, "[    1.000000] Run", "[    0.500000] Initramfs unpacking failed: junk within compressed archive\n[    1.000000] Run", 1), Boots, "shell", None, ""},
		"live medium":                 {initrds + "Unable to find a medium containing a live file system\n\nBusyBox v1.35.0 (Debian) built-in shell (ash)\n(initramfs) ", Fails, "initrd", "root-missing", "root-device-missing"},
		"a rescue shell answers":      {initrds + "ALERT!  UUID=1 does not exist.  Dropping to a shell!\n(initramfs) ls\nbin dev\n/ # ", Fails, "initrd", "root-missing", "root-device-missing"},
		"no init":                     {initrds + "[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n", Fails, "initrd", "init", "init-missing"},
		"old CPU":                     {inits + "/lib64/libc.so.6: CPU ISA level is lower than required\n[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00\n", Fails, "init", "cpu-too-old", "cpu-too-old"},
		"emergency":                   {inits + "[ TIME ] Timed out waiting for device dev-sdb1.device.\nYou are in emergency mode. After logging in, type\nGive root password for maintenance\n", Fails, "init", "device-missing", "device-timeout"},
		"an emergency at the end":     {inits + "[  OK  ] Finished Record Runlevel Change in UTMP.\nYou are in emergency mode. After logging in, type\nPress Enter for maintenance\n", Fails, "init", "service", "emergency-mode"},
		"an initrd's shell":           {initrds + "\nBusyBox v1.35.0 (Debian) built-in shell (ash)\n\n(initramfs) ", Fails, "initrd", "root-missing", "initrd-shell"},
		"a person went on":            {inits + "You are in emergency mode. After logging in, type\nPress Enter to continue\n\nhost login: root\nroot@host:~# ", Boots, "shell", None, ""},
		"passphrase":                  {initrds + "Please unlock disk sda2_crypt: ", Fails, "initrd", "waits-for-person", "passphrase"},
		"a passphrase that was given": {strings.Replace(shells, "Welcome to Debian", "Please unlock disk sda2_crypt: \nWelcome to Debian", 1), Boots, "shell", None, ""},
		"network":                     {initrds + "ipconfig: no devices to configure\n[    9.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200\n", Fails, "initrd", "network", "no-network-for-root"},
		"lockup":                      {inits + "[   60.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [systemd:1]\n", Fails, "init", "stall", "soft-lockup"},
		"a lockup that passed":        {strings.Replace(shells, "Welcome to Debian", "[   60.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper:1]\nWelcome to Debian", 1), Boots, "shell", None, ""},
		"an endless job":              {inits + "[***   ] A start job is running for Wait for Network (2min 3s / no limit)", Fails, "init", "stall", "job-hangs"},
		"host":                        {"qemu-system-x86_64: failed to initialize kvm: Permission denied\n", Fails, "", "host", "kvm-unusable"},
		"the second boot counts":      {loads + "[    1.100000] Kernel panic - not syncing: Fatal exception\nRebooting in 1 seconds..\n" + shells, Boots, "shell", None, ""},
		"the second boot fails":       {shells + "reboot\n[   50.000000] reboot: Restarting system\n" + loads + "[    1.100000] Kernel panic - not syncing: Fatal exception\n", Fails, "kernel-load", "kernel-crash", "kernel-panic"},
		"back in the firmware":        {loads + "[    1.100000] Kernel panic - not syncing: Fatal exception\nSeaBIOS (version 1.16)\n", Fails, "firmware", "kernel-crash", "kernel-panic"},
		"again and again":             {strings.Repeat(loads, 4), Fails, "kernel-load", "reboot-loop", "reboot-loop"},
		"a log read in a shell":       {shells + "dmesg\n[    0.000000] Linux version 6.1.0\n[    0.100000] Memory: 1 GB\nroot@host:~# ", Boots, "shell", None, ""},
		"systemd in the initrd":       {loads + "[    1.000000] systemd[1]: Running in initrd.\nWelcome to Fedora dracut-059 (Initramfs)!\n[  OK  ] Reached target basic.target.\n", Unclear, "initrd", None, ""},
		"systemd says where late":     {loads + "[    1.000000] systemd[1]: systemd 252 running in system mode\n[    1.100000] systemd[1]: Running in initrd.\n", Unclear, "initrd", None, ""},
		"systemd out of the initrd":   {loads + "[    1.000000] systemd[1]: Running in initrd.\n[    2.000000] systemd[1]: Switching root.\nWelcome to Fedora Linux 39!\n", Unclear, "init", None, ""},
		"a dialog":                    {inits + " <Tab>/<Alt-Tab> between elements | <Space> selects\n", Fails, "init", "waits-for-person", "dialog"},
		"a rescue shell of NixOS":     {loads + "<<< NixOS Stage 1 >>>\n\nTimed out waiting for device /dev/root, trying to mount anyway.\nAn error occurred in stage 1 of the boot process, which must mount the\n", Fails, "initrd", "root-missing", "root-device-missing"},
		"provisioning config":         {loads + "[    5.000000] ignition[400]: failed to fetch config: invalid\nIgnition has failed. Please ensure your config is valid.\n", Fails, "initrd", "config-refused", "config-unfetched"},
		"too little memory":           {loads + "[    2.000000] Kernel panic - not syncing: System is deadlocked on memory\n", Fails, "kernel-load", "memory", "panic-memory"},
		"damaged":                     {inits + "[   70.000000] SQUASHFS error: xz decompression failed, data probably corrupt\n", Fails, "init", "root-damaged", "squashfs-error"},
		"firmware crashed":            {"!!!! X64 Exception Type - 06(#UD - Invalid Opcode)  CPU Apic ID - 00000000 !!!!\n", Fails, "firmware", "firmware-crash", "efi-exception"},
		"a kernel of another kind":    {"U-Boot 2023.01 (Jan 01 2023)\nBad Linux ARM64 Image magic!\n", Fails, "bootloader", "kernel-refused", "kernel-not-started"},
		"QEMU's fault":                {inits + "qemu-system-x86_64: ../block/io.c:12: bdrv_x: Assertion `bs' failed.\n", Fails, "init", "host", "qemu-assertion"},
		"unsigned":                    {"Welcome to GRUB!\nerror: /vmlinuz has invalid signature.\nerror: you need to load the kernel first.\n", Fails, "bootloader", "secure-boot", "signature-refused"},
		"unsigned for U-Boot":         {"U-Boot 2023.01 (Jan 01 2023)\nFailed to verify required signature 'key-dev'\nBad Data Hash\nERROR: can't get kernel image!\n", Fails, "bootloader", "secure-boot", "signature-refused"},
		"U-Boot crashed":              {"U-Boot 2023.01 (Jan 01 2023)\n\"Synchronous Abort\" handler, esr 0x96000004\nresetting ...\n", Fails, "bootloader", "firmware-crash", "efi-exception"},
		"SPL":                         {"U-Boot SPL 2023.01 (Jan 01 2023)\nTrying to boot from MMC1\nSPL: failed to boot from all boot devices\n### ERROR ### Please RESET the board ###\n", Fails, "firmware", "no-boot-medium", "no-bootable-device"},
		"EFI's shell":                 {"UEFI Interactive Shell v2.2\nPress ESC in 1 seconds to skip startup.nsh\nShell> ", Fails, "firmware", "no-boot-medium", "efi-shell"},
		"EFI's shell, and why":        {"BdsDxe: failed to load Boot0001 \"UEFI\" from Pci(0x1): Access Denied\nUEFI Interactive Shell v2.2\nShell> ", Fails, "firmware", "secure-boot", "secure-boot"},
		"systemd-boot":                {"systemd-boot 254\nError loading \\vmlinuz: Unsupported\n", Fails, "bootloader", "kernel-refused", "kernel-not-started"},
		"GRUB's memory":               {"Welcome to GRUB!\nerror: out of memory.\n\nPress any key to continue...", Fails, "bootloader", "memory", "loader-memory"},
		"a kernel that is cut off":    {"Uncompressing Linux...\n\nXZ-compressed data is corrupt\n\n -- System halted", Fails, "kernel-load", "kernel-refused", "kernel-not-started"},
		"tasks stood still":           {inits + "[  370.000000] Kernel panic - not syncing: hung_task: blocked tasks\n", Fails, "init", "stall", "panic-stall"},
		"verity":                      {inits + "[    4.000000] Kernel panic - not syncing: dm-verity device corrupted\n", Fails, "init", "root-damaged", "panic-verity"},
		"init's instructions":         {initrds + "[    3.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000004\n", Fails, "initrd", "cpu-too-old", "cpu-too-old"},
		"GRUB's password":             {"Welcome to GRUB!\nEnter username: ", Fails, "bootloader", "waits-for-person", "grub-password"},
		"fsck asks":                   {inits + "Inode 12 has illegal blocks.  Clear<y>? ", Fails, "init", "waits-for-person", "fsck-asks"},
		"a second entry":              {"Welcome to GRUB!\n  Booting `Debian GNU/Linux'\nerror: file `/vmlinuz' not found.\n  Booting `Debian GNU/Linux, old'\n" + shells, Boots, "shell", None, ""},
		"a second entry's end":        {"Welcome to GRUB!\n  Booting `Debian GNU/Linux'\nerror: file `/vmlinuz' not found.\n  Booting `Debian GNU/Linux, old'\n[    0.000000] Linux version 6.1.0\n[    0.100000] Memory: 1 GB\n", Unclear, "kernel-load", None, ""},
		"an oops long before":         {inits + "[   12.000000] Oops: 0000 [#1] SMP\n" + strings.Repeat("[   13.000000] usb 1-1: new device\n", 300) + "[   90.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", Fails, "init", "root-missing", "root-not-mounted"},
		"an oops just before":         {inits + "[   12.000000] Oops: 0000 [#1] SMP\n[   12.100000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n", Fails, "init", "kernel-crash", "kernel-oops"},
		"a lockup long before":        {inits + "[   60.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [systemd:1]\n" + strings.Repeat("[  OK  ] Started something.\n", 300), Unclear, "init", None, ""},
		"asked under the kernel":      {inits + "Please enter passphrase for disk secret: \n[   33.000000] usb 1-1: new device\n[  *** ] A start job is running for Cryptography Setup for secret (9s / no limit)\n", Fails, "init", "waits-for-person", "passphrase"},
		"asked, and went on":          {inits + "Please enter passphrase for disk secret: \n[  OK  ] Started something.\n", Unclear, "init", None, ""},
		"a root over the network":     {loads + "[   99.000000] VFS: Unable to mount root fs via NFS.\n[   99.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,255)\n", Fails, "kernel-load", "network", "panic-nfs"},
		"the early console's end":     {loads + "[    0.010000] printk: bootconsole [uart0] disabled\n", Fails, "kernel-load", "kernel-silent", "no-kernel-console"},
		"another console follows":     {loads + "[    0.010000] printk: bootconsole [uart0] disabled\n[    0.100000] smp: up\n", Unclear, "kernel-load", None, ""},
		"u-root":                      {loads + "[    1.000000] Run /init as init process\n2024/01/01 00:00:00 Welcome to u-root!\n> ", Boots, "shell", None, ""},
		"a quotation":                 {inits + "> ", Unclear, "init", None, ""},
		"kernels alone, thrice":       {strings.Repeat("[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n", 3), Fails, "kernel-load", "reboot-loop", "reboot-loop"},
		"kernels alone, twice":        {strings.Repeat("[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n", 2), Unclear, "kernel-load", None, ""},
		"an initrd's own targets":     {loads + "[ TIME ] Timed out waiting for device dev-gpt\\x2dauto\\x2droot.device.\n[DEPEND] Dependency failed for initrd-root-device.target.\n", Fails, "initrd", "device-missing", "device-timeout"},
		"a target of the root's":      {inits + "[ TIME ] Timed out waiting for device dev-sdb1.device.\n[DEPEND] Dependency failed for local-fs.target.\n", Fails, "init", "device-missing", "device-timeout"},
		"dracut's shell":              {loads + "[  180.905370] focal dracut-initqueue[408]: Warning: Could not boot.\n[  184.837423] focal systemd[1]: Starting Dracut Emergency Shell...\n", Fails, "initrd", "root-missing", "root-device-missing"},
		"Ignition in an emergency":    {initrds + "Generating \"/run/initramfs/rdsosreport.txt\"\nEntering emergency mode. Exit the shell to continue.\n[   10.124010] ignition[851]: CRITICAL : Ignition failed: failed to create files: gzip: invalid header\nPress Enter for system maintenance\n", Fails, "initrd", "config-refused", "config-unfetched"},
		"Talos":                       {loads + "[    5.000000] [talos] [initramfs] booting Talos v1.8.2\n[   20.000000] [talos] phase config (2/7): done, 20ms\n[   20.100000] [talos] initialize sequence: failed\n[   20.200000] [talos] rebooting in 35 seconds\n", Fails, "init", "service", "talos-failed"},
		"Talos in the initrd":         {loads + "[    5.000000] [talos] [initramfs] mounting the rootfs\n", Unclear, "initrd", None, ""},
		"the Pi's firmware":           {"RPi: BOOTLOADER release VERSION:c302dea0\nBoot mode: SD (01) order f1\nrecovery.elf not found (2)\nstart4.elf not found (2)\nstart.elf not found (2)\n", Fails, "firmware", "no-boot-medium", "pi-firmware-missing"},
		"the Pi's second medium":      {"RPi: BOOTLOADER release VERSION:c302dea0\nBoot mode: SD (01) order f1\nstart4.elf not found (2)\nBoot mode: NETWORK (02) order f\n[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n", Unclear, "kernel-load", None, ""},
		"U-Boot's network":            {"TFTP from server 10.0.0.219; our IP address is 10.0.0.83\nLoading: *\nARP Retry count exceeded; starting again\nast# ", Fails, "bootloader", "network", "net-boot-failed"},
		"the next after the network":  {"TFTP from server 10.0.0.219; our IP address is 10.0.0.83\nTFTP error: 'File not found' (1)\n## Loading kernel from FIT Image at 83000000 ...\nStarting kernel ...\n[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n", Unclear, "kernel-load", None, ""},
		"the EFI stub":                {"EFI stub: Booting Linux Kernel...\nEFI stub: ERROR: Exit boot services failed.\n", Fails, "kernel-load", "kernel-refused", "kernel-not-started"},
		"barebox":                     {"barebox 2020.04.0 #1\nBooting entry 'system0'\nLoading MS-DOS executable '/mnt/system/bzImage'\n", Fails, "kernel-load", "kernel-silent", "no-kernel-console"},
		"no live system over a net":   {initrds + "Unable to find a live file system on the network\n\n(initramfs) ", Fails, "initrd", "root-missing", "root-device-missing"},
		"Slim Bootloader":             {"============= Intel Slim Bootloader STAGE2 =============\nASSERT_EFI_ERROR (Status = Not Found)\nSTAGE_2: System halted!\n", Fails, "firmware", "firmware-crash", "efi-exception"},
		"coreboot asserts, and goes":  {"coreboot-4.19 Thu Jan 1 bootblock starting\nASSERTION ERROR: file 'src/x.c', line 174\nSeaBIOS (version 1.16)\n", Unclear, "firmware", None, ""},
		"OpenSBI":                     {"OpenSBI v1.0\nBoot HART ID : 0\nsbi_trap_error: hart0: trap handler failed (error -5)\nsbi_trap_error: hart0: mcause=0x1\n", Fails, "firmware", "firmware-crash", "sbi-trap"},
		"SPL's old words":             {"U-Boot SPL 2014.04 (Apr 15 2014)\nspl: mmc device not found!!\n### ERROR ### Please RESET the board\n", Fails, "firmware", "no-boot-medium", "no-bootable-device"},
		"U-Boot hangs":                {"U-Boot 2023.01 (Jan 01 2023)\ninitcall failed at 43e0c5f8\n### ERROR ### Please RESET the board ###\n", Fails, "bootloader", "firmware-crash", "board-halted"},
		"no root in a small initrd":   {loads + "Partition with root filesystem not found. Waiting...\nGiving up...\n/bin/sh: can't access tty; job control turned off\n/ # ", Fails, "initrd", "root-missing", "root-not-found"},
		"a root that came late":       {loads + "Partition with root filesystem not found. Waiting...\nWelcome to Debian GNU/Linux 12 (bookworm)!\n\nhost login: root\nroot@host:~# ", Boots, "shell", None, ""},
		"no init on the root":         {"run-init: /sbin/init: No such file or directory\nKernel panic - not syncing: Attempted to kill init!\n", Fails, "initrd", "init", "init-missing"},
		"OP-TEE panics":               {"NOTICE:  BL31: v2.10.0\nI/TC: Primary CPU initializing\nE/TC:0 0 Panic 'no key' at core/main.c:45 <init>\nE/TC:0 0 Call stack:\n", Fails, "firmware", "firmware-crash", "secure-world-panic"},
		"OP-TEE beside a kernel":      {"U-Boot 2019.01 (Mar 31 2021)\nStarting kernel ...\n\nI/TC: Secondary CPU 1 initializing\n", Fails, "kernel-load", "kernel-silent", "no-kernel-console"},
		"OP-TEE, and a kernel":        {"U-Boot 2019.01 (Mar 31 2021)\nStarting kernel ...\n\nI/TC: Secondary CPU 1 initializing\n[    0.000000] Linux version 6.1.0\n[    0.100000] smp: up\n", Unclear, "kernel-load", None, ""},
		"Xen":                         {"(XEN) Xen version 4.14.0\n(XEN) Panic on CPU 0:\n(XEN) Could not set up DOM0 guest OS\n", Fails, "kernel-load", "kernel-crash", "xen-panic"},
		"Xen and a shell":             {"(XEN) Xen version 4.14.0\n(XEN) Freed 264kB init memory.\n" + shells, Boots, "shell", None, ""},
		"an NFS root that is silent":  {loads + "[   65.427728] Freeing init memory: 1456K\n[  125.721276] nfs: server 192.0.2.1 not responding, still trying\n", Fails, "kernel-load", "network", "nfs-silent"},
		"an NFS server, later there":  {inits + "[  125.721276] nfs: server 192.0.2.1 not responding, still trying\n[  126.721276] nfs: server 192.0.2.1 OK\nhost login: ", Boots, "login", None, ""},
		"an initrd's failed unit":     {loads + "systemd[1]: Running in initrd.\nsystemd[1]: Failed to start Import ZFS pool.\nsystemd[1]: Dependency failed for Initrd File Systems.\n", Fails, "initrd", "root-missing", "initrd-target-failed"},
		"a wrong passphrase":          {initrds + "Please unlock disk cryptroot:\ncryptsetup: cryptsetup failed, bad password or options?\n", Fails, "initrd", "waits-for-person", "passphrase-wrong"},
		"then the right one":          {strings.Replace(shells, "Welcome to Debian", "cryptsetup: cryptsetup failed, bad password or options?\nWelcome to Debian", 1), Boots, "shell", None, ""},
		"Android's init":              {loads + "[    3.048616] init: init first stage started!\n[    3.088822] init: execv(\"/system/bin/init\") failed: No such file or directory\n[    3.094980] init: InitFatalReboot: signal 6\n[    3.121650] reboot: Restarting system with command 'bootloader'\n", Fails, "initrd", "init", "init-missing"},
		"Android's second stage":      {loads + "[    3.048616] init: init first stage started!\n[    4.0] init: init second stage started!\n[    5.0] init: processing action (boot) from (/init.rc:1)\n", Unclear, "init", None, ""},
		"Anaconda's source":           {initrds + "dracut-initqueue[1371]: Warning: It seems that the boot has failed. Possible causes include\n", Fails, "initrd", "root-missing", "root-device-missing"},
		"Debian's installer":          {loads + "main-menu[1247]: INFO: Menu item 'x' selected\nmain-menu[1247]: WARNING **: Menu item 'x' failed.\n", Fails, "init", "config-refused", "install-ended"},
		"systemd gave up":             {inits + "systemd[1]: Freezing execution.\n", Fails, "init", "service", "init-crashed"},
	} {
		v := read(c.console)
		assert.Equal(t, []string{c.verdict, c.stage, c.class, c.id}, []string{v.Verdict, v.Stage, v.Class, v.ID}, name)
		assert.Equal(t, v.Verdict == Fails, v.Class != None, name)
		if v.Cause.Number > 0 {
			assert.Equal(t, strings.TrimRight(strings.Split(c.console, "\n")[v.Cause.Number-1], " "), v.Cause.Text, name)
		}
	}
}

// Lines that look fatal, each in front of a healthy boot and in the midst of it.
func TestHarmlessLines(t *testing.T) {
	for _, line := range []string{
		"error: file `/boot/grub/fonts/unicode.pf2' not found.",
		"error: no suitable video mode found.",
		"[    0.300000] ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND",
		"[    5.100000] Direct firmware load for regulatory.db failed with error -2",
		"sh: can't access tty; job control turned off",
		"Gave up waiting for suspend/resume device",
		"[    1.000000] audit: printk: 5 messages suppressed",
		"[    1.200000] RAS: Correctable Errors collector initialized.",
	} {
		for _, console := range []string{line + "\n" + shells, strings.Replace(shells, "Welcome to Debian", line+"\nWelcome to Debian", 1)} {
			v := read(console)
			assert.Equal(t, Boots, v.Verdict, line)
		}
		v := read(initrds + line + "\n")
		assert.NotEqual(t, Fails, v.Verdict, line)
	}
}

// What a guest may cost is bounded, whatever it prints.
func TestMemoryIsBounded(t *testing.T) {
	var r Reader
	for i := range 100000 {
		r.Line(i+1, 0, fmt.Appendf(nil, "[%5d.000000] BUG: kernel NULL pointer dereference, address: %d %s", i, i, strings.Repeat("x", 500)))
	}
	assert.LessOrEqual(t, len(r.boot.events), len(all))
	for _, e := range r.boot.events {
		assert.LessOrEqual(t, len(e.line.Text), maxText)
	}
}

func FuzzReader(f *testing.F) {
	for _, lines := range told {
		f.Add(lines[0] + "\n" + lines[1])
	}
	f.Add(shells)
	f.Fuzz(func(t *testing.T, console string) {
		v := read(console)
		if v.Verdict != Fails && v.Class != None || len(v.Cause.Text) > maxText {
			t.Errorf("%q: %+v", console, v)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	lines := strings.Split(strings.Repeat(shells, 20)+strings.Repeat("[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n", 2000), "\n")
	size := 0
	text := make([][]byte, len(lines))
	for i, l := range lines {
		text[i], size = []byte(l), size+len(l)+1
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		var r Reader
		for i, l := range text {
			r.Line(i+1, 0, l)
		}
	}
}
