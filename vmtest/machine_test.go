package vmtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootaudit/contract"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files of the tests that run")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "make it with go test ./vmtest -run %s -update", t.Name())
	assert.Equal(t, string(want), got)
}

func TestCommandLine(t *testing.T) {
	base := Machine{ISO: "/images/boot.iso", Folder: "/run/vm", Sockets: "/tmp/s"}
	for name, change := range map[string]func(*Machine){
		"minimal": func(m *Machine) { m.ISO = "" },
		"clean-disk": func(m *Machine) {
			m.Name = "clean-disk"
			m.Network = true
			m.Disks = []Disk{{}}
			m.FWCfg = map[string]string{"opt/bootaudit/root-key": "ssh-ed25519 AAAA test", "opt/bootaudit/fault": "panic,flood"}
		},
		"three-disks": func(m *Machine) {
			m.Disks = []Disk{{MiB: 4096}, {File: "/d/old.raw"}, {Base: "/d/base.raw"}}
		},
		"boot-disk": func(m *Machine) {
			m.ISO, m.Disks = "", []Disk{{Base: "/d/base.vdi", BaseFormat: "vdi", Boot: true}, {}}
		},
		"stick": func(m *Machine) {
			m.ISO, m.Disks = "", []Disk{{Base: "/d/base.iso", Bus: USB, Boot: true}, {}}
		},
		"kernel": func(m *Machine) {
			m.ISO, m.Kernel, m.Initrd, m.Cmdline = "", "/k/vmlinuz, new", "/k/initrd", "console=ttyS0 root=/dev/vda"
		},
		"kernel-alone": func(m *Machine) { m.ISO, m.Kernel = "", "/k/vmlinuz" },
		"uefi": func(m *Machine) {
			m.Firmware, m.Code, m.Vars = UEFI, "/usr/share/OVMF/OVMF_CODE.fd", "/run/vm/vars.fd"
		},
		"secure-boot": func(m *Machine) {
			m.Firmware, m.Code, m.Vars = SecureBoot, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/run/vm/vars.fd"
		},
		"faulty-disks": func(m *Machine) {
			m.Reboot = true
			m.Disks = []Disk{{Faulty: FailReads}, {Faulty: FailWrites}}
		},
		"virtio-cd":   func(m *Machine) { m.CDROM = Virtio },
		"second-uart": func(m *Machine) { m.Control = UART },
		"second-port": func(m *Machine) { m.Console, m.Control = "ttyS1", UART },
		"kvm":         func(m *Machine) { m.Accelerator = "kvm"; m.Control = None },
		"tuned": func(m *Machine) {
			m.Type, m.CPU, m.TBSizeMiB, m.MemoryMiB, m.CPUs = "pc", "qemu64", 128, 2048, 4
			m.Args = []string{"-snapshot"}
		},
		"commas": func(m *Machine) {
			m.ISO, m.Folder, m.Sockets = "/my images, old/a,b.iso", "/out,put", "/tmp/x,y"
			m.Disks = []Disk{{File: "/a,,b.raw"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := base
			change(&m)
			golden(t, "cmdline/"+name+".txt", strings.Join(m.CommandLine(), "\n")+"\n")
		})
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		m    Machine
		want string
	}{
		"name":        {Machine{Name: "../x"}, `machine name "../x": want letters, digits and -`},
		"accelerator": {Machine{Accelerator: "hvf"}, `machine vm: Accelerator is "hvf"; want one of kvm, tcg`},
		"firmware":    {Machine{Firmware: "coreboot"}, `machine vm: Firmware is "coreboot"; want one of bios, uefi, uefi-secure-boot`},
		"no SMM":      {Machine{Firmware: SecureBoot, Type: "pc"}, `machine vm: Type is "pc"; Secure Boot needs q35, which has SMM`},
		"cdrom":       {Machine{CDROM: "usb"}, `machine vm: CDROM is "usb"; want one of ide, virtio`},
		"control":     {Machine{Control: "ssh"}, `machine vm: Control is "ssh"; want one of virtio, uart, none`},
		"disk":        {Machine{Disks: []Disk{{Faulty: "seek"}}}, `machine vm: Disk.Faulty is "seek"; want one of , read, write`},
		"bus":         {Machine{Disks: []Disk{{Bus: "ide"}}}, `machine vm: Disk.Bus is "ide"; want one of virtio, usb`},
		"no kernel":   {Machine{Initrd: "i"}, `machine vm: an initrd or a command line, and no kernel: set Kernel`},
		"memory":      {Machine{MemoryMiB: -1}, `machine vm: negative size: -1 MiB, 2 CPUs, 256 MiB of translations`},
	} {
		t.Run(name, func(t *testing.T) {
			assert.EqualError(t, test.m.withDefaults().validate(), test.want)
		})
	}
	assert.NoError(t, Machine{}.withDefaults().validate())
	assert.NoError(t, Machine{Firmware: SecureBoot, Type: "pc-q35-7.2"}.withDefaults().validate())
}

// CommandLine must not change the machine it was asked about.
func TestCommandLineIsPure(t *testing.T) {
	m := Machine{Disks: []Disk{{}}, Folder: "/run/vm"}
	first := m.CommandLine()
	assert.Equal(t, Machine{Disks: []Disk{{}}, Folder: "/run/vm"}, m)
	assert.Equal(t, first, m.CommandLine())
}

func TestMachineForATarget(t *testing.T) {
	m := Machine{CPUs: 1, Disks: []Disk{{}, {MiB: 256}, {Base: "b.raw"}}, Args: []string{"-a"}}
	got := m.For(contract.Target{Kind: contract.KindFile}, contract.Contract{})
	assert.Equal(t, Machine{MemoryMiB: 2048, CPUs: 1, Disks: m.Disks, Args: []string{"-a"}}, got)
	got = m.For(contract.Target{MemoryMiB: 512, CPUs: 4, DiskMiB: 128, Args: []string{"-b"}}, contract.Contract{Machine: contract.Machine{Network: contract.Outside}})
	assert.Equal(t, Machine{MemoryMiB: 512, CPUs: 4, Outside: true, Disks: []Disk{{MiB: 128}, {MiB: 256}, {Base: "b.raw"}}, Args: []string{"-a", "-b"}}, got)
	got = m.For(contract.Target{Firmware: UEFI}, contract.Contract{Console: contract.Console{Device: "ttyS1"}})
	assert.Equal(t, UEFI, got.Firmware)
	assert.Equal(t, "ttyS1", got.Console)
	got = m.For(contract.Target{Kind: contract.KindFile, File: "x.iso"}, contract.Contract{})
	assert.Equal(t, "x.iso", got.ISO)
	assert.Len(t, got.Disks, 3)
	got = m.For(contract.Target{Kind: contract.KindFile, File: "x.qcow2", Format: "qcow2", Bus: "disk"}, contract.Contract{})
	assert.Empty(t, got.ISO)
	assert.Equal(t, append([]Disk{{Base: "x.qcow2", BaseFormat: "qcow2", Boot: true}}, m.Disks...), got.Disks)
	got = m.For(contract.Target{Kind: contract.KindFile, File: "x.iso", Bus: "usb"}, contract.Contract{})
	assert.Equal(t, Disk{Base: "x.iso", Bus: USB, Boot: true}, got.Disks[0])
	got = m.For(contract.Target{Kind: contract.KindKernel, Kernel: "k", Initrd: "i", Cmdline: "quiet"}, contract.Contract{})
	assert.Equal(t, []string{"k", "i", "quiet"}, []string{got.Kernel, got.Initrd, got.Cmdline})
	assert.Empty(t, m.Disks[0].MiB, "the template is as it was")
}
