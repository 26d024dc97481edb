package iso

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

func (v *view) digest(ctx context.Context) check.Result {
	img, err := v.open(ctx)
	if err != nil {
		return noImage(err)
	}
	sum, err := digestOf(ctx, img.Path)
	if err != nil {
		return check.Doubt(err.Error())
	}
	r := check.Hold(fmt.Sprintf("sha256 %s, %d bytes", sum, img.Size))
	if initrd := v.Target.Initrd; initrd != "" {
		if sum, err = digestOf(ctx, initrd); err != nil {
			return check.Doubt(err.Error())
		}
		r.Detail += "; initrd sha256 " + sum
	}
	return r
}

// opened says what the image is.
func opened(img *Image) check.Result {
	switch img.Kind {
	case kindDisk:
		return check.Hold(fmt.Sprintf("%s: %d bytes, %s, of %d bytes", img.Path, img.Size, img.disk.Words, img.disk.Size))
	case kindKernel:
		return check.Hold(fmt.Sprintf("%s: %d bytes, loaded with %s", img.Path, img.Size, or(list(img.Menus[0].Entries[0].Initrds), "no initrd")))
	}
	return check.Hold(fmt.Sprintf("%s: %d bytes, volume %q", img.Path, img.Size, img.VolumeID))
}

// partitions says what is wrong with a disk's partition table. Firmware and kernel
// get over much of it, and not over an image that was cut short of a partition.
func partitions(img *Image) check.Result {
	var rows, cut []string
	for _, v := range img.disk.Volumes {
		p := v.Partition
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%s: %d MiB at %d MiB, %s, %s %q %s", partName(v), p.Size>>20, p.Start>>20, or(p.Type, p.TypeID), or(v.Kind, "of no kind that is known"), v.Label, v.UUID)))
		if end := p.Start + p.Size; end > img.disk.Size {
			cut = append(cut, fmt.Sprintf("%s ends at byte %d of the disk, which has %d: the image was cut short", partName(v), end, img.disk.Size))
		}
	}
	table := or(img.disk.Table.Scheme, "no partition table")
	r := check.Hold(fmt.Sprintf("%s, %d partitions", table, len(img.disk.Table.Partitions)))
	if cut != nil {
		r = check.Break(strings.Join(cut, "; "))
	} else if faults := img.disk.Faults; len(faults) > 0 {
		r = check.Warn(strings.Join(faults, "; "), "firmware, boot loader or kernel may not find what they look for", "make the table anew (sfdisk, systemd-repart), and let nothing cut the image short")
	}
	return r.With(strings.Join(rows, "\n"))
}

// digestOf is the SHA-256 of a file, in hexadecimal.
func digestOf(ctx context.Context, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return fmt.Sprintf("%x", h.Sum(nil)), nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
}

func volumeID(img *Image) check.Result {
	if img.VolumeID == "" {
		return check.Break("the volume id is empty")
	}
	return check.Hold(fmt.Sprintf("volume id %q", img.VolumeID))
}

func bootCatalog(img *Image) check.Result {
	var rows, bootable []string
	for i, b := range img.Boot {
		word := "not bootable"
		if b.Bootable {
			word = "bootable"
			bootable = append(bootable, b.Platform)
		}
		row := fmt.Sprintf("entry %d: %s, %s, sector %d, loads %d x 512 bytes", i+1, b.Platform, word, b.Sector, b.Sectors)
		if img.Kind == kindDisk {
			row = fmt.Sprintf("%s: %s", b.Platform, word)
		}
		rows = append(rows, row)
	}
	evidence := strings.Join(rows, "\n")
	r := check.Hold("boot images for " + list(bootable))
	switch {
	case img.BootErr != nil:
		r = check.Break(img.BootErr.Error())
	case !slices.Contains(bootable, "bios") && !slices.Contains(bootable, "efi"):
		r = check.Break("the boot catalogue has no bootable entry for bios or efi")
	}
	r.Evidence = evidence
	return r
}

func rootFilesystem(img *Image) check.Result {
	r, whyNot, err := img.system()
	switch {
	case whyNot != "":
		return check.Doubt(whyNot)
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, errRAM):
		return check.Doubt(err.Error())
	case err != nil:
		return check.Break(err.Error())
	case r.System != "":
		if !r.Exists(r.System) {
			return check.Break(fmt.Sprintf("the boot entries' init= names %s, which %s does not have", r.System, r.File))
		}
		return check.Hold(fmt.Sprintf("%s, %d bytes, a NixOS store; the system is %s", r.File, r.Size, r.System))
	case r.ram:
		return check.Hold(fmt.Sprintf("the system is the initramfs: %s, %d bytes, with %s", r.File, r.Size, list(r.List("/"))))
	}
	return check.Hold(fmt.Sprintf("%s, %d bytes, with %s", r.File, r.Size, list(r.List("/"))))
}

// machineArch is the processor of the machine that vmtest builds, which is an i386
// as well.
const machineArch = "x86_64"

func fitsMachine(arch string) bool { return arch == machineArch || arch == "i386" }

func architecture(img *Image) check.Result {
	var bad []string
	for _, e := range img.booted() {
		if head, err := img.ReadFile(e.Kernel, headerSize); err == nil {
			if arch, err := kernelArch(head); err == nil && !fitsMachine(arch) {
				bad = append(bad, fmt.Sprintf("%s: %s is an %s kernel", e.Where(), e.Kernel, arch))
			}
		}
	}
	says := "the kernel is"
	switch root, whyNot, err := img.system(); {
	case root != nil:
		arch, file, err := root.Architecture()
		switch {
		case err != nil && bad == nil:
			return check.Doubt("no shell found to tell by: " + err.Error())
		case err == nil && !fitsMachine(arch):
			bad = append(bad, fmt.Sprintf("%s is an %s program", file, arch))
		}
		says = fmt.Sprintf("kernel and %s are", file)
	case whyNot == "" && bad == nil:
		return check.Doubt(err.Error())
	}
	if bad != nil {
		return check.Break(strings.Join(bad, "; ") + "; the machine is " + machineArch)
	}
	return check.Hold(says + " for " + machineArch)
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
