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

func bootMenu(img *Image) check.Result {
	if img.MenuErr != nil {
		return check.Break(img.MenuErr.Error())
	}
	var says, bad, rows []string
	for _, m := range img.Menus {
		switch {
		case m.Default < 0:
			bad = append(bad, fmt.Sprintf("%s: its default is none of its %d entries that boot Linux", m.File, len(m.Entries)))
		case m.Waits:
			bad = append(bad, fmt.Sprintf("%s has no timeout: it waits for a key for ever", m.File))
		default:
			says = append(says, fmt.Sprintf("%s boots %q of %d entries after %s", m.File, strings.TrimSpace(m.Entries[m.Default].Title), len(m.Entries), m.Timeout))
		}
		for i, e := range m.Entries {
			mark := " "
			if i == m.Default {
				mark = "*"
			}
			rows = append(rows, fmt.Sprintf("%s %s: %s: %s %s", mark, e.Where(), strings.TrimSpace(e.Title), e.Kernel, strings.Join(e.Args, " ")))
		}
	}
	r := check.Hold(strings.Join(says, "; "))
	if bad != nil {
		r = check.Break(strings.Join(bad, "; "))
	}
	r.Evidence = strings.Join(rows, "\n")
	return r
}

func bootFiles(img *Image) check.Result {
	var bad []string
	kinds := map[string]string{}
	look := func(name, where, what string, kind func([]byte) (string, error)) {
		if _, done := kinds[what+name]; done {
			return
		}
		head, err := img.ReadFile(name, headerSize)
		if err == nil {
			kinds[what+name], err = kind(head)
			if err != nil {
				err = fmt.Errorf("%s is %w", name, err)
			}
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %s %s", where, what, err))
		}
	}
	var says []string
	for _, m := range img.Menus {
		for _, e := range m.Entries {
			look(e.Kernel, e.Where(), "kernel", kernelArch)
			for _, name := range e.Initrds {
				look(name, e.Where(), "initrd", initrdKind)
			}
		}
	}
	for what, kind := range kinds {
		if kind != "" {
			what = strings.Replace(strings.Replace(what, "kernel", "kernel ", 1), "initrd", "initrd ", 1)
			says = append(says, what+": "+kind)
		}
	}
	slices.Sort(says)
	if bad != nil {
		return check.Break(strings.Join(bad, "; "))
	}
	return check.Hold(list(says))
}

func (v *view) bootConsole(img *Image) check.Result {
	want := v.Contract.Console.Device
	var bad, good, others []string
	for _, m := range img.Menus {
		for i, e := range m.Entries {
			consoles := e.Consoles()
			says := ""
			switch {
			case !slices.Contains(consoles, want):
				says = fmt.Sprintf("%s: %q has no console=%s (it has %s)", e.Where(), strings.TrimSpace(e.Title), want, or(list(consoles), "none"))
			case consoles[len(consoles)-1] != want:
				says = fmt.Sprintf("%s: console=%s comes last in %q, so /dev/console is not %s", e.Where(), consoles[len(consoles)-1], strings.TrimSpace(e.Title), want)
			}
			switch {
			case says == "" && i == m.Default:
				good = append(good, fmt.Sprintf("%s: console=%s", e.Where(), strings.Join(consoles, " console=")))
			case says != "" && i == m.Default:
				bad = append(bad, says)
			case says != "":
				others = append(others, says)
			}
		}
	}
	evidence := strings.Join(append(bad, others...), "\n")
	r := check.Hold(strings.Join(good, "; "))
	if others != nil {
		r.Detail += fmt.Sprintf("; %d entries that must be chosen by hand do not", len(others))
	}
	if bad != nil {
		r = check.Break(strings.Join(bad, "; "))
	}
	r.Evidence = evidence
	return r
}

func rootLabel(img *Image) check.Result {
	var bad []string
	labels := 0
	for _, m := range img.Menus {
		for _, e := range m.Entries {
			switch label := e.Label(); label {
			case "":
			case img.VolumeID:
				labels++
			default:
				bad = append(bad, fmt.Sprintf("%s: root=LABEL=%s, but the volume is %q", e.Where(), label, img.VolumeID))
			}
		}
	}
	switch {
	case bad != nil:
		return check.Break(strings.Join(bad, "; "))
	case labels == 0:
		return check.Hold("no boot entry finds its root by label, so none can be wrong")
	default:
		return check.Hold(fmt.Sprintf("%d entries say root=LABEL=%s", labels, img.VolumeID))
	}
}

func rootFilesystem(img *Image) check.Result {
	if errors.Is(img.RootErr, errors.ErrUnsupported) {
		return check.Doubt(img.RootErr.Error())
	}
	if img.RootErr != nil {
		return check.Break(img.RootErr.Error())
	}
	if img.Root.System != "" {
		if !img.Root.Exists(img.Root.System) {
			return check.Break(fmt.Sprintf("the boot entries' init= names %s, which %s does not have", img.Root.System, img.Root.File))
		}
		return check.Hold(fmt.Sprintf("%s, %d bytes, a NixOS store; the system is %s", img.Root.File, img.Root.Size, img.Root.System))
	}
	return check.Hold(fmt.Sprintf("%s, %d bytes, with %s", img.Root.File, img.Root.Size, list(img.Root.List("/"))))
}

// machineArch is the processor of the machine that vmtest builds, which is an i386
// as well.
const machineArch = "x86_64"

func fitsMachine(arch string) bool { return arch == machineArch || arch == "i386" }

func architecture(img *Image) check.Result {
	var bad []string
	for _, m := range img.Menus {
		for _, e := range m.Entries {
			head, err := img.ReadFile(e.Kernel, headerSize)
			if err != nil {
				return check.Doubt(err.Error())
			}
			if arch, err := kernelArch(head); err == nil && !fitsMachine(arch) {
				bad = append(bad, fmt.Sprintf("%s: %s is an %s kernel", e.Where(), e.Kernel, arch))
			}
		}
	}
	if img.RootErr != nil {
		return check.Doubt(img.RootErr.Error())
	}
	arch, file, err := img.Root.Architecture()
	if err != nil {
		return check.Doubt("no shell found to tell by: " + err.Error())
	}
	if !fitsMachine(arch) {
		bad = append(bad, fmt.Sprintf("%s is an %s program", file, arch))
	}
	if bad != nil {
		return check.Break(strings.Join(bad, "; ") + "; the machine is " + machineArch)
	}
	return check.Hold(fmt.Sprintf("kernel and %s are for %s", file, arch))
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
