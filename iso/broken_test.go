package iso_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/fixtures"
	"bootaudit/internal/contract"
	"bootaudit/iso"
	"bootaudit/prereq"
)

// results probes each check whose needs hold; the others are left out.
func results(t *testing.T, s iso.Subject) map[string]prereq.Result {
	t.Helper()
	found := map[string]prereq.Result{}
	for _, c := range iso.Checks(s) {
		if !slices.ContainsFunc(c.Needs, func(id string) bool { return found[id].Outcome != prereq.Holds }) {
			found[c.ID] = c.Probe(t.Context())
		}
	}
	return found
}

func ofISO(name string) iso.Subject {
	return iso.Subject{
		Contract: contract.PreNixOS(),
		ISO:      func(context.Context) (string, error) { return name, nil },
	}
}

// onlyBroken asserts that exactly the checks of want are broken, each saying
// want's words.
func onlyBroken(t *testing.T, found map[string]prereq.Result, want map[string]string) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(found)) {
		r := found[id]
		if says, ok := want[id]; ok {
			assert.Equal(t, prereq.Broken, r.Outcome, "%s: %s", id, r.Detail)
			assert.Contains(t, r.Detail, says, id)
		} else {
			assert.Contains(t, []prereq.Outcome{prereq.Holds, prereq.NotNeeded}, r.Outcome, "%s: %s", id, r.Detail)
		}
	}
	for id := range want {
		assert.Contains(t, found, id)
	}
}

func TestSoundImages(t *testing.T) {
	for name, s := range map[string]fixtures.SmallISO{"debian": fixtures.Small(), "nixos": fixtures.SmallNixOS()} {
		t.Run(name, func(t *testing.T) {
			found := results(t, ofISO(write(t, s)))
			onlyBroken(t, found, nil)
			for id, r := range found {
				if id[:4] == "imag" {
					assert.Equal(t, prereq.Holds, r.Outcome, "%s: %s", id, r.Detail)
				}
			}
		})
	}
}

var brokenISOs = map[string]map[string]string{
	"truncated":        {"image-opens": "truncated: its volume has"},
	"no-eltorito":      {"image-boot-catalog": "no El Torito boot record"},
	"catalog-checksum": {"image-boot-catalog": "its checksum is off by 0x"},
	"no-menu":          {"image-boot-menu": "no boot menu: no isolinux.cfg"},
	"dangling-initrd":  {"image-boot-files": "isolinux/isolinux.cfg:6: initrd boot/initrd.gz is not in the ISO"},
	"text-kernel":      {"image-boot-files": `kernel boot/bzImage is no Linux kernel (bzImage): it starts with the text "version https://"`},
	"foreign-kernel":   {"image-architecture": "boot/bzImage is an aarch64 kernel; the machine is x86_64"},
	"label-mismatch":   {"image-root-label": `isolinux/isolinux.cfg:6: root=LABEL=SMALL, but the volume is "OTHER"`},
	"no-volume-id": {
		"image-volume-id":  "the volume id is empty",
		"image-root-label": `root=LABEL=SMALL, but the volume is ""`,
	},
	"no-serial-console":  {"image-console": `boot/grub/grub.cfg:6: "Small image" has no console=ttyS0 (it has tty0)`},
	"tty0-last":          {"image-console": `isolinux/isolinux.cfg:6: console=tty0 comes last in "Small image"`},
	"menu-waits":         {"image-boot-menu": "isolinux/isolinux.cfg has no timeout: it waits for a key for ever"},
	"menu-default":       {"image-boot-menu": "isolinux/isolinux.cfg: its default names none of its 2 entries"},
	"no-squashfs":        {"image-root-filesystem": "no squashfs in the ISO"},
	"foreign-programs":   {"image-architecture": "/bin/sh is an aarch64 program"},
	"command-missing":    {"image-commands": "2 of 18 commands are not in the image: disko, mdadm"},
	"unit-missing":       {"image-unit": "pre-nixos.service is not in the image: looked in /etc/systemd/system"},
	"unit-not-oneshot":   {"image-unit": "/etc/systemd/system/pre-nixos.service: Type is simple, not oneshot"},
	"unit-not-wanted":    {"image-unit": "/etc/systemd/system/pre-nixos.service is not wanted by multi-user.target, so it does not start"},
	"unit-environment":   {"image-unit": "/etc/systemd/system/pre-nixos.service does not set PRE_NIXOS_EXEC=1"},
	"unit-masked":        {"image-unit": "pre-nixos.service is masked by /etc/systemd/system/pre-nixos.service"},
	"no-status-file":     {"image-status-file": "nothing that pre-nixos.service runs names storage-status (looked through /usr/lib/pre-nixos/start"},
	"no-applied":         {"image-status-file": "/usr/lib/pre-nixos/start:4 writes the status file, but nothing says applied, auto-applied"},
	"ssh-started-inside": {"image-ssh-order": `/usr/lib/pre-nixos/network:2: "systemctl reload-or-restart sshd.service" waits for a unit that waits for pre-nixos.service: a deadlock`},
	"ssh-not-after":      {"image-ssh-order": "/etc/systemd/system/sshd.service is not ordered after pre-nixos.service"},
	"no-autologin":       {"image-autologin": "/usr/lib/systemd/system/serial-getty@.service has no --autologin: the console of ttyS0 asks for a name"},
	"other-autologin":    {"image-autologin": "serial-getty@ttyS0.service.d/autologin.conf logs in guest, not nixos"},
	"sudo-password":      {"image-sudo": "/etc/sudoers.d/nixos:1: nixos ALL=(ALL:ALL) ALL asks nixos for a password"},
	"no-sudo":            {"image-sudo": "lets nixos (groups wheel, nixos) become root"},
}

// TestBrokenISOs: each fault turns exactly the right checks, in words that name
// the place.
func TestBrokenISOs(t *testing.T) {
	assert.ElementsMatch(t, slices.Collect(maps.Keys(fixtures.BrokenISOs())), slices.Collect(maps.Keys(brokenISOs)))
	for fault, want := range brokenISOs {
		t.Run(fault, func(t *testing.T) {
			name, err := fixtures.BrokenISO(t.TempDir(), fault)
			require.NoError(t, err)
			onlyBroken(t, results(t, ofISO(name)), want)
		})
	}
}
