package vmtest

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/prereq"
	"bootaudit/serial"
)

// Firmware of a machine.
const (
	BIOS = "bios"
	UEFI = "uefi"
	// SecureBoot is UEFI that starts only what is signed by a key that it knows.
	SecureBoot = contract.SecureBoot
)

// What a CD drive or a control line is attached to.
const (
	ide    = "ide"    // the chipset's own controller: AHCI on q35
	Virtio = "virtio" // virtio-scsi for a CD, virtio-serial for the control line
	USB    = "usb"    // a disk that is a stick
	UART   = "uart"   // a second serial port for the control line
	None   = "none"   // no control line: commands share the console
)

// controlName is the name of the control line's virtio port in the guest,
// below /dev/virtio-ports.
const controlName = "bootaudit.control"

// Machine describes a virtual PC. The zero value of a field is its default.
type Machine struct {
	// Name names the VM in logs and its folder: letters, digits, "-".
	// Default "vm".
	Name string
	// ISO is the image in the CD drive, or empty for none.
	ISO string
	// Kernel, when set, is a kernel that the machine loads itself, without a boot
	// loader, with Initrd (or none) and the command line Cmdline.
	Kernel, Initrd, Cmdline string
	// MemoryMiB is the guest's RAM, default 1024; CPUs default to 2.
	MemoryMiB, CPUs int
	// Accelerator is "kvm" or "tcg". Start fills in the best that works here.
	Accelerator string
	// Type is QEMU's machine type, default "q35".
	Type string
	// CPU is the CPU model. The default is the host's under KVM, and under
	// TCG "max,la57=off".
	CPU string
	// TBSizeMiB bounds TCG's cache of translated code, default 256. QEMU's
	// own default is up to 1 GiB, which no memory limit accounts for.
	TBSizeMiB int
	// Firmware is BIOS (the default), UEFI or SecureBoot.
	Firmware string
	// Console is the serial port that is the guest's console, as the guest names
	// it: ttyS0 (the default) or ttyS1.
	Console string
	// CDROM is the CD drive's bus: "ide" (the default) or Virtio.
	CDROM string
	// Control is the control line's port: Virtio (the default), UART or None.
	Control string
	// ControlDevice is that port as the guest names it, default
	// /dev/virtio-ports/bootaudit.control, or the serial port that is not the
	// console for a UART. A guest
	// without udev may have another name for it.
	ControlDevice string
	// Disks appear in this order: as /dev/vda, /dev/vdb and so on, or those of USB
	// as /dev/sda.
	Disks []Disk
	// FWCfg are strings that the guest reads from
	// /sys/firmware/qemu_fw_cfg/by_name/<name>/raw.
	FWCfg map[string]string
	// Network gives the guest a network card on a network of QEMU's own, with
	// DHCP, and forwards a port on 127.0.0.1 that QEMU picks to its port 22.
	Network bool
	// Outside lets the guest reach further by that card: what listens on the
	// host, on its loopback too (10.0.2.2), and whatever the host reaches.
	Outside bool
	// Reboot lets the guest restart itself; else a restart ends the VM.
	Reboot bool
	// Account is whom to log in as, where the console does not log anybody in
	// by itself.
	Account serial.Account
	// Args are further arguments for QEMU.
	Args []string

	// The rest is filled in when the machine starts.

	// Folder takes what the VM leaves behind, Sockets its sockets: a short
	// path, because a socket's path has at most 107 bytes.
	Folder, Sockets string
	// Code and Vars are the UEFI firmware and the VM's own copy of its
	// variables, which have the keys that Secure Boot goes by.
	Code, Vars string
}

// Disk is a blank sparse disk, or a copy-on-write overlay of Base.
type Disk struct {
	// MiB is the size of a blank disk, default 4096.
	MiB int
	// File is the disk's image. The default is disk-<n>.raw, or .qcow2 for an
	// overlay, in the VM's folder. A file that exists is used as it is.
	File string
	// Base, when set, is an image that is read and never written: changes go
	// to a qcow2 overlay. BaseFormat is its format in QEMU's words, "raw" (the
	// default), "qcow2", "vdi", "vhdx", "vpc" or "vmdk".
	Base, BaseFormat string
	// Bus is what the disk is attached to: Virtio (the default) or USB, as a stick.
	Bus string
	// Boot makes it the disk that the firmware boots.
	Boot bool
	// Faulty makes the disk fail every "read" or "write" with an I/O error.
	Faulty string
}

// Ways for a Disk to be Faulty.
const (
	FailReads  = "read"
	FailWrites = "write"
)

func (d Disk) format() string {
	if d.Base != "" {
		return "qcow2"
	}
	return "raw"
}

// Files in a VM's folder.
const (
	firmwareFile = "firmware.log" // SeaBIOS's own words, apart from the console
)

// tcgModel is the CPU model under TCG.
const tcgModel = "max,la57=off"

