package iso

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// noFirmware is why what firmware and boot loaders do is not asked of a kernel.
const noFirmware = "the machine loads the kernel itself"

// ifKind says why a check is for an image of one of the kinds only.
func (v *view) ifKind(why string, kinds ...string) func(context.Context) string {
	return func(ctx context.Context) string {
		if img, err := v.open(ctx); err == nil && !slices.Contains(kinds, img.Kind) {
			return why
		}
		return ""
	}
}

func (v *view) ifConsole() func(context.Context) string {
	return check.Unless(v.Contract.Console.Device != "", "the contract names no console")
}

func (v *view) ifCommands() func(context.Context) string {
	return check.Unless(len(v.Contract.Commands) > 0, "the contract names no commands")
}

func (v *view) ifUnits() func(context.Context) string {
	return check.Unless(len(v.Contract.Units) > 0, "the contract names no units")
}

func (v *view) ifStatusFile() func(context.Context) string {
	s := v.Contract.Storage
	return check.Unless(s.StatusFile != "" && s.Unit != "", "the contract names no status file")
}

func (v *view) ifOrder() func(context.Context) string {
	orders := func(u contract.Unit) bool { return len(u.StartedBefore) > 0 }
	return check.Unless(slices.ContainsFunc(v.Contract.Units, orders), "the contract orders no units")
}

func (v *view) ifAutomatic() func(context.Context) string {
	return check.Unless(v.Contract.Login.Automatic, "the contract's login is not automatic")
}

func (v *view) ifPasswordless() func(context.Context) string {
	if v.Contract.Login.User == "root" {
		return check.Unless(false, "the contract logs root in")
	}
	return check.Unless(v.Contract.Root.Passwordless, "the contract's way to root asks for a password")
}

func (v *view) ifRootKey() func(context.Context) string {
	return check.Unless(v.Contract.Network.NeedsRootKey || v.Contract.SSH.NeedsRootKey, "nothing in the contract depends on a root key")
}

func (v *view) ifPlanOnly() func(context.Context) string {
	return check.Unless(v.quietErrors() != nil, "the contract has no outcome that hides an error")
}

// ifScript: what a unit runs instead of a script is read in the image.
func (v *view) ifScript(ctx context.Context) string {
	if why := v.ifStatusFile()(ctx); why != "" {
		return why
	}
	e, err := v.Flake.evaluate(ctx, v.Contract)
	if err != nil {
		return ""
	}
	unit := v.Contract.Storage.Unit
	u, ok := e.Units[strings.TrimSuffix(unit, ".service")]
	if ok && strings.TrimSpace(u.Script) == "" {
		return fmt.Sprintf("%s has no script in the configuration, it runs %s: image-status-file reads that", unit, or(list(u.Exec), "nothing"))
	}
	return ""
}

// onlyFlake limits checks to what is built from a flake.
func (v *view) onlyFlake(checks []check.Check) []check.Check {
	if v.Flake == nil {
		for i := range checks {
			checks[i].Applies = check.Unless(false, "no flake is audited")
		}
	}
	return checks
}
