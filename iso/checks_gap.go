package iso

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"bootaudit/prereq"
)

// gapChecks are about what the audit cannot see, or what the image does that
// no failure shows. Where there is a gap the outcome is "not needed", as the
// image boots without, and the result says what follows.
func (v *view) gapChecks() []prereq.Check {
	checks := []prereq.Check{
		{
			ID: "gap-root-key", Condition: "a root key is in the image, so that network and SSH can be observed", Needs: []string{"image-root-filesystem"},
			How: "look for the contract's key files in the image", Remedy: "set PRE_NIXOS_ROOT_KEY to a public key and build with --impure",
			Probe: v.onRoot(v.rootKeyGap),
		},
		{
			ID: "gap-plan-only", Condition: "a provisioning error shows as one", Needs: []string{"image-root-filesystem"},
			How: "the contract's outcomes for a detection error", Remedy: "let the provisioner fail its unit on an error",
			Probe: func(context.Context) prereq.Result { return v.planOnlyGap() },
		},
		{
			ID: "gap-menu", Condition: "the boot menu can be seen on the serial console and does not wait", Needs: []string{"image-boot-menu"},
			How: "SERIAL or terminal_output serial, and the timeout", Remedy: "set the menu's serial port; shorten its timeout",
			Probe: v.onImage(menuGap),
		},
		{
			ID: "gap-firmware", Condition: "both BIOS and UEFI find a boot image", Needs: []string{"image-boot-catalog"},
			How: "El Torito entries for both", Remedy: "add the missing entry to the ISO",
			Probe: v.onImage(firmwareGap),
		},
	}
	for i := range checks {
		checks[i].Section, checks[i].When = prereq.SectionGap, "always"
	}
	return checks
}

// gap is a result that fails nothing and must not be overlooked.
func gap(detail, risk, followUp string) prereq.Result {
	r := prereq.Skip(detail)
	r.Risk, r.FollowUp = risk, followUp
	return r
}

func (v *view) rootKeyGap(r *Root) prereq.Result {
	c := v.Contract
	if !c.Network.NeedsRootKey && !c.SSH.NeedsRootKey {
		return prereq.Skip("nothing in the contract depends on a root key")
	}
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
		res := prereq.Hold("embedded: " + list(prints))
		if v.Flake != nil && v.Flake.Key.Fingerprint != "" && !slices.Contains(prints, v.Flake.Key.Fingerprint) {
			res = prereq.Break(fmt.Sprintf("the image embeds %s, and the build was given %s", list(prints), v.Flake.Key.Fingerprint))
		}
		res.Evidence = strings.Join(evidence, "\n")
		return res
	}
	if v.KeyAtBoot != "" {
		return prereq.Hold("none embedded; the machine hands it over at boot: " + v.KeyAtBoot)
	}
	var what []string
	if c.Network.NeedsRootKey {
		what = append(what, fmt.Sprintf("the interface %s is not set up", c.Network.Interface))
	}
	if c.SSH.NeedsRootKey {
		what = append(what, fmt.Sprintf("nobody can log in as %s over SSH", c.SSH.User))
	}
	return gap("no root key in the image (looked for "+list(c.RootKey.Files)+")",
		"without a root key "+strings.Join(what, " and ")+", so neither can be observed",
		"build the image with PRE_NIXOS_ROOT_KEY naming a public key (--impure), then run the network scenario")
}

func (v *view) planOnlyGap() prereq.Result {
	s := v.Contract.Storage
	var quiet []string
	for _, o := range s.For("detection-error") {
		if o.State != "failed" {
			quiet = append(quiet, strings.TrimSuffix("STATE="+o.State+" DETAIL="+o.Detail, " DETAIL="))
		}
	}
	if quiet == nil {
		return prereq.Skip("the contract has no outcome that hides an error")
	}
	return gap(fmt.Sprintf("after a detection error %s ends well with %s", s.Unit, strings.Join(quiet, " or ")),
		"a storage error falls back to plan-only: the disks stay untouched and the unit is not failed",
		fmt.Sprintf("capture the journal of %s in every run, and take %s for the truth", s.Unit, s.StatusFile))
}

// quickMenu is a timeout that is no loss to speak of.
const quickMenu = 3 * time.Second

func menuGap(img *Image) prereq.Result {
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
		return gap("the menu of "+list(dark)+" is not on the serial port",
			"nothing shows on the console until the kernel talks, and no entry can be chosen over it",
			"add SERIAL 0 115200 (ISOLINUX), or terminal_output serial (GRUB)")
	case slow != nil:
		return gap(list(slow),
			"each boot loses that time unless a key is pressed",
			"nothing: the harness presses Enter; or lower boot.loader.timeout")
	default:
		return prereq.Hold(fmt.Sprintf("on the serial port, at most %s", quickMenu))
	}
}

func firmwareGap(img *Image) prereq.Result {
	var missing []string
	for _, platform := range []string{"bios", "efi"} {
		if !slices.ContainsFunc(img.Boot, func(b BootEntry) bool { return b.Bootable && b.Platform == platform }) {
			missing = append(missing, platform)
		}
	}
	if missing == nil {
		return prereq.Hold("both are there")
	}
	return gap("no boot image for "+list(missing), "machines with that firmware do not boot the image, and no scenario can test it", "add the entry, or say in the contract that it is not wanted")
}