// For is m as it is to boot target's image, where target says what that is: with
// the memory, CPUs, disks, firmware and arguments that target asks for, and the
// console and network that the contract needs. A disk whose size m says keeps it,
// and so does one that is no blank one, a firmware and a console. An image that is
// booted from a disk is the first of the disks.
func (m Machine) For(target contract.Target, terms contract.Contract) Machine {
	m.MemoryMiB = target.Memory()
	m.CPUs = cmp.Or(target.CPUs, m.CPUs)
	m.Disks = slices.Clone(m.Disks)
	for i, d := range m.Disks {
		if d.MiB == 0 && d.Base == "" {
			m.Disks[i].MiB = target.DiskMiB
		}
	}
	switch image := (Disk{Base: target.File, BaseFormat: target.Format, Boot: true}); {
	case target.Kind == contract.KindKernel:
	case target.Bus == "usb":
		image.Bus = USB
		m.Disks = slices.Insert(m.Disks, 0, image)
	case target.Bus == "disk":
		m.Disks = slices.Insert(m.Disks, 0, image)
	default:
		m.ISO = cmp.Or(target.File, m.ISO)
	}
	m.Kernel, m.Initrd, m.Cmdline = target.Kernel, target.Initrd, target.Cmdline
	m.Firmware = cmp.Or(m.Firmware, target.Firmware)
	m.Console = cmp.Or(m.Console, terms.Console.Device)
	m.Outside = m.Outside || terms.Machine.Network == contract.Outside
	m.Args = slices.Concat(m.Args, target.Args)
	return m
}

func (m Machine) withDefaults() Machine {
	m.Name = cmp.Or(m.Name, "vm")
	m.MemoryMiB = cmp.Or(m.MemoryMiB, contract.StandInMemoryMiB)
	m.CPUs = cmp.Or(m.CPUs, contract.GuestCPUs)
	m.Accelerator = cmp.Or(m.Accelerator, "tcg")
	m.Type = cmp.Or(m.Type, "q35")
	m.TBSizeMiB = cmp.Or(m.TBSizeMiB, prereq.GuestTranslationsMiB)
	m.Firmware = cmp.Or(m.Firmware, BIOS)
	m.Console = cmp.Or(m.Console, "ttyS0")
	m.CDROM = cmp.Or(m.CDROM, ide)
	m.Control = cmp.Or(m.Control, Virtio)
	if m.CPU == "" {
		m.CPU = tcgModel
		if m.Accelerator == "kvm" {
			m.CPU = "host"
		}
	}
	m.Disks = slices.Clone(m.Disks)
	for i, d := range m.Disks {
		m.Disks[i].MiB = cmp.Or(d.MiB, 4096)
		m.Disks[i].Bus = cmp.Or(d.Bus, Virtio)
		m.Disks[i].File = cmp.Or(d.File, filepath.Join(m.Folder, fmt.Sprintf("disk-%d.%s", i, d.format())))
	}
	return m
}

// validate finds what CommandLine would turn into nonsense.
func (m Machine) validate() error {
	if bad := strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"); bad != "" || m.Name == "" {
		return fmt.Errorf("machine name %q: want letters, digits and -", m.Name)
	}
	type field struct {
		name, value string
		allowed     []string
	}
	fields := []field{
		{"Accelerator", m.Accelerator, []string{"kvm", "tcg"}},
		{"Firmware", m.Firmware, []string{BIOS, UEFI, SecureBoot}},
		{"Console", m.Console, []string{"ttyS0", "ttyS1"}},
		{"CDROM", m.CDROM, []string{ide, Virtio}},
		{"Control", m.Control, []string{Virtio, UART, None}},
	}
	for _, d := range m.Disks {
		fields = append(fields, field{"Disk.Faulty", d.Faulty, []string{"", FailReads, FailWrites}}, field{"Disk.Bus", d.Bus, []string{Virtio, USB}})
	}
	for _, field := range fields {
		if !slices.Contains(field.allowed, field.value) {
			return fmt.Errorf("machine %s: %s is %q; want one of %s", m.Name, field.name, field.value, strings.Join(field.allowed, ", "))
		}
	}
	if m.Firmware == SecureBoot && m.Type != "q35" && !strings.HasPrefix(m.Type, "pc-q35-") {
		// Without SMM a guest's kernel could write to the keys.
		return fmt.Errorf("machine %s: Type is %q; Secure Boot needs q35, which has SMM", m.Name, m.Type)
	}
	if m.MemoryMiB < 0 || m.CPUs < 0 || m.TBSizeMiB < 0 {
		return fmt.Errorf("machine %s: negative size: %d MiB, %d CPUs, %d MiB of translations", m.Name, m.MemoryMiB, m.CPUs, m.TBSizeMiB)
	}
	if m.Kernel == "" && m.Initrd+m.Cmdline != "" {
		return fmt.Errorf("machine %s: an initrd or a command line, and no kernel: set Kernel", m.Name)
	}
	return nil
}

// uefi says whether m's firmware is of the kind that is code with variables.
func (m Machine) uefi() bool { return m.Firmware == UEFI || m.Firmware == SecureBoot }
