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
type Firmware struct {
	Code, Vars string
	// SecureBoot: it starts only what is signed by a key that is in its variables
	// from the first. Its code keeps them in SMM, which only q35 has.
	SecureBoot bool
}

// OVMF are the places of UEFI firmware, in the order of preference: of Debian and
// Ubuntu, Fedora, Arch, openSUSE, NixOS's libvirt, and what comes with QEMU. Arch
// and QEMU have none with keys, and firmware without keys refuses nothing. BIOS
// firmware has no place here, because QEMU finds its own.
var OVMF = []Firmware{
	{Code: "/usr/share/OVMF/OVMF_CODE_4M.fd", Vars: "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{Code: "/usr/share/OVMF/OVMF_CODE.fd", Vars: "/usr/share/OVMF/OVMF_VARS.fd"},
	{Code: "/usr/share/edk2/ovmf/OVMF_CODE.fd", Vars: "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
	{Code: "/usr/share/edk2/x64/OVMF_CODE.4m.fd", Vars: "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
	{Code: "/usr/share/qemu/ovmf-x86_64-4m-code.bin", Vars: "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"},
	{Code: "/run/libvirt/nix-ovmf/OVMF_CODE.fd", Vars: "/run/libvirt/nix-ovmf/OVMF_VARS.fd"},
	{Code: "/run/current-system/sw/share/qemu/edk2-x86_64-code.fd", Vars: "/run/current-system/sw/share/qemu/edk2-i386-vars.fd"},
	{Code: "/usr/share/qemu/edk2-x86_64-code.fd", Vars: "/usr/share/qemu/edk2-i386-vars.fd"},

	{Code: "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", Vars: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", SecureBoot: true},
	{Code: "/usr/share/OVMF/OVMF_CODE.ms.fd", Vars: "/usr/share/OVMF/OVMF_VARS.ms.fd", SecureBoot: true},
	{Code: "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", Vars: "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd", SecureBoot: true},
	{Code: "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin", Vars: "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin", SecureBoot: true},
	{Code: "/run/libvirt/nix-ovmf/OVMF_CODE.ms.fd", Vars: "/run/libvirt/nix-ovmf/OVMF_VARS.ms.fd", SecureBoot: true},
}

// FindOVMF is the first of [OVMF], with Secure Boot or without, both of whose
// files look finds. Its error is an [fs.ErrNotExist] that names the places, or
// else why one of them cannot be looked at.
func FindOVMF(secureBoot bool, look func(path string) error) (Firmware, error) {
	var other error
	for _, f := range ovmf(secureBoot) {
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
	what := "UEFI firmware (OVMF)"
	if secureBoot {
		what += " with Secure Boot and keys"
	}
	return Firmware{}, fmt.Errorf("no %s: %w; looked for %s", what, fs.ErrNotExist, OVMFPlaces(secureBoot))
}

// OVMFPlaces names what [FindOVMF] looks for.
func OVMFPlaces(secureBoot bool) string {
	var all []string
	for _, f := range ovmf(secureBoot) {
		all = append(all, f.Code+" with "+filepath.Base(f.Vars))
	}
	return strings.Join(all, ", ")
}

func ovmf(secureBoot bool) (some []Firmware) {
	for _, f := range OVMF {
		if f.SecureBoot == secureBoot {
			some = append(some, f)
		}
	}
	return some
}

func ovmfCode(secureBoot bool) (all []string) {
	for _, f := range ovmf(secureBoot) {
		all = append(all, f.Code)
	}
	return all
}
