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
	return check.Hold(fmt.Sprintf("sha256 %s, %d bytes", sum, img.Size))
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
		rows = append(rows, fmt.Sprintf("entry %d: %s, %s, sector %d, loads %d x 512 bytes", i+1, b.Platform, word, b.Sector, b.Sectors))
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
