package watch

import (
	"regexp"
	"time"
)

// Stage is how far a boot has come. Stages are ordered; see [Stage.Reached].
type Stage string

const (
	Firmware   Stage = "firmware"
	Bootloader Stage = "bootloader"
	Menu       Stage = "menu"
	KernelLoad Stage = "kernel-load"
	Initrd     Stage = "initrd"
	Init       Stage = "init"
	Login      Stage = "login"
	Shell      Stage = "shell"
)

// stages are all of them, in the order of a boot.
var stages = []Stage{Firmware, Bootloader, Menu, KernelLoad, Initrd, Init, Login, Shell}

// Reached is true when s is other or comes after it. The zero Stage comes
// before all.
func (s Stage) Reached(other Stage) bool { return s.rank() >= other.rank() }

func (s Stage) rank() int {
	for i, each := range stages {
		if s == each {
			return i + 1
		}
	}
	return 0
}

// Reached is a stage, with the line that showed it.
type Reached struct {
	Stage     Stage
	Milestone string // the kind of line, such as "login" or "autologin"
	At        time.Time
	Line      string
	Offset    int64
}

// milestone is a kind of line that has a name of its own within a boot: stages
// themselves are the verdict's.
type milestone struct {
	name    string
	stage   Stage
	words   []string // one of them is in the line, else pattern is not tried
	pattern *regexp.Regexp
}

// milestones is the table of stage marks, in the order of a boot.
var milestones = []milestone{
	{"firmware", Firmware, []string{"SeaBIOS", "BdsDxe", "UEFI", "iPXE"},
		regexp.MustCompile(`^SeaBIOS \(|^BdsDxe: |^UEFI (Interactive Shell|firmware)|^iPXE `)},
	{"bootloader", Bootloader, []string{"LINUX ", "GRUB", "systemd-boot", "Limine"},
		regexp.MustCompile(`^(?:ISO|SYS|EXT|PXE)LINUX \d|^Welcome to GRUB!|GNU GRUB +version|^systemd-boot \d|^ *Limine \d`)},
	{"menu", Menu, []string{"Automatic boot in", "Press [Tab]", "highlighted entry", "Use the ", "Press ENTER to boot", "boot:"},
		regexp.MustCompile(`Automatic boot in \d+|Press \[Tab\] to edit options|The highlighted entry will be executed|Use the .* keys to (?:select|change)|Press ENTER to boot|^boot: ?$`)},
	{"kernel-load", KernelLoad, []string{"Loading ", "Booting ", "EFI stub", "Linux version", "Decompressing"},
		regexp.MustCompile(`Loading \S*(?:/|\bvmlinu|\blinux|bzImage|kernel)\S*\.\.\. ?|^Loading (?:Linux|initial ramdisk)\b|^ *Booting .(?:NixOS|Debian|.*[Ll]inux)|^EFI stub: |(?:^|\] )Linux version \d|^Decompressing Linux`)},
	{"stage-1", Initrd, []string{"NixOS Stage 1", "Loading, please wait", "Begin: ", "running in initrd", "Running in initrd", "dracut", "(initramfs)", "Run /init as init"},
		regexp.MustCompile(`^<<< NixOS Stage 1 >>>|^Loading, please wait|^Begin: |systemd\[1\]: Running in (?:initrd|initramfs)|^dracut[-:]|(?:^|\] )dracut(?:-\w+)?(?:\[\d+\])?: |^\(initramfs\)|\] Run /init as init process`)},
	{"stage-2", Init, []string{"NixOS Stage 2"},
		regexp.MustCompile(`^<<< NixOS Stage 2 >>>`)},
	{"systemd", Init, []string{"Welcome to ", "[  OK  ]", "start job is running", "systemd[1]: ", "starting systemd..."},
		regexp.MustCompile(`^Welcome to (?:[^G]|G[^R]).*!$|^\[ {2}OK {2}\] |^\[[ *]{6}\] .*A start job is running for|\] systemd\[1\]: (?:systemd \d+.* running in system mode|Detected |Hostname set to)|^starting systemd\.\.\.`)},
	{"issue", Login, []string{"<<< Welcome to"},
		regexp.MustCompile(`^<<< Welcome to .*>>>`)},
	{"login", Login, []string{"login:"},
		regexp.MustCompile(`^[\w.-]+ login:(?: |$)`)},
	{"autologin", Login, []string{"(automatic login)"},
		regexp.MustCompile(`login: ([\w.-]+) \(automatic login\)`)},
	{"shell", Shell, nil, prompt},
}

// milestoneOf is the place of line's milestone in the table, or -1. A line that is
// an autologin is also a login: the last match counts. It leaves out those that
// are no news after the given one.
func milestoneOf(line []byte, found rows, reached int) int {
	last := len(milestones) - 1
	if _, ok := PromptEnd(line); ok {
		return last
	}
	for i := last - 1; i > reached; i-- {
		if found.has(i) && milestones[i].pattern.Match(line) {
			return i
		}
	}
	return -1
}
