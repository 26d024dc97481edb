package vmtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/internal/port"
	"bootaudit/internal/tools"
)

// prepare makes what m's command line names: its folder, a folder for its
// sockets, its disks and its copy of the firmware's variables.
func (m *Machine) prepare(ctx context.Context) (err error) {
	if m.Folder == "" {
		// One made up here would be nobody's to look into, or to remove.
		return errors.New("no folder is given for the files that the VM leaves (serial.log and so on): set Machine.Folder, such as to t.TempDir()")
	}
	for name, file := range map[string]*string{"image": &m.ISO, "kernel": &m.Kernel, "initrd": &m.Initrd} {
		if *file == "" {
			continue
		}
		if err := readableFile(*file); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if *file, err = filepath.Abs(*file); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if m.Folder, err = filepath.Abs(m.Folder); err != nil {
		return err
	}
	if err := os.MkdirAll(m.Folder, 0o755); err != nil {
		return err
	}
	if m.uefi() {
		if err := m.prepareUEFI(); err != nil {
			return err
		}
	}
	*m = m.withDefaults()
	for i, d := range m.Disks {
		if err := d.create(ctx); err != nil {
			return fmt.Errorf("disk %d: %w", i, err)
		}
	}
	m.Sockets, err = socketFolder()
	return err
}

// socketPrefix begins the name of a VM's socket folder.
const socketPrefix = "bootaudit-"

// socketFolder makes a folder whose path leaves room for a socket's name: the
// kernel takes 107 bytes, and test names make longer ones than that.
func socketFolder() (string, error) {
	const most = 107 - len("/"+port.Console)
	var errs []error
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if base == "" {
			continue
		}
		sweep(base)
		dir, err := os.MkdirTemp(base, socketPrefix)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(dir) <= most {
			return dir, nil
		}
		os.Remove(dir)
		errs = append(errs, fmt.Errorf("%s: too long for a socket's path", dir))
	}
	return "", fmt.Errorf("no folder for the VM's sockets: %w", errors.Join(errs...))
}

// ErrNoUEFI is wrapped when the host has no UEFI firmware for guests.
var ErrNoUEFI = errors.New("no UEFI firmware (OVMF) of this kind on this host; install the package ovmf (make setup does)")

func (m *Machine) prepareUEFI() error {
	vars := m.Vars
	if m.Code == "" {
		found, err := tools.FindOVMF(m.Firmware == SecureBoot, readableFile)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoUEFI, err)
		}
		m.Code, vars = found.Code, found.Vars
	}
	// The guest writes its boot entries there.
	m.Vars = filepath.Join(m.Folder, "uefi-vars.fd")
	return copyFile(m.Vars, vars)
}

// create makes the disk unless its file exists.
func (d Disk) create(ctx context.Context) error {
	switch _, err := os.Lstat(d.File); {
	case err == nil:
		return d.holds(d.File, d.format())
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if d.Base != "" {
		base, err := filepath.Abs(d.Base)
		if err != nil {
			return err
		}
		format := cmp.Or(d.BaseFormat, formatRaw)
		if err := d.holds(base, format); err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", formatQCOW2, "-F", format, "-b", base, d.File).CombinedOutput()
		if err != nil {
			return fmt.Errorf("qemu-img create: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	f, err := os.OpenFile(d.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(int64(d.MiB)<<20), f.Close())
}

// Formats of a disk's image, in QEMU's words.
const (
	formatRaw   = "raw"
	formatQCOW2 = "qcow2"
)

// formats are those of a disk's image that QEMU reads, in its own words, each with
// what begins such a file, and where.
var formats = []struct {
	name, magic string
	at          int
}{
	{formatRaw, "", 0}, {formatQCOW2, "QFI\xfb", 0}, {"vmdk", "KDMV", 0}, {"vhdx", "vhdxfile", 0}, {"vpc", "conectix", 0},
	{"vdi", "\x7f\x10\xda\xbe", 0x40},
}

// formatOf is the format of an image that begins so; raw, which has no magic, is
// all the others.
func formatOf(begins []byte) string {
	for _, f := range formats[1:] {
		if len(begins) > f.at && bytes.HasPrefix(begins[f.at:], []byte(f.magic)) {
			return f.name
		}
	}
	return formatRaw
}

// holds says why the file is no image of the format: QEMU would show the guest
// another format's header as its disk.
func (d Disk) holds(file, format string) error {
	var known []string
	for _, f := range formats {
		known = append(known, f.name)
	}
	if !slices.Contains(known, format) {
		return fmt.Errorf("BaseFormat is %q; want one of %s", format, strings.Join(known, ", "))
	}
	if err := readableFile(file); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	begins := make([]byte, 0x48)
	n, err := io.ReadFull(f, begins)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	found := formatOf(begins[:n])
	switch {
	case found == format:
		return nil
	case format == "vpc" && found == formatRaw:
		return nil // one of a fixed size has its header at its end
	case d.Base == "":
		return fmt.Errorf("%s is a %s image, and File is used as raw: give it as Base, with BaseFormat %s", file, found, found)
	case found != formatRaw && file != d.File:
		return fmt.Errorf("%s is a %s image, and BaseFormat says %s: say %s", file, found, format, found)
	default:
		return fmt.Errorf("%s: want a %s image, found %s; convert it (qemu-img convert)", file, format, found)
	}
}

// readableFile says why path is not a file with something in it.
func readableFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeDevice == 0:
		return fmt.Errorf("%s: want a file, found a %s", path, kind(info.Mode()))
	case info.Mode().IsRegular() && info.Size() == 0:
		return fmt.Errorf("%s: the file is empty", path)
	}
	return nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "special file"
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
