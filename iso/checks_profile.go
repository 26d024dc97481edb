package iso

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// profileCheck is the row about the image's profile.
const profileCheck = "image-profile"

// profile says which profile the image is of, and why; what it lacks of a profile
// that was detected is broken.
func (v *view) profile(ctx context.Context) check.Result {
	if v.Unknown != nil {
		return check.Doubt(v.Unknown.Error())
	}
	img, err := v.open(ctx)
	if err != nil {
		return noImage(err)
	}
	if v.Detected {
		var missing []string
		for _, m := range v.Contract.Marks {
			if m.Attribute != "" {
				continue // of the flake
			}
			there, err := img.Has(m)
			switch {
			case err != nil:
				return check.Doubt(fmt.Sprintf("%s; whether it has %s: %v", v.Why, m, err))
			case !there:
				missing = append(missing, m.String())
			}
		}
		if missing != nil {
			return check.Break(fmt.Sprintf("%s; it lacks %s", v.Why, strings.Join(missing, ", ")))
		}
	}
	if v.ProfileBefore != "" && v.ProfileBefore != v.Contract.Name {
		return check.Warn(fmt.Sprintf("%s; when it was audited last it was %s", v.Why, v.ProfileBefore),
			"what was asked of it then is asked no more", "see what took the marks away, or name the profile with BOOT_IMAGE_CONTRACT")
	}
	return check.Hold(v.Why)
}

// promised are the checks of which the contract says whether they are needed.
var promised = []string{
	"image-console", "image-commands", "image-unit", "image-status-file", "image-ssh-order", "image-autologin", "image-sudo",
	"gap-root-key", "gap-plan-only",
}

// doubt lets what depends on the contract depend on its being known.
func (v *view) doubt(checks []check.Check) {
	for i, c := range checks {
		if slices.Contains(promised, c.ID) {
			checks[i].Applies = nil
			checks[i].Needs = append([]string{profileCheck}, c.Needs...)
		}
	}
}

// hasRoot says why an image has no root file system to look into. Its initramfs
// is read where the contract asks for something in it.
func (v *view) hasRoot(ctx context.Context) string {
	img, err := v.open(ctx)
	if err != nil || img.RootErr == nil || img.ask(img.rootless) != nil {
		return ""
	}
	c := v.Contract
	asked := len(c.Commands) > 0 || len(c.Units) > 0 || c.Login.Automatic || c.Root.Passwordless || c.Network.NeedsRootKey || c.SSH.NeedsRootKey
	if !asked {
		return "the image boots into its initrd, and has no other root file system"
	}
	_, whyNot, _ := img.system()
	return whyNot
}
