package iso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/nix"
)

// evalTimeout bounds an evaluation; one of nixpkgs takes half a minute.
const evalTimeout = 5 * time.Minute

func (v *view) flakeChecks() []check.Check {
	checks := []check.Check{
		{
			ID: "flake-attribute", Condition: "the flake has the attribute of the image",
			How: "nix eval FLAKE#ATTR", Remedy: "correct BOOT_IMAGE_ATTR, or the flake",
			Timeout: evalTimeout, Probe: v.onFlake(flakeAttribute),
		},
		{
			ID: "flake-root-key", Condition: "the root key that the image embeds is known",
			How: "key kept in the cache folder, or PRE_NIXOS_ROOT_KEY", Remedy: "name a public key file with PRE_NIXOS_ROOT_KEY, or unset it",
			Probe: v.onFlake(flakeRootKey),
		},
		{
			ID: "flake-build", Condition: "the image builds", Needs: []string{"flake-attribute"},
			How: "nix build --impure --no-link FLAKE#ATTR", Remedy: "see the evidence for what the log tells; the whole log is in the file that is named there",
			Timeout: buildTimeout, Probe: v.onFlake(flakeBuild),
		},
		{
			ID: "flake-output", Condition: "the build's output holds exactly one ISO", Needs: []string{"flake-build"},
			How: "find *.iso in the store path", Remedy: "let the attribute's output have one file named *.iso",
			Timeout: buildTimeout, Probe: v.onFlake(flakeOutput),
		},
		{
			ID: "flake-record", Condition: "store path, deriver, NAR hash, digest and size are recorded", Needs: []string{"flake-output"},
			How: "nix path-info --json, sha256sum", Remedy: "none is needed: an older nix leaves some of them out",
			Timeout: buildTimeout, Probe: v.onFlake(flakeRecord),
		},
		{
			ID: "flake-config", Condition: "the NixOS configuration evaluates",
			How: "nix eval FLAKE#nixosConfigurations.CONFIG.config", Remedy: "correct BOOT_IMAGE_CONFIG, or the flake at the place that the error names",
			Timeout: evalTimeout, Probe: v.onConfig(func(f *Flake, e evaluation) check.Result {
				return check.Hold(fmt.Sprintf("%s: %d kernel parameters, %d system packages, %d of the contract's units", f.configAttr(), len(e.KernelParams), len(e.Packages), len(e.Units)))
			}),
		},
		{
			ID: "flake-console", Condition: "the kernel parameters name the serial console, and name it last", Needs: []string{"flake-config"},
			How: "boot.kernelParams", Remedy: "add console=tty0 console=ttyS0,115200n8 to boot.kernelParams, the serial one last",
			Applies: v.ifConsole(), Probe: v.onConfig(v.evalConsole),
		},
		{
			ID: "flake-commands", Condition: "the system packages provide every command of the contract", Needs: []string{"flake-config"},
			How: "environment.systemPackages, by package name and main program", Remedy: "add the packages to environment.systemPackages",
			Applies: v.ifCommands(), Probe: v.onConfig(v.evalCommands),
		},
		{
			ID: "flake-unit", Condition: "the contract's units are configured as it says", Needs: []string{"flake-config"},
			How: "systemd.services.<unit>: serviceConfig.Type, wantedBy, environment", Remedy: "set them as the contract has them",
			Applies: v.ifUnits(), Probe: v.onConfig(v.evalUnits),
		},
		{
			ID: "flake-status-file", Condition: "the provisioner's script writes the status file with its outcomes", Needs: []string{"flake-config"},
			How: "systemd.services.<unit>.script", Remedy: "let the script write the status file of the contract",
			Timeout: evalTimeout, Applies: v.ifScript, Probe: v.onConfig(v.evalStatusFile),
		},
		{
			ID: "flake-ssh-order", Condition: "nothing configured waits for a unit that waits for it", Needs: []string{"flake-config"},
			How:     "after of the later unit, and systemctl start without --no-block in the earlier one's script",
			Remedy:  "start the later unit with systemctl --no-block, or by its own wantedBy",
			Applies: v.ifOrder(), Probe: v.onConfig(v.evalOrder),
		},
		{
			ID: "flake-autologin", Condition: "the console is configured to log the contract's user in", Needs: []string{"flake-config"},
			How: "services.getty.autologinUser", Remedy: "set services.getty.autologinUser",
			Applies: v.ifAutomatic(), Probe: v.onConfig(v.evalAutologin),
		},
		{
			ID: "flake-sudo", Condition: "the login user is configured to become root without a password", Needs: []string{"flake-config"},
			How: "security.sudo", Remedy: "set security.sudo.wheelNeedsPassword = false, or add a NOPASSWD rule",
			Applies: v.ifPasswordless(), Probe: v.onConfig(v.evalSudo),
		},
		{
			ID: "flake-matches-image", Condition: "the image is made of the configuration that was evaluated", Needs: []string{"flake-config", "flake-output"},
			How: "kernel parameters, volume id and units, of the evaluation and of the ISO", Remedy: "name the configuration that the image is built from with BOOT_IMAGE_CONFIG",
			Timeout: buildTimeout, Probe: v.matches,
		},
	}
	for i := range checks {
		checks[i].Section = check.SectionImage
	}
	return v.onlyFlake(checks)
}

