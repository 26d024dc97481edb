package transcript

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/verdict"
)

// brokenBoot is a boot whose sixth line tells why it fails.
const brokenBoot = `SeaBIOS (version 1.16)
ISOLINUX 6.04 20200816
Loading /live/vmlinuz... ok
[    0.000000] Linux version 6.1.0
[    0.100000] smp: up
[    0.500000] Initramfs unpacking failed: junk within compressed archive
[    1.100000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
`

// captures are what terminal programs and CI systems make of a console, and how
// many lines they put in front of it.
var captures = map[string]struct {
	before int
	wrap   func(console string) string
}{
	"as it is":         {0, func(c string) string { return c }},
	"line ends of DOS": {0, dos},
	"UTF-16 (PowerShell)": {0, func(c string) string {
		text := []byte{}
		for _, unit := range utf16.Encode([]rune("\uFEFF" + dos(c))) {
			text = binary.LittleEndian.AppendUint16(text, unit)
		}
		return string(text)
	}},
	"GitLab's sections": {1, func(c string) string {
		return "section_start:1560896352:boot[collapsed=true]\r\x1b[0K\x1b[36;1mBoot\x1b[0;m\n" + c + "section_end:1560896353:boot\r\x1b[0K\n"
	}},
	"a section on the line": {0, func(c string) string {
		return "section_start:1560896352:boot\r\x1b[0K" + c + "section_end:1560896353:boot\r\x1b[0K\n"
	}},
	"GitHub's groups": {3, func(c string) string {
		return stamped("2024-05-01T12:00:00.1234567Z ", "##[group]Run qemu\nshell: /usr/bin/bash -e {0}\n##[endgroup]\n"+c+"##[error]Process completed with exit code 1.\n")
	}},
	"script(1)": {1, func(c string) string {
		return `Script started on 2024-05-01 12:00:00+00:00 [TERM="xterm" TTY="/dev/pts/0" COLUMNS="80" LINES="24"]` + "\n" + dos(c) + "\nScript done on 2024-05-01 12:01:00+00:00 [COMMAND_EXIT_CODE=\"0\"]\n"
	}},
	"Jenkins": {2, func(c string) string {
		return stamped("[2024-05-01T12:00:00.123Z] ", "[Pipeline] sh\n+ qemu\n"+c+"[Pipeline] }\nFinished: FAILURE\n")
	}},
	"kubectl logs": {0, func(c string) string { return stamped("2024-05-01T12:00:00.123456789Z ", c) }},
	"tio": {3, func(c string) string {
		return dos("[12:00:00.123] tio v2.7\n[12:00:00.124] Press ctrl-t q to quit\n[12:00:00.125] Connected\n" + c + "\n[12:09:00.125] Disconnected\n")
	}},
	"minicom": {8, func(c string) string {
		return dos("\nWelcome to minicom 2.8\n\nOPTIONS: I18n \nPort /dev/ttyUSB0, 12:00:00\n\nPress CTRL-A Z for help on special keys\n\n" + c)
	}},
	"picocom": {6, func(c string) string {
		return dos("picocom v3.1\n\nport is        : /dev/ttyUSB0\n\nType [C-a] [C-h] to see available commands\nTerminal ready\n" + c + "\nTerminating...\nThanks for using picocom\n")
	}},
	"Buildkite":   {0, func(c string) string { return stamped("\x1b_bk;t=1714564800123\a", c) }},
	"asciicast 2": {0, func(c string) string { return recording(`{"version": 2, "width": 80, "height": 24}`, c) }},
	"asciicast 3": {0, func(c string) string { return recording(`{"version": 3, "term": {"cols": 80, "rows": 24}}`, c) }},
}

func dos(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// stamped has a stamp in front of each line.
func stamped(stamp, text string) string {
	return stamp + strings.TrimSuffix(strings.ReplaceAll(text, "\n", "\n"+stamp), stamp)
}

func recording(header, text string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for line := range strings.Lines(text) {
		fmt.Fprintf(&b, "[0.5, \"o\", %q]\n", dos(line))
	}
	return b.String()
}

func TestCaptures(t *testing.T) {
	for name, c := range captures {
		t.Run(name, func(t *testing.T) {
			r, err := Read(strings.NewReader(c.wrap(brokenBoot)))
			require.NoError(t, err)
			assert.Equal(t, []string{verdict.Fails, "kernel-load", "initrd-damaged"}, []string{r.Verdict, r.Stage, r.Class})
			assert.Equal(t, 6+c.before, r.CauseLine)
			assert.Equal(t, "[    0.500000] Initramfs unpacking failed: junk within compressed archive", r.CauseText)
			assert.Empty(t, r.Problem)
		})
	}
}

// What a capture's own lines say is nothing that the guest did.
func TestCapturesAloneTellNothing(t *testing.T) {
	for name, c := range captures {
		t.Run(name, func(t *testing.T) {
			r, err := Read(strings.NewReader(c.wrap("hello\nworld\nand others\n")))
			require.NoError(t, err)
			assert.Equal(t, []string{verdict.Unclear, "", verdict.None}, []string{r.Verdict, r.Stage, r.Class})
		})
	}
}
