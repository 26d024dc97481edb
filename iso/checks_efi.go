package iso

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bootaudit/contract/check"
	"bootaudit/internal/efi"
)

// What the firmware starts of a medium, and what a shim starts.
const (
	efiFirst  = "EFI/BOOT/BOOTX64.EFI"
	efiSecond = "EFI/BOOT/grubx64.efi"
)

func (v *view) secureBootCheck() check.Check {
	return check.Check{
		ID: "image-secure-boot", Condition: "a PC with Secure Boot starts the image's boot loader, and that its kernel", Needs: []string{"image-boot-catalog"},
		How:     "digest, signatures and SBAT of " + efiFirst + " and of what a shim there starts, down to the kernel, against the keys of OVMF with Secure Boot",
		Remedy:  "put a signed shim at " + efiFirst + " and beside it the boot loader, and in the menu the kernel, that its maker signed; or sign them and enrol the key",
		Timeout: buildTimeout, Applies: v.ifSecureBoot, Probe: v.onImage(v.secureBoot),
	}
}

// ifSecureBoot: an image that UEFI does not boot is refused by none.
func (v *view) ifSecureBoot(ctx context.Context) string {
	if v.Variables == "" && !v.SecureBoot {
		return "no boot with Secure Boot is asked for, and there are no keys of a firmware here to judge by"
	}
	img, err := v.open(ctx)
	if err != nil || v.SecureBoot || img.BootErr != nil {
		return ""
	}
	if !slices.ContainsFunc(img.Boot, func(e BootEntry) bool { return e.Bootable && e.Platform == "efi" }) {
		return "the image has no UEFI boot entry"
	}
	// What is not beside the FAT image in the ISO's tree only a boot can tell.
	if img.efiFile(efiFirst) == "" {
		return efiFirst + " is in no file system of the image that can be read"
	}
	return ""
}

func (v *view) secureBoot(img *Image) check.Result {
	keys, err := v.firmwareKeys()
	if err != nil {
		return check.Doubt(err.Error())
	}
	var said []string
	var found efi.Verdict
	err = img.ask(func() error {
		first, verdict, err := img.trusts(efiFirst, keys)
		if err != nil {
			return err
		}
		said, found = append(said, about(efiFirst, first, verdict)), verdict
		vendor, err := first.Vendor()
		if err != nil || !verdict.Starts || len(vendor.DB.Certificates)+len(vendor.DB.Hashes) == 0 {
			return err
		}
		second, verdict, err := img.trusts(efiSecond, keys.With(vendor))
		if errors.Is(err, fs.ErrNotExist) {
			found = efi.Verdict{Why: fmt.Sprintf("shim, %s, starts and has nothing to start: %v", first.Signatures[0].Signer.Name(), err)}
			return nil
		} else if err != nil {
			return err
		}
		said, found = append(said, about(efiSecond, second, verdict)), verdict
		if !found.Starts {
			found.Why = efiSecond + " is not for this shim: " + verdict.Why
			return nil
		}
		found.Why = fmt.Sprintf("shim, %s, and %s, by %s", first.Signatures[0].Signer.Name(), efiSecond, verdict.Key.Name())
		// GRUB asks shim of each kernel, which needs no SBAT.
		trusted := keys.With(vendor)
		trusted.SBAT = nil
		for _, name := range img.kernelsOfGRUB() {
			p, verdict, err := img.trusts(name, trusted)
			switch {
			case errors.Is(err, efi.ErrNoProgram):
				verdict.Why = strings.TrimPrefix(err.Error(), name+": ")
			case err != nil:
				return err
			default:
				verdict.Unknown = ""
				said = append(said, about(name, p, verdict))
			}
			if !verdict.Starts {
				found.Starts, found.Why = false, fmt.Sprintf("GRUB does not start %s: %s", name, verdict.Why)
				return nil
			}
			found.Why += fmt.Sprintf(", and %s, by %s", name, verdict.Key.Name())
		}
		return nil
	})
	if errors.Is(err, efi.ErrNoProgram) {
		found, err = efi.Verdict{Why: err.Error()}, nil
	}
	var r check.Result
	switch {
	case err != nil:
		r = check.Doubt(err.Error())
	case found.Starts:
		r = check.Hold(found.Why)
	case v.SecureBoot:
		r = check.Break(found.Why)
	default:
		r = check.Warn(found.Why, "a PC with Secure Boot, which is how PCs are sold, refuses the image", "sign it, or say that Secure Boot is to be switched off")
	}
	return r.With(strings.Join(said, "\n"))
}

// maxKernels is more than a medium has of kernels that boot by themselves.
const maxKernels = 4

// kernelsOfGRUB are the kernels that GRUB's menus boot by themselves.
func (img *Image) kernelsOfGRUB() (names []string) {
	for _, m := range img.Menus {
		if m.Loader == "grub" && m.Default >= 0 && m.Default < len(m.Entries) && len(names) < maxKernels {
			if name := m.Entries[m.Default].Kernel; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// firmwareKeys are those that the image is judged by.
func (v *view) firmwareKeys() (efi.Keys, error) {
	if v.Variables == "" {
		return efi.Keys{}, errors.New("there are no keys of a firmware here to judge by: the check ovmf-secure-boot says what is missing")
	}
	f, err := os.Open(v.Variables)
	if err != nil {
		return efi.Keys{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return efi.Keys{}, err
	}
	keys, err := efi.ReadVariables(f, info.Size())
	if err == nil && !keys.Enabled() {
		err = errors.New("it has no keys")
	}
	if err != nil {
		return efi.Keys{}, fmt.Errorf("%s: %w", v.Variables, err)
	}
	return keys, nil
}

// notThere is the error of a file that the image has not.
type notThere struct{ error }

func (notThere) Is(err error) bool { return err == fs.ErrNotExist }

// efiFile is the name in the image of a file that UEFI firmware finds, which reads a
// medium's own file system and that of an EFI boot image; "" where there is none.
func (img *Image) efiFile(name string) string {
	for _, v := range img.volumes {
		if v.has(name) {
			return v.in(name)
		}
	}
	return ""
}

// trusts reads a program of the image, and says whether keys let it start.
func (img *Image) trusts(name string, keys efi.Keys) (*efi.Program, efi.Verdict, error) {
	r, size, err := img.volumes.open(or(img.efiFile(name), name))
	if err != nil {
		return nil, efi.Verdict{}, notThere{err}
	}
	p, err := efi.Read(r, size)
	if err != nil {
		return nil, efi.Verdict{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, efi.Judge(p, keys), nil
}

// about is what was found of a program.
func about(name string, p *efi.Program, v efi.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s; digest %x\n", name, p.Machine, v.Why, p.Digest)
	for i, s := range p.Signatures {
		fmt.Fprintf(&b, "  signature %d: %s, issued by %s, serial %s, until %s\n", i+1, s.Signer.Subject, s.Signer.Issuer, s.Signer.Serial, s.Signer.NotAfter.Format("2006-01-02"))
	}
	for _, c := range p.SBAT {
		fmt.Fprintf(&b, "  SBAT: %s %d (%s)\n", c.Name, c.Generation, c.Version)
	}
	if v.Unknown != "" {
		fmt.Fprintf(&b, "  not known: %s\n", v.Unknown)
	}
	return strings.TrimRight(b.String(), "\n")
}
