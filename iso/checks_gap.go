package iso

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"

	"golang.org/x/crypto/ssh"
)

// gapChecks are about what the audit cannot see, or what the image does that
// no failure shows. Where there is a gap it is a risk: the image boots without,
// and the result says what follows.
func (v *view) gapChecks() []check.Check {
	checks := []check.Check{
		{
			ID: "gap-root-key", Condition: "a root key is in the image, so that network and SSH can be observed", Needs: []string{"image-root-filesystem"},
			How: "look for the contract's key files in the image", Remedy: "set PRE_NIXOS_ROOT_KEY to a public key and build with --impure",
			Applies: v.ifRootKey(), Probe: v.onRoot(v.rootKeyGap),
		},
		{
			ID: "gap-plan-only", Condition: "a provisioning error shows as one", Needs: []string{"image-root-filesystem"},
			How: "the contract's outcomes for a detection error", Remedy: "let the provisioner fail its unit on an error",
			Applies: v.ifPlanOnly(), Probe: func(context.Context) check.Result { return v.planOnlyGap() },
		},
		{
			ID: "gap-menu", Condition: "the boot menu can be seen on the serial console and does not wait", Needs: []string{"image-menu"},
			How: "SERIAL (ISOLINUX), serial (GRUB), or a menu on the firmware's console; and the timeout", Remedy: "set the menu's serial port in the boot loader's configuration; shorten its timeout",
			Applies: v.ifKind(noFirmware, kindISO, kindDisk), Probe: v.onImage(menuGap),
		},
		{
			ID: "gap-firmware", Condition: "both BIOS and UEFI find a boot image", Needs: []string{"image-boot-catalog"},
			How: "El Torito entries for both, or of a disk boot code and an EFI program", Remedy: "add the missing entry to the ISO, or install the other boot loader on the disk, too",
			Probe: v.onImage(firmwareGap),
		},
	}
	for i := range checks {
		checks[i].Section = check.SectionGap
	}
	return checks
}

func (v *view) rootKeyGap(r *Root) check.Result {
	c := v.Contract
	var prints, evidence []string
	for _, f := range r.AuthorizedKeys(c.RootKey.Files, c.Name) {
		for _, line := range strings.Split(f.text, "\n") {
			if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err == nil {
				prints = append(prints, ssh.FingerprintSHA256(key))
				evidence = append(evidence, fmt.Sprintf("%s: %s", f.path, ssh.FingerprintSHA256(key)))
			}
		}
	}
	if prints != nil {
		res := check.Hold("embedded: " + list(prints))
		if v.Flake != nil && v.Flake.Key.Fingerprint != "" && !slices.Contains(prints, v.Flake.Key.Fingerprint) {
			res = check.Break(fmt.Sprintf("the image embeds %s, and the build was given %s", list(prints), v.Flake.Key.Fingerprint))
		}
		res.Evidence = strings.Join(evidence, "\n")
		return res
	}
	if v.KeyAtBoot != "" {
		return check.Hold("none embedded; the machine hands it over at boot: " + v.KeyAtBoot)
	}
	var what []string
	if c.Network.NeedsRootKey {
		what = append(what, fmt.Sprintf("the interface %s is not set up", c.Network.Interface))
	}
	if c.SSH.NeedsRootKey {
		what = append(what, fmt.Sprintf("nobody can log in as %s over SSH", c.SSH.User))
	}
	return check.Warn("no root key in the image (looked for "+list(c.RootKey.Files)+")",
		"without a root key "+strings.Join(what, " and ")+", so neither can be observed",
		"build the image with PRE_NIXOS_ROOT_KEY naming a public key (--impure), then run the network scenario")
}

// quietErrors are the outcomes of the contract that hide a detection error.
func (v *view) quietErrors() []string {
	var quiet []string
	for _, o := range v.Contract.Storage.For("detection-error") {
		if o.State != "failed" {
			quiet = append(quiet, strings.TrimSuffix("STATE="+o.State+" DETAIL="+o.Detail, " DETAIL="))
		}
	}
	return quiet
}

func (v *view) planOnlyGap() check.Result {
	s := v.Contract.Storage
	return check.Warn(fmt.Sprintf("after a detection error %s ends well with %s", s.Unit, strings.Join(v.quietErrors(), " or ")),
		"a storage error falls back to plan-only: the disks stay untouched and the unit is not failed",
		fmt.Sprintf("capture the journal of %s in every run, and take %s for the truth", s.Unit, s.StatusFile))
}

// quickMenu is a timeout that is no loss to speak of.
const quickMenu = 3 * time.Second

func menuGap(img *Image) check.Result {
	var dark, slow []string
	for _, m := range img.Menus {
		if m.Serial == "" {
			dark = append(dark, m.File)
		}
		if m.Timeout > quickMenu {
			slow = append(slow, fmt.Sprintf("%s waits %s", m.File, m.Timeout))
		}
	}
	switch {
	case dark != nil:
		return check.Warn("the menu of "+list(dark)+" is not on the serial port",
			"nothing shows on the console until the kernel talks, and no entry can be chosen over it",
			"add SERIAL 0 115200 (ISOLINUX), or terminal_output serial (GRUB)")
	case slow != nil:
		return check.Warn(list(slow),
			"each boot loses that time unless a key is pressed",
			"nothing: the harness presses Enter; or lower the timeout in the boot loader's configuration (NixOS: boot.loader.timeout)")
	default:
		return check.Hold(fmt.Sprintf("on the serial port, at most %s", quickMenu))
	}
}

func firmwareGap(img *Image) check.Result {
	var missing []string
	for _, platform := range []string{"bios", "efi"} {
		if !slices.ContainsFunc(img.Boot, func(b BootEntry) bool { return b.Bootable && b.Platform == platform }) {
			missing = append(missing, platform)
		}
	}
	if missing == nil {
		return check.Hold("both are there")
	}
	return check.Warn("no boot image for "+list(missing), "machines with that firmware do not boot the image, and no scenario can test it", "add the entry, or say in the contract that it is not wanted")
}
