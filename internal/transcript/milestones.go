package transcript

import (
	"regexp"
	"slices"

	"bootaudit/internal/screen"
)

// milestone is a kind of line that has a name of its own in [Stages], or comes
// between those that have.
type milestone struct {
	name    string
	words   []string // one of them is in the line, else pattern is not tried
	pattern *regexp.Regexp
}

// milestones is the table of them, in the order of a boot. A shell's prompt is
// the last.
var milestones = []milestone{
	{"firmware", []string{"SeaBIOS", "BdsDxe", "UEFI", "iPXE"},
		regexp.MustCompile(`^SeaBIOS \(|^BdsDxe: |^UEFI (Interactive Shell|firmware)|^iPXE `)},
	{"bootloader", []string{"LINUX ", "GRUB", "systemd-boot", "Limine"},
		regexp.MustCompile(`^(?:ISO|SYS|EXT|PXE)LINUX \d|^Welcome to GRUB!|GNU GRUB +version|^systemd-boot \d|^ *Limine \d`)},
	{"menu", []string{"Automatic boot in", "Press [Tab]", "highlighted entry", "Use the ", "Press ENTER to boot", "boot:"},
		regexp.MustCompile(`Automatic boot in \d+|Press \[Tab\] to edit options|The highlighted entry will be executed|Use the .* keys to (?:select|change)|Press ENTER to boot|^boot: ?$`)},
	{"kernel-load", []string{"Loading ", "Booting ", "EFI stub", "Linux version", "Decompressing"},
		regexp.MustCompile(`Loading \S*(?:/|\bvmlinu|\blinux|bzImage|kernel)\S*\.\.\. ?|^Loading (?:Linux|initial ramdisk)\b|^ *Booting .(?:NixOS|Debian|.*[Ll]inux)|^EFI stub: |(?:^|\] )Linux version \d|^Decompressing Linux`)},
	{"stage-1", []string{"NixOS Stage 1", "Loading, please wait", "Begin: ", "running in initrd", "Running in initrd", "dracut", "(initramfs)", "Run /init as init"},
		regexp.MustCompile(`^<<< NixOS Stage 1 >>>|^Loading, please wait|^Begin: |systemd\[1\]: Running in (?:initrd|initramfs)|^dracut[-:]|(?:^|\] )dracut(?:-\w+)?(?:\[\d+\])?: |^\(initramfs\)|\] Run /init as init process`)},
	{"stage-2", []string{"NixOS Stage 2"},
		regexp.MustCompile(`^<<< NixOS Stage 2 >>>`)},
	{"systemd", []string{"Welcome to ", "[  OK  ]", "start job is running", "systemd[1]: ", "starting systemd..."},
		regexp.MustCompile(`^Welcome to (?:[^G]|G[^R]).*!$|^\[ {2}OK {2}\] |^\[[ *]{6}\] .*A start job is running for|\] systemd\[1\]: (?:systemd \d+.* running in system mode|Detected |Hostname set to)|^starting systemd\.\.\.`)},
	{"issue", []string{"<<< Welcome to"},
		regexp.MustCompile(`^<<< Welcome to .*>>>`)},
	{"login", []string{"login:"},
		regexp.MustCompile(`^[\w.-]+ login:(?: |$)`)},
	{"autologin", []string{"(automatic login)"},
		regexp.MustCompile(`login: ([\w.-]+) \(automatic login\)`)},
}

// milestone notes which one a line shows. A line that is an autologin is also a
// login: the last counts. A prompt in a rescue shell is none.
func (a *analyzer) milestone(l screen.Line, in wordSet, prompts bool) {
	at, name := -1, ""
	switch {
	case prompts:
		if a.boot.Stage() != "shell" {
			return
		}
		at, name = len(milestones), "shell"
	default:
		for i := len(milestones) - 1; i > a.reached && at < 0; i-- {
			if in.has(firstMilestone+word(i)) && milestones[i].pattern.Match(l.Text) {
				at, name = i, milestones[i].name
			}
		}
	}
	if at <= a.reached {
		return
	}
	a.reached = at
	if name == "autologin" {
		a.stage("issue", l.Offset, string(l.Text))
	}
	if slices.Contains(Stages, name) {
		a.stage(name, l.Offset, string(l.Text))
	}
}
