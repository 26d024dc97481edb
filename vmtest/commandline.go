package vmtest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bootaudit/internal/port"
	"bootaudit/internal/record"
	"bootaudit/internal/tools"
)

func (m Machine) socket(name string) string { return filepath.Join(m.Sockets, name) }

// CommandLine is the QEMU command for m. It looks at nothing but m. The
// machine starts stopped: nothing the guest prints is lost before somebody
// listens and continues it.
func (m Machine) CommandLine() []string {
	m = m.withDefaults()
	args := []string{"qemu-system-x86_64"}
	add := func(words ...string) { args = append(args, words...) }

	add("-name", opt(m.Name), "-nodefaults", "-no-user-config", "-display", "none", "-S")
	// Should a guest break out of its devices, it can start no program.
	add("-sandbox", tools.Sandbox)
	if !m.Reboot {
		add("-no-reboot")
	}
	if m.Firmware == SecureBoot {
		add("-machine", m.Type+",smm=on")
	} else {
		add("-machine", m.Type)
	}
	if m.Accelerator == "tcg" {
		add("-accel", fmt.Sprintf("tcg,thread=multi,tb-size=%d", m.TBSizeMiB))
	} else {
		add("-accel", m.Accelerator)
	}
	add("-cpu", m.CPU, "-smp", strconv.Itoa(m.CPUs), "-m", strconv.Itoa(m.MemoryMiB))
	// A display card, though nobody looks: graphical boot menus hang without.
	add("-vga", "std")

	server := func(id, name string) string {
		return "socket,id=" + id + ",path=" + opt(m.socket(name)) + ",server=on,wait=off"
	}
	add("-chardev", server("monitor", port.Monitor), "-mon", "chardev=monitor,mode=control")
	add("-chardev", server("console", port.Console)+",logfile="+opt(filepath.Join(m.Folder, record.TranscriptFile))+",logappend=off")
	console, other := "", ""
	if m.Console == "ttyS1" {
		console, other = ",index=1", ",index=0"
	}
	add("-device", "isa-serial,chardev=console"+console)
	switch m.Control {
	case Virtio:
		add("-device", "virtio-serial-pci", "-chardev", server("control", port.Control),
			"-device", "virtserialport,chardev=control,name="+controlName)
	case UART:
		add("-chardev", server("control", port.Control), "-device", "isa-serial,chardev=control"+other)
	}
	add("-device", "virtio-rng-pci")

	if m.uefi() {
		if m.Firmware == SecureBoot {
			// Only what runs in SMM, the firmware, writes to the variables; it
			// cannot keep that up over a suspend to memory.
			add("-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1")
		}
		add("-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+opt(m.Code))
		add("-drive", "if=pflash,unit=1,format=raw,file="+opt(m.Vars))
	} else {
		// "No bootable device" goes to the screen and to this port only.
		add("-chardev", "file,id=firmware,path="+opt(filepath.Join(m.Folder, firmwareFile)),
			"-device", "isa-debugcon,iobase=0x402,chardev=firmware")
	}
	args = append(args, m.drives()...)
	if m.Network {
		reach := "restrict=on,"
		if m.Outside {
			reach = ""
		}
		// romfile=: without the boot ROM the firmware does not try PXE.
		add("-netdev", "user,id=net,"+reach+"hostfwd=tcp:127.0.0.1:0-:22", "-device", "virtio-net-pci,netdev=net,romfile=")
	}
	for _, name := range slices.Sorted(maps.Keys(m.FWCfg)) {
		add("-fw_cfg", "name="+opt(name)+",string="+opt(m.FWCfg[name]))
	}
	return append(args, m.Args...)
}

// drives are the arguments for what the machine boots, and for its disks.
func (m Machine) drives() []string {
	var args []string
	add := func(words ...string) { args = append(args, words...) }
	if m.Kernel != "" {
		add("-kernel", m.Kernel)
		if m.Initrd != "" {
			add("-initrd", m.Initrd)
		}
		add("-append", m.Cmdline)
	}
	if m.ISO != "" {
		add("-drive", "if=none,id=cd,media=cdrom,format=raw,readonly=on,file="+opt(m.ISO))
		if m.CDROM == Virtio {
			add("-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=cd,bootindex=0")
		} else {
			add("-device", "ide-cd,drive=cd,bus=ide.0,bootindex=0")
		}
	}
	if slices.ContainsFunc(m.Disks, func(d Disk) bool { return d.Bus == USB }) {
		add("-device", "qemu-xhci")
	}
	for i, d := range m.Disks {
		// The disk dies with the test, so nothing waits for the host's disk.
		file := "file=" + opt(d.File)
		if d.Faulty != "" {
			file = fmt.Sprintf("file.driver=blkdebug,file.inject-error.0.event=%s_aio,file.inject-error.0.errno=5,"+
				"file.image.driver=file,file.image.filename=%s", d.Faulty, opt(d.File))
		}
		add("-drive", fmt.Sprintf("if=none,id=disk%d,format=%s,cache=unsafe,%s", i, d.format(), file))
		device := "virtio-blk-pci"
		if d.Bus == USB {
			device = "usb-storage,removable=on"
		}
		if d.Boot {
			device += ",bootindex=0"
		}
		add("-device", fmt.Sprintf("%s,drive=disk%d", device, i))
	}
	return args
}

// opt quotes a value for a comma-separated QEMU option.
func opt(value string) string { return strings.ReplaceAll(value, ",", ",,") }
