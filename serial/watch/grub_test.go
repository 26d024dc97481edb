package watch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// GRUB under UEFI welcomes, which systemd does too, and draws its menu once for
// the firmware's console and once for the serial port: neither is a reboot.
func TestGRUBOnUEFI(t *testing.T) {
	var stages []string
	w := New(Config{
		OnStage: func(r Reached) { stages = append(stages, string(r.Stage)) },
		OnTrip:  func(trip Trip) { t.Errorf("%+v", trip) },
	})
	menu := "\x1b[2J\x1b[1;24HGNU GRUB  version 2.06-13+deb12u2\n\r\n\r" +
		"\x1b[18;1H      Use the ^ and v keys to select which entry is highlighted.\n\r"
	_, _ = w.Write([]byte("BdsDxe: loading Boot0001 \"UEFI QEMU DVD-ROM\" from PciRoot(0x0)\r\n" +
		"\x1b[0m\x1b[30m\x1b[47mWelcome to GRUB!\n\r\n\r" + strings.Repeat(menu, 4)))
	assert.Equal(t, "firmware bootloader menu", strings.Join(stages, " "))
}