func (v *view) onFlake(probe func(context.Context, *Flake) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		ctx, cancel := v.within(ctx)
		defer cancel()
		r := probe(ctx, v.Flake)
		if errors.Is(context.Cause(ctx), errDeadline) && r.Outcome != check.Holds {
			r.Outcome, r.Detail = check.Unknown, errDeadline.Error()+": "+r.Detail
		}
		return r
	}
}

func (v *view) onConfig(probe func(*Flake, evaluation) check.Result) func(context.Context) check.Result {
	return v.onFlake(func(ctx context.Context, f *Flake) check.Result {
		e, err := f.evaluate(ctx, v.Contract)
		if err != nil {
			return nixFailed(err)
		}
		r := probe(f, e)
		r.Command = "nix eval --impure --json " + f.installable(f.configAttr())
		return r
	})
}

// nixFailed is the result of a call of nix that ended with err.
func nixFailed(err error) check.Result {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return check.Miss(err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return check.Doubt("nix did not end in time: " + err.Error())
	case nix.NoNetwork(err.Error()):
		return check.Miss("no network for what is not here yet: " + err.Error())
	}
	return check.Break(err.Error())
}

func flakeAttribute(ctx context.Context, f *Flake) check.Result {
	lines := &tail{}
	what := f.installable(f.Attr)
	command := "nix eval --impure --json " + what
	out, err := f.nix(ctx, lines, "eval", "--impure", "--json", what, "--apply", `d: { type = d.type or ""; name = d.name or ""; }`)
	if err != nil {
		r := nixFailed(nixError(err, lines.String()))
		r.Evidence, r.Command = lines.String(), command
		return r
	}
	var drv struct{ Type, Name string }
	if err := json.Unmarshal(out, &drv); err != nil || drv.Type != "derivation" {
		return check.Break(fmt.Sprintf("%s is no derivation: it is %.100s", what, out))
	}
	r := check.Hold(fmt.Sprintf("%s is the derivation %s", what, drv.Name))
	r.Command = command
	return r
}

func flakeRootKey(_ context.Context, f *Flake) check.Result {
	if f.Key.Fingerprint == "" {
		return check.Doubt("no root key is given to the build")
	}
	return check.Hold(fmt.Sprintf("%s, %s", f.Key.Fingerprint, f.Key.Public))
}

func flakeBuild(ctx context.Context, f *Flake) check.Result {
	r := buildResult(ctx, f)
	r.Command = "nix build --impure --no-link " + f.installable(f.Attr)
	return r
}

func buildResult(ctx context.Context, f *Flake) check.Result {
	b, err := f.Build(ctx)
	if err != nil && b.StorePath == "" {
		r := nixFailed(err)
		if failed := (*BuildError)(nil); errors.As(err, &failed) {
			r.Evidence = failed.Lines
		}
		return r
	}
	if !b.Rebuilt {
		return check.Hold(fmt.Sprintf("%s was in the store already", b.StorePath))
	}
	return check.Hold(fmt.Sprintf("%s, in %s; log: %s", b.StorePath, b.Took.Round(100*time.Millisecond), b.Log))
}

func flakeOutput(ctx context.Context, f *Flake) check.Result {
	b, err := f.Build(ctx)
	if err != nil {
		return check.Break(err.Error())
	}
	return check.Hold(b.ISO)
}

func flakeRecord(ctx context.Context, f *Flake) check.Result {
	b, err := f.Build(ctx)
	if err != nil {
		return check.Doubt(err.Error())
	}
	sum, err := digestOf(ctx, b.ISO)
	if err != nil {
		return check.Doubt(err.Error())
	}
	size := int64(-1)
	if info, err := os.Stat(b.ISO); err == nil {
		size = info.Size()
	}
	r := check.Hold(fmt.Sprintf("%s, NAR hash %s", b.StorePath, or(b.NARHash, "unknown")))
	r.Evidence = fmt.Sprintf("store path: %s\nderiver: %s\nNAR hash: %s\nISO: %s, %d bytes\nISO sha256: %s\nroot key: %s",
		b.StorePath, or(b.Deriver, or(b.Derivation, "unknown")), or(b.NARHash, "unknown"), b.ISO, size, sum, or(b.Fingerprint, "none"))
	return r
}
