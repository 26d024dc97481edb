// Package tools knows the programs and files that an audit uses, and which
// Debian package brings each: the checks' remedies and `make setup` read the
// same table.
package tools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Tool is a program, or a file, that something of ours needs.
type Tool struct {
	Command string // looked up on PATH and then in the sbin folders
	Files   []string
	Package string // of Debian and Ubuntu
	Why     string // completes "NAME is missing: it ..."
}

// Boot is what booting an image takes.
var Boot = []Tool{
	{Command: "qemu-system-x86_64", Package: "qemu-system-x86", Why: "boots the image"},
	{Command: "qemu-img", Package: "qemu-utils", Why: "makes the guest's disks"},
}

// UEFI is what booting an image by UEFI takes beside [Boot].
var UEFI = []Tool{
	{Files: ovmfCode(false), Package: "ovmf", Why: "is the firmware of a UEFI boot"},
}

// SecureBoot is what booting an image by UEFI with Secure Boot takes beside [Boot].
var SecureBoot = []Tool{
	{Files: ovmfCode(true), Package: "ovmf", Why: "is the firmware of a UEFI boot with Secure Boot"},
}

// Sandbox is QEMU's -sandbox for every guest: what QEMU has no need of to run
// one, the kernel refuses it.
const Sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

// Nix is what building and evaluating a flake takes.
var Nix = []Tool{
	{Command: "nix", Package: "nix-bin", Why: "evaluates the flake and builds its image"},
}

// StandIn is what building the stand-in takes, for this user.
func StandIn() []Tool {
	all := []Tool{
		{Command: "mmdebstrap", Package: "mmdebstrap", Why: "installs the stand-in's packages"},
		{Command: "sqfstar", Package: "squashfs-tools", Why: "packs the stand-in's files"},
		{Command: "xorriso", Package: "xorriso", Why: "writes the stand-in's ISO"},
		{Command: "mformat", Package: "mtools", Why: "makes the stand-in's EFI boot image"},
		{Command: "flock", Package: "util-linux", Why: "keeps builds of the stand-in apart"},
		{Files: []string{"/usr/share/keyrings/debian-archive-keyring.gpg"}, Package: "debian-archive-keyring", Why: "vouches for the stand-in's packages"},
	}
	if os.Getuid() != 0 {
		all = append(all, Tool{Command: "newuidmap", Package: "uidmap", Why: "lets an ordinary user install the stand-in's packages"})
	}
	return all
}

// Test is what only the tests of bootaudit itself take.
var Test = []Tool{
	{Command: "shellcheck", Package: "shellcheck", Why: "reads the shell scripts for mistakes"},
	{Files: []string{"/usr/lib/shim/shimx64.efi.signed"}, Package: "shim-signed", Why: "is a boot loader that Secure Boot starts"},
	{Files: []string{"/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"}, Package: "grub-efi-amd64-signed", Why: "is what a signed shim starts"},
	{Files: []string{"/usr/lib/systemd/boot/efi/systemd-bootx64.efi"}, Package: "systemd-boot-efi", Why: "is a boot loader that Secure Boot refuses"},
	{Command: "sbsign", Package: "sbsigntool", Why: "signs EFI programs"},
	{Command: "openssl", Package: "openssl", Why: "makes keys that no firmware knows"},
	{Command: "mkfs.vfat", Package: "dosfstools", Why: "makes FAT file systems"},
	{Command: "mke2fs", Package: "e2fsprogs", Why: "makes ext file systems"},
	{Command: "mkfs.erofs", Package: "erofs-utils", Why: "makes EROFS file systems"},
	{Command: "mkfs.btrfs", Package: "btrfs-progs", Why: "makes btrfs file systems"},
	{Command: "mkfs.xfs", Package: "xfsprogs", Why: "makes XFS file systems"},
	{Command: "sfdisk", Package: "fdisk", Why: "makes partition tables"},
	{Command: "objcopy", Package: "binutils", Why: "makes a UKI of a kernel"},
}

// sbin holds programs that an ordinary user's PATH does not reach on Debian.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// Name is what a person calls the tool.
func (t Tool) Name() string {
	if t.Command != "" {
		return t.Command
	}
	return filepath.Base(t.Files[0])
}

// Find returns the tool's path. Its error names the package that brings it.
func (t Tool) Find() (string, error) {
	if t.Command != "" {
		if path, err := exec.LookPath(t.Command); err == nil {
			return path, nil
		} else if !errors.Is(err, exec.ErrNotFound) {
			return "", fmt.Errorf("%s: %w", t.Command, err)
		}
		for _, dir := range sbin {
			if path, err := exec.LookPath(filepath.Join(dir, t.Command)); err == nil {
				return path, nil
			}
		}
		return "", fmt.Errorf("%s is not on the PATH; it is in the package %s (make setup installs it)", t.Command, t.Package)
	}
	for _, path := range t.Files {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not there; it is in the package %s (make setup installs it)", t.Files[0], t.Package)
}

// Missing returns those of all that cannot be found.
func Missing(all []Tool) []Tool {
	return slices.DeleteFunc(slices.Clone(all), func(t Tool) bool {
		_, err := t.Find()
		return err == nil
	})
}
