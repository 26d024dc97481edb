package tools

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Firmware is UEFI firmware for guests: its code, and variables as it has them
// before the first boot, which each guest gets a copy of.
type Firmware struct{ Code, Vars string }

// OVMF are the places of UEFI firmware, in the order of preference: Debian and
// Ubuntu, Fedora, Arch, NixOS's libvirt.
var OVMF = []Firmware{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
	{"/run/libvirt/nix-ovmf/OVMF_CODE.fd", "/run/libvirt/nix-ovmf/OVMF_VARS.fd"},
}

// FindOVMF is the first of [OVMF] both of whose files look finds. Its error is
// an [fs.ErrNotExist] that names the places, or else why one of them cannot be
// looked at.
func FindOVMF(look func(path string) error) (Firmware, error) {
	var other error
	for _, f := range OVMF {
		err := look(f.Code)
		if err == nil {
			err = look(f.Vars)
		}
		if err == nil {
			return f, nil
		}
		if other == nil && !errors.Is(err, fs.ErrNotExist) {
			other = err
		}
	}
	if other != nil {
		return Firmware{}, other
	}
	return Firmware{}, fmt.Errorf("no UEFI firmware (OVMF): %w; looked for %s", fs.ErrNotExist, OVMFPlaces())
}

// OVMFPlaces names what [FindOVMF] looks for.
func OVMFPlaces() string {
	var all []string
	for _, f := range OVMF {
		all = append(all, f.Code+" with "+filepath.Base(f.Vars))
	}
	return strings.Join(all, ", ")
}

func ovmfCode() []string {
	var all []string
	for _, f := range OVMF {
		all = append(all, f.Code)
	}
	return all
}
