package verdict

import "regexp"

// stages are in the order of a boot; "" is before all.
var stages = []string{"", "firmware", "bootloader", "menu", "kernel-load", "initrd", "init", "login", "shell"}

func rank(stage string) int {
	for i, s := range stages {
		if s == stage {
			return i
		}
	}
	return 0
}

// marks show stages. A line may show several: the furthest counts.
var marks = []mark{
	{"firmware", re(`U-Boot (?:SPL|TPL) (?:20\d\d|1\.|v)|^Trying to boot from |SPL: failed to boot|SeaBIOS \(|BdsDxe: |UEFI Interactive Shell|EDK II|UEFI firmware|^iPXE |coreboot-|CBFS: |^\[(?:DEBUG|INFO |SPEW |NOTE )\]  |OpenSBI v|NOTICE:  BL\d|^Booting from (?:Hard Disk|DVD/CD|ROM|Floppy)|!!!! \S+ Exception Type`)},
	{"firmware", re(`RPi: BOOT(?:LOADER|SYS) release|^Raspberry Pi Bootcode|\bPM_RSTS: 0x|Slim Bootloader STAGE|^ASSERT(?:_EFI_ERROR)? [\[(]|\bSkiBoot\b|^\w+:BL1:|^BL2 Built`)},
	{"bootloader", re(`^TFTP from server |^Found U-Boot script|^## (?:Executing script|Loading \w+|Flattened Device Tree|Checking Image)|^\d+ bytes read in \d+ ms|Retry (?:count|time) exceeded; starting again|Loading android kernel|Failed to boot Android`)},
	{"bootloader", re(`U-Boot (?:20\d\d|1\.|v)|^(?:ISO|SYS|EXT|PXE)LINUX \d|Welcome to G(?:RUB|rub)!|GNU GRUB|^grub(?: rescue)?>|systemd-boot \d|^ *Limine \d|Hit any key to stop|[Aa]utoboot in|bootm command|^Retrieving file: |^LILO |^barebox 20|Failed to load ldlinux|bldr>|RedBoot|Linux ARM64 Image|^Scanning (?:bootdev|for|mmc|usb|disk)`)},
	{"menu", re(`Automatic boot in \d+|Press \[Tab\] to edit options|The highlighted entry will be executed|Use the .* keys to (?:select|change)|Press ENTER to boot`)},
	{"kernel-load", re(`Loading \S*(?:/|\bvmlinu|\blinux|bzImage|kernel)\S*\.\.\.|Loading (?:Linux|initial ramdisk)\b|Booting .(?:NixOS|Debian|.*[Ll]inux)|EFI stub: |Linux version \d|Decompressing Linux|Starting kernel|Uncompressing Linux|Kernel panic - |Kernel command line: |VFS: |NET: Registered|io scheduler \w+ registered|loop: module loaded|Calibrating delay loop|Waiting for root device|Cannot open root device|RAMDISK: `)},
	{"firmware", re(`^(?:INFO|WARNING|ERROR|VERBOSE): {1,4}BL[123]|^[DIEFM]/TC:`)},
	{"kernel-load", re(barebox)},
	{"kernel-load", re(`^\(XEN\) `)},
	{"initrd", re(`\binit: init first stage started!`)},
	{"init", re(`\b(?:main-menu|anna)\[\d+\]: |^(?:base-installer|debootstrap): `)},
	{"init", re(`\binit: (?:init second stage started!|processing action \(|starting service ')`)},
	{"initrd", re(`^dracut Warning: |/run/initramfs/rdsosreport\.txt|\[talos\] \[initramfs\]|Welcome to Genkernel|run-init: |Target filesystem doesn't have requested|root filesystem not found|^Alpine Init \d`)},
	{"initrd", re(`<<< NixOS Stage 1 >>>|in stage 1 of the boot|Loading, please wait|(?:^|\] )Begin: |[Rr]unning in (?:initrd|initramfs)|dracut(?:-[\w-]+)?(?:\[\d+\])?: |dracut[:#-]|\(initramfs\)|\] Run /init as init process|ipconfig: |Mounting boot media|/sysroot\b|^\[rootfs [~/]|Ignition (?:has failed|\d)|ignition\[\d+\]|import the root pool|zpool import|mnt-root|:: running (?:early )?hook|Starting initrd|initramfs emergency recovery|did not show up after|switch_root`)},
	{"init", re(`\[talos\] (?:phase|task|\w+ sequence|service\[)|^=> Init system encountered`)},
	{"init", re(`<<< NixOS Stage 2 >>>|Welcome to u-root!|(?:^|\] )Welcome to (?:[^G]|G[^Rr]).*!|\[  OK  \]|\[FAILED\]|\[ TIME \]|\[DEPEND\]|A start job is running for|systemd\[1\]: |systemd-(?:logind|networkd|resolved|timesyncd)\[|\[systemd:1\]|OpenRC \d|INIT: (?:version|Entering)|init started: |procd: - |- (?:pre)?init -|runit: (?:enter|leave) stage|Starting syslogd|cloud-init(?:\[\d+\])?[: ]|s6-(?:rc|svscan|linux-init)|You are in emergency mode|Freezing execution|/etc/init\.d/rcS|anaconda|parsing the kickstart|install exited|^starting systemd|What language would you|Starting network|libc\.so\.6: CPU ISA|re-mounted\. Opts: |Failed to start default\.target`)},
	{"login", re(`^[\x00-\x20]{0,8}[\w.-]+ login:|^ ?login: ?\w|\S login: \S+ \(automatic login\)|\(none\) login:|Please press Enter to activate this console|^Login incorrect|^Password: ?$|^\S.*(?:Linux|Yocto|Debian|Ubuntu|Poky|OpenEmbedded|Fedora|Arch).* \S+ tty(?:S|AMA|mxc|1)\w*$|^\S.* hvc0$`)},
}

// ranks are those of the marks' stages.
var ranks = func() []int {
	var ranks []int
	for _, m := range marks {
		ranks = append(ranks, rank(m.stage))
	}
	return ranks
}()

var bootloader, initRank, login, shell = rank("bootloader"), rank("init"), rank("login"), rank("shell")

// prompts are how shells ask, each at a line's beginning.
var prompts = regexp.MustCompile(`^[\x00-\x20]{0,8}(?:\[?[\w.-]+@[\w.()-]+(?::| )[^$#\]>]{0,80}\]?[$#](?: |$)|[\w.-]*sh-\d[\d.]*[$#](?: |$)|(?:~|/[\w./-]*|[\w.-]+:[~/][\w./-]*) ?[$#](?: |$)|[A-Z][A-Z-]{3,20}>(?: |$))`)

// notPrompts look like one and are a firmware's, a boot loader's or a rescue's.
var notPrompts = regexp.MustCompile(`^dracut:/|^(?:Shell|FS\d+:|BOOT|U-BOOT|UBOOT|GRUB|RESCUE|MX\d+|ZYNQMP?)>|\(initramfs\)|^\[rootfs `)

// bare is a prompt of which nothing but its sign is left.
var bare = regexp.MustCompile(`^[#$] ?$`)

// lone is how u-root's shell asks.
var lone = regexp.MustCompile(`^>(?: |$)`)

// asks says whether a line begins with a shell's prompt.
func asks(line []byte) bool {
	line = line[:min(len(line), 160)]
	for i, b := range line {
		if (b == '#' || b == '$' || b == '>') && (i+1 == len(line) || line[i+1] == ' ') {
			return prompts.Match(line) && !notPrompts.Match(line)
		}
	}
	return false
}
