package iso

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

func (v *view) evalConsole(_ *Flake, e evaluation) check.Result {
	want, consoles := v.Contract.Console.Device, e.consoles()
	r := check.Hold("console=" + strings.Join(consoles, " console="))
	switch {
	case !slices.Contains(consoles, want):
		r = check.Break(fmt.Sprintf("boot.kernelParams has no console=%s (it has %s)", want, or(list(consoles), "none")))
	case consoles[len(consoles)-1] != want:
		r = check.Break(fmt.Sprintf("console=%s comes last in boot.kernelParams, so /dev/console is not %s: a silent serial boot", consoles[len(consoles)-1], want))
	}
	r.Evidence = "boot.kernelParams = " + strings.Join(e.KernelParams, " ")
	return r
}

func (v *view) evalCommands(_ *Flake, e evaluation) check.Result {
	want := v.Contract.Commands
	if missing := e.missingPackages(want); len(missing) > 0 {
		return check.Break(fmt.Sprintf("no package of environment.systemPackages provides %s", list(missing)))
	}
	return check.Hold(fmt.Sprintf("%d packages provide all %d", len(e.Packages), len(want)))
}

func (v *view) evalUnits(_ *Flake, e evaluation) check.Result {
	var bad, good []string
	for _, want := range v.Contract.Units {
		stem := strings.TrimSuffix(want.Name, ".service")
		u, ok := e.Units[stem]
		if !ok {
			bad = append(bad, "there is no systemd.services."+stem)
			continue
		}
		faults := unitFaults(want, unitFacts{
			where: "systemd.services." + stem, kind: or(u.Type, "simple"), wantedBy: u.WantedBy, environment: u.Environment,
		})
		bad = append(bad, faults...)
		if faults == nil {
			good = append(good, "systemd.services."+stem)
		}
	}
	if bad != nil {
		return check.Break(strings.Join(bad, "; "))
	}
	return check.Hold(list(good))
}

// script is a unit's script as a file, for the same search as in an image.
func (e evaluation) script(unit string) []fileText {
	stem := strings.TrimSuffix(unit, ".service")
	u := e.Units[stem]
	var all []fileText
	if strings.TrimSpace(u.Script) != "" {
		all = append(all, fileText{"systemd.services." + stem + ".script", u.Script})
	}
	if u.Exec != nil {
		all = append(all, fileText{"systemd.services." + stem + ".serviceConfig", strings.Join(u.Exec, "\n")})
	}
	return all
}

func (v *view) evalStatusFile(_ *Flake, e evaluation) check.Result {
	s := v.Contract.Storage
	return statusFaults(s, e.script(s.Unit))
}

func (v *view) evalOrder(_ *Flake, e evaluation) check.Result {
	var bad, good []string
	for _, want := range v.Contract.Units {
		stem := strings.TrimSuffix(want.Name, ".service")
		for _, later := range want.StartedBefore {
			l, ok := e.Units[strings.TrimSuffix(later, ".service")]
			switch {
			case !ok:
				bad = append(bad, "there is no systemd.services."+strings.TrimSuffix(later, ".service"))
			case !slices.Contains(l.After, want.Name) && !slices.Contains(e.Units[stem].Before, later):
				bad = append(bad, fmt.Sprintf("systemd.services.%s.after lacks %s", strings.TrimSuffix(later, ".service"), want.Name))
			default:
				good = append(good, fmt.Sprintf("%s is after %s, and nothing in it waits", later, want.Name))
			}
		}
		for _, m := range waitsFor(e.script(want.Name), want.StartedBefore) {
			bad = append(bad, deadlock(m, want))
		}
	}
	return orderResult(bad, good)
}

func (v *view) evalAutologin(_ *Flake, e evaluation) check.Result {
	want := v.Contract.Login
	if e.Autologin != want.User {
		return check.Break(fmt.Sprintf("services.getty.autologinUser is %s, not %s", or(e.Autologin, "not set"), want.User))
	}
	return check.Hold("services.getty.autologinUser = " + e.Autologin)
}

func (v *view) evalSudo(_ *Flake, e evaluation) check.Result {
	user := v.Contract.Login.User
	if !e.Sudo.Enable {
		return check.Break("security.sudo.enable is false")
	}
	by, ok := e.passwordless(user)
	if !ok {
		return check.Break(fmt.Sprintf("security.sudo asks %s (groups %s) for a password: wheelNeedsPassword = %t, and no rule says NOPASSWD",
			user, or(list(e.Groups), "none"), e.Sudo.WheelNeedsPassword))
	}
	return check.Hold(by)
}

// matches compares the evaluation with the image.
func (v *view) matches(ctx context.Context) check.Result {
	e, err := v.Flake.evaluate(ctx, v.Contract)
	if err != nil {
		return nixFailed(err)
	}
	img, err := v.open(ctx)
	if err != nil {
		return noImage(err)
	}
	var bad []string
	if e.VolumeID != "" && e.VolumeID != img.VolumeID {
		bad = append(bad, fmt.Sprintf("isoImage.volumeID is %q, the volume's name %q", e.VolumeID, img.VolumeID))
	}
	for _, m := range img.Menus {
		if m.Default < 0 {
			continue
		}
		entry := m.Entries[m.Default]
		for _, p := range e.KernelParams {
			if !slices.Contains(entry.Args, p) {
				bad = append(bad, fmt.Sprintf("%s lacks %s of boot.kernelParams", entry.Where(), p))
			}
		}
		if is, want := entry.Consoles(), e.consoles(); !slices.Equal(is, want) {
			bad = append(bad, fmt.Sprintf("%s has the consoles %s, boot.kernelParams %s", entry.Where(), or(list(is), "none"), or(list(want), "none")))
		}
	}
	bad = append(bad, v.unitDifferences(e, img)...)
	if bad != nil {
		return check.Break(strings.Join(bad, "; "))
	}
	return check.Hold(fmt.Sprintf("%d kernel parameters, the volume id and the units are the same", len(e.KernelParams)))
}

func (v *view) unitDifferences(e evaluation, img *Image) []string {
	if img.RootErr != nil {
		return nil
	}
	var bad []string
	for _, want := range v.Contract.Units {
		c, configured := e.Units[strings.TrimSuffix(want.Name, ".service")]
		u, err := img.Root.Unit(want.Name)
		if !configured || err != nil {
			continue // said by the checks of each
		}
		if is := u.Last("Service", "Type"); c.Type != "" && is != c.Type {
			bad = append(bad, fmt.Sprintf("%s: Type is %s, configured is %s", u.Files[0], or(is, "not set"), c.Type))
		}
		env := u.Environment()
		// NixOS adds others to what is promised, such as PATH.
		for _, name := range slices.Sorted(maps.Keys(want.Environment)) {
			if value, ok := c.Environment[name]; ok && env[name] != value {
				bad = append(bad, fmt.Sprintf("%s: %s is %q, configured is %q", u.Files[0], name, env[name], value))
			}
		}
	}
	return bad
}
