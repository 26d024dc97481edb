package contract

import (
	"cmp"
	"path/filepath"
	"strings"
)

// Target is what is audited against a contract: an image, and how it is to be
// booted. The zero value is the stand-in, on the machine that it gets by itself.
type Target struct {
	Kind Kind
	// File is the image, where Kind is KindFile: an ISO, or the image of a disk.
	File string
	// Kernel, Initrd and Cmdline are the image, where Kind is KindKernel: files that
	// the machine loads without a boot loader, Initrd or none, and the command line.
	Kernel, Initrd, Cmdline string
	// Flake builds the image, where Kind is KindFlake: Attr is its attribute that
	// is the image, Config the NixOS configuration that the image is made of.
	Flake, Attr, Config string

	// MemoryMiB is the guest's RAM, CPUs how many it has, DiskMiB the size of a
	// blank disk; 0 is what a scenario gives it.
	MemoryMiB, CPUs, DiskMiB int
	// Firmware is "bios", "uefi" or [SecureBoot]; "" is what the image has a boot entry for, and
	// BIOS where it has both.
	Firmware string
	// Bus is what the machine boots File from: "cdrom", "usb" or "disk"; "" is the CD
	// drive for an ISO, and a disk for the image of one.
	Bus string
	// Format is that of File, in QEMU's words, where it is the image of a disk: "" is
	// raw. Whoever has looked into the file knows it.
	Format string
	// Args are further arguments for QEMU.
	Args []string
}

// SecureBoot is the Firmware that is UEFI with Secure Boot, and with the keys that
// PCs come with: it starts only what they or their owners signed.
const SecureBoot = "uefi-secure-boot"

// Kind says where a target's image comes from.
type Kind string

const (
	KindStandIn Kind = ""       // the live image that package fixtures builds
	KindFile    Kind = "file"   // a file
	KindKernel  Kind = "kernel" // a kernel, and what it is loaded with
	KindFlake   Kind = "flake"  // a flake of nix builds it
)

// What a guest gets by itself, in MiB and CPUs. An image of somebody else's gets
// what its users give it at least.
const (
	StandInMemoryMiB = 1024
	ImageMemoryMiB   = 2048
	GuestCPUs        = 2
)

// Memory is the guest's RAM, in MiB.
func (t Target) Memory() int {
	if t.Kind == KindStandIn {
		return cmp.Or(t.MemoryMiB, StandInMemoryMiB)
	}
	return cmp.Or(t.MemoryMiB, ImageMemoryMiB)
}

// FlakeDir is the folder on this host that the flake is in, or "" where it is
// elsewhere.
func (t Target) FlakeDir() string {
	dir, _, _ := strings.Cut(t.Flake, "#")
	dir, _, _ = strings.Cut(dir, "?")
	for _, scheme := range []string{"path:", "git+file://", "git+file:"} {
		dir = strings.TrimPrefix(dir, scheme)
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// String names the target: what is audited, not how it is booted.
func (t Target) String() string {
	switch t.Kind {
	case KindFile:
		return "the image " + t.File
	case KindKernel:
		return "the kernel " + t.Kernel
	case KindFlake:
		return "the flake " + t.Flake + "#" + t.Attr
	default:
		return "the stand-in image"
	}
}
