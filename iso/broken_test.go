package iso_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures/smalliso"
	"bootaudit/iso"
)

// results probes each check whose needs hold; the others are left out.
func results(t testing.TB, s iso.Subject) map[string]check.Finding {
	t.Helper()
	return resolve(t, iso.Checks(s))
}

// resolve is what was found of each check that was tried.
func resolve(t testing.TB, checks []check.Check) map[string]check.Finding {
	t.Helper()
	table, err := check.NewTable(checks)
	require.NoError(t, err)
	found := map[string]check.Finding{}
	for _, c := range checks {
		if f := table.Resolve(t.Context(), c.ID); f.Because == "" {
			found[c.ID] = f
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
func onlyBroken(t *testing.T, found map[string]check.Finding, want map[string]string) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(found)) {
		r := found[id]
		if says, ok := want[id]; ok {
			assert.Equal(t, check.Broken, r.Outcome, "%s: %s", id, r.Detail)
			assert.Contains(t, r.Detail, says, id)
		} else if want["image-root-filesystem"] != "" && id == "image-architecture" {
			assert.Equal(t, check.Unknown, r.Outcome, "the kernel's is known, the programs' is not")
		} else {
			assert.Contains(t, []check.Outcome{check.Holds, check.Risk, check.NotNeeded}, r.Outcome, "%s: %s", id, r.Detail)
		}
	}
	for id := range want {
		assert.Contains(t, found, id)
	}
}

func TestSoundImages(t *testing.T) {
	for name, s := range map[string]smalliso.Image{"debian": smalliso.Debian(), "nixos": smalliso.NixOS()} {
		t.Run(name, func(t *testing.T) {
			found := results(t, ofISO(write(t, s)))
			onlyBroken(t, found, nil)
			for id, r := range found {
				if id[:4] == "imag" && !slices.Contains([]string{"image-init", "image-secure-boot", "image-partitions"}, id) { // only NixOS names an init=, nobody asks for Secure Boot, and it is no disk
					assert.Equal(t, check.Holds, r.Outcome, "%s: %s", id, r.Detail)
				}
			}
		})
	}
}

var brokenISOs = map[string]map[string]string{
	"truncated":        {"image-opens": "truncated: its volume has"},
	"no-eltorito":      {"image-boot-catalog": "no El Torito boot record"},
	"catalog-checksum": {"image-boot-catalog": "its checksum is off by 0x"},
	"no-menu":          {"image-menu": "no boot menu: no isolinux.cfg"},
	"dangling-initrd":  {"image-boot-files": "isolinux/isolinux.cfg:6: initrd boot/initrd.gz is not in the ISO"},
	"text-kernel":      {"image-boot-files": `kernel boot/bzImage is no Linux kernel (bzImage): it starts with the text "version https://"`},
	"foreign-kernel": {
		"image-architecture": "boot/bzImage is an aarch64 kernel; the machine is x86_64",
		"image-initrd":       "boot/initrd: /init is a script, and its interpreter /bin/sh is an x86_64 program; the kernel is for aarch64",
	},
	"label-mismatch": {"image-root-label": `isolinux/isolinux.cfg:6: root=LABEL=SMALL, but the volume is "OTHER"`},
	"no-volume-id": {
		"image-volume-id":  "the volume id is empty",
		"image-root-label": `root=LABEL=SMALL, but the volume is ""`,
	},
	"no-serial-console":  {"image-console": `boot/grub/grub.cfg:6: "Small image" has no console=ttyS0 (it has tty0)`},
	"tty0-last":          {"image-console": `isolinux/isolinux.cfg:6: console=tty0 comes last in "Small image"`},
	"menu-waits":         {"image-boot-menu": "isolinux/isolinux.cfg has no timeout: it waits for a key for ever"},
	"menu-default":       {"image-boot-menu": "isolinux/isolinux.cfg: its default is none of its 2 entries that boot Linux"},
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
	"no-autologin":       {"image-autologin": "/usr/lib/systemd/system/serial-getty@.service:2 logs nobody in: the console of ttyS0 asks for a name"},
	"other-autologin":    {"image-autologin": "serial-getty@ttyS0.service.d/autologin.conf:3 logs in guest, not nixos"},
	"sudo-password":      {"image-sudo": "/etc/sudoers.d/nixos:1: nixos ALL=(ALL:ALL) ALL asks nixos for a password"},
	"no-sudo":            {"image-sudo": "lets nixos (groups wheel, nixos) become root"},
}

// TestBrokenISOs: each fault turns exactly the right checks, in words that name
// the place.
func TestBrokenISOs(t *testing.T) {
	assert.ElementsMatch(t, slices.Collect(maps.Keys(smalliso.Faults())), slices.Collect(maps.Keys(brokenISOs)))
	for fault, want := range brokenISOs {
		t.Run(fault, func(t *testing.T) {
			name, err := smalliso.Broken(t.TempDir(), fault)
			require.NoError(t, err)
			onlyBroken(t, results(t, ofISO(name)), want)
		})
	}
}

// TestNixOSFaults: faults that only an image with a NixOS store can have, and
// how those of any image look in it.
func TestNixOSFaults(t *testing.T) {
	store := func(letter, rest string) string { return strings.Repeat(letter, 32) + "-" + rest }
	unit := store("1", "unit-pre-nixos.service/pre-nixos.service")
	system := store("s", "nixos-system-nixos-25.05")
	main := store("p", "pre-nixos-0.7.13/lib/python3.12/site-packages/pre_nixos/main.py")
	for name, tt := range map[string]struct {
		change func(smalliso.Image) smalliso.Image
		want   map[string]string
	}{
		"init names no system": {
			func(s smalliso.Image) smalliso.Image {
				gone := "/nix/store/" + store("0", "nixos-system-nixos-25.05")
				return s.Edit("isolinux/isolinux.cfg", "/nix/store/"+system, gone).Edit("boot/grub/grub.cfg", "/nix/store/"+system, gone)
			},
			map[string]string{"image-root-filesystem": "init= names /nix/store/" + store("0", "nixos-system-nixos-25.05") + ", which nix-store.squashfs does not have"},
		},
		"deadlock in Python": {
			func(s smalliso.Image) smalliso.Image { return s.Edit(main, "    \"--no-block\",\n", "") },
			map[string]string{"image-ssh-order": `/nix/store/` + main + `:3: "\"systemctl\", \"reload-or-restart\", \"sshd.service\"," waits`},
		},
		"not oneshot": {
			func(s smalliso.Image) smalliso.Image { return s.Edit(unit, "Type=oneshot\n", "") },
			map[string]string{"image-unit": "/etc/systemd/system/pre-nixos.service: Type is simple, not oneshot"},
		},
		"wheel asks": {
			func(s smalliso.Image) smalliso.Image {
				return s.Edit(store("d", "sudoers"), "NOPASSWD: SETENV: ", "")
			},
			map[string]string{"image-sudo": "%wheel  ALL=(ALL:ALL) ALL asks nixos for a password"},
		},
		"not in wheel": {
			func(s smalliso.Image) smalliso.Image {
				return s.Edit(store("g", "users-groups.json"), `"members":["nixos"]`, `"members":[]`)
			},
			map[string]string{"image-sudo": "lets nixos (groups unknown) become root"},
		},
		"no autologin": {
			func(s smalliso.Image) smalliso.Image {
				return s.Edit(store("u", "system-units/serial-getty@.service.d/overrides.conf"), "'--autologin' 'nixos' ", "")
			},
			map[string]string{"image-autologin": "serial-getty@.service.d/overrides.conf:3 logs nobody in"},
		},
		"command": {
			func(s smalliso.Image) smalliso.Image { return s.Without(store("w", "system-path/bin/wipefs")) },
			map[string]string{"image-commands": "1 of 18 commands are not in the image: wipefs"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onlyBroken(t, results(t, ofISO(write(t, tt.change(smalliso.NixOS())))), tt.want)
		})
	}

	t.Run("two systems", func(t *testing.T) {
		s := smalliso.NixOS().Edit("isolinux/isolinux.cfg", "init=", "x=").Edit("boot/grub/grub.cfg", "init=", "x=")
		s.Root[store("0", "nixos-system-nixos-25.05/init")] = ""
		img := open(t, write(t, s))
		assert.ErrorContains(t, img.RootErr, "a NixOS store with 2 systems in it, and no boot entry's init= names one")
	})
}

// TestRootKey: embedded, handed over at boot, or missing, which is a risk.
func TestRootKey(t *testing.T) {
	nixos := results(t, ofISO(write(t, smalliso.NixOS())))["gap-root-key"]
	assert.Equal(t, check.Holds, nixos.Outcome)
	assert.Regexp(t, `^embedded: SHA256:`, nixos.Detail)
	assert.Empty(t, nixos.Risk)

	plain := ofISO(write(t, smalliso.Debian()))
	missing := results(t, plain)["gap-root-key"]
	assert.Equal(t, check.Risk, missing.Outcome)
	assert.Contains(t, missing.Risk, "the interface lan is not set up and nobody can log in as root over SSH")
	assert.NotEmpty(t, missing.FollowUp)

	plain.KeyAtBoot = "by a file"
	other := ofISO(write(t, smalliso.NixOS()))
	other.Flake = &iso.Flake{Key: contract.Key{Fingerprint: "SHA256:other"}}
	for _, c := range iso.Checks(other) {
		if c.ID == "gap-root-key" {
			c.Needs = nil
			r := resolve(t, []check.Check{c})[c.ID]
			assert.Equal(t, check.Broken, r.Outcome)
			assert.Regexp(t, `the image embeds SHA256:\S+, and the build was given SHA256:other`, r.Detail)
		}
	}

	handed := results(t, plain)["gap-root-key"]
	assert.Contains(t, handed.Detail, "the machine hands it over at boot: by a file")
	assert.Empty(t, handed.Risk)

	plain.Contract = contract.DebianLive()
	assert.Equal(t, check.NotNeeded, results(t, plain)["gap-root-key"].Outcome)
}

// TestDebianLive: an image of another make, which promises less. Its login is
// set up while it boots.
func TestDebianLive(t *testing.T) {
	s := smalliso.Debian().Without("etc/systemd/system/pre-nixos.service", "etc/systemd/system/multi-user.target.wants/pre-nixos.service",
		"etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf", "etc/sudoers.d/nixos", "usr/bin/disko")
	s.Root["usr/lib/live/config/0160-sysvinit"] = "#!/bin/sh\n"
	s.Root["usr/lib/live/config/0040-sudo"] = "#!/bin/sh\necho \"${LIVE_USERNAME} ALL=(ALL) NOPASSWD: ALL\" > /etc/sudoers.d/live\n"
	subject := ofISO(write(t, s))
	subject.Contract = contract.DebianLive()
	subject.Contract.Login.Automatic = true
	found := results(t, subject)
	assert.Equal(t, check.Broken, found["image-autologin"].Outcome)
	assert.Equal(t, "live-config logs user in on tty1 to tty6 only: the console of ttyS0 asks for a name", found["image-autologin"].Detail)
	assert.Equal(t, check.Holds, found["image-sudo"].Outcome)
	assert.Equal(t, "/usr/lib/live/config/0040-sudo gives the live user NOPASSWD while the image boots", found["image-sudo"].Detail)
	for _, id := range []string{"image-unit", "image-ssh-order", "image-status-file", "gap-plan-only"} {
		if r, ok := found[id]; ok {
			assert.Equal(t, check.NotNeeded, r.Outcome, "%s: %s", id, r.Detail)
		}
	}
	assert.Equal(t, check.Holds, found["image-commands"].Outcome)
}

// TestDebianLiveWithLogin: what such an image sets up before it boots is
// believed.
func TestDebianLiveWithLogin(t *testing.T) {
	s := smalliso.Debian()
	s.Root["lib/live/config/0160-sysvinit"] = "#!/bin/sh\n"
	found := results(t, ofISO(write(t, s)))
	assert.Equal(t, check.Holds, found["image-autologin"].Outcome, found["image-autologin"].Detail)
}
