package iso

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
)

// finder finds the menus of an image.
type finder struct {
	*reading
	img   *Image
	menus []Menu
	seen  map[string]bool // entries, by the platform and place
	pe    int64           // bytes that may still be read of programs' headers

	processor string
}

// findMenus parses each boot menu of the image. A folder's main configuration
// stands for those that it includes. The menus before an error, and what was
// read of the one that has it, come with it.
func findMenus(img *Image) ([]Menu, error) {
	f := &finder{reading: &reading{volumes: img.volumes, late: img.file.late}, img: img, seen: map[string]bool{}, pe: maxPrograms}
	for _, v := range img.volumes {
		for _, name := range v.paths {
			if err := f.look(v, name); err != nil {
				return f.menus, err
			}
		}
	}
	// Firmware reads the EFI boot image; it reads the ISO's own tree where it can,
	// and copies of the one lie in the other.
	for _, v := range slices.Backward(img.volumes) {
		if v.name == "" && slices.ContainsFunc(f.menus, func(m Menu) bool { return m.Loader == "uki" || m.Loader == "systemd-boot" }) {
			continue
		}
		if err := f.efiLoaders(v); err != nil {
			return f.menus, err
		}
	}
	if len(f.menus) == 0 {
		return nil, img.noMenu()
	}
	return f.menus, nil
}

// look parses the file of a volume, where it is a menu's.
func (f *finder) look(v *volume, name string) error {
	full := v.in(name)
	switch base := strings.ToLower(path.Base(name)); base {
	case "isolinux.cfg", "syslinux.cfg", "extlinux.conf":
		m, err := parseSyslinux(full, f.reading)
		return f.add(m, err)
	case "grub.cfg":
		for _, platform := range f.platforms(v, name) {
			kind, cpu := "pc", "i386"
			if platform == "efi" {
				kind, cpu = "efi", f.cpu()
			}
			m, err := parseGRUB(full, kind, cpu, f.reading)
			m.Platform = platform
			if err := f.add(m, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// cpus are GRUB's names of the processors that UEFI firmware is for.
var cpus = map[string]string{"IA32": "i386", "AA64": "arm64", "ARM": "arm", "RISCV64": "riscv64", "LOONGARCH64": "loongarch64"}

// cpu is what GRUB calls the processor of the UEFI firmware that the image is
// for: x86_64, where the image does not name others alone.
func (f *finder) cpu() string {
	if f.processor == "" {
		f.processor = "x86_64"
		var other string
		for _, v := range f.volumes {
			for _, name := range v.paths {
				switch found := firmwareStarts.FindStringSubmatch(name); {
				case found == nil:
				case strings.EqualFold(found[1], "X64"):
					return f.processor
				default:
					other = cpus[strings.ToUpper(found[1])]
				}
			}
		}
		f.processor = or(other, f.processor)
	}
	return f.processor
}

// platforms are the firmwares that GRUB reads a file under.
func (f *finder) platforms(v *volume, name string) []string {
	efi := slices.ContainsFunc(f.img.Boot, func(b BootEntry) bool { return b.Bootable && b.Platform == "efi" })
	bios := slices.ContainsFunc(f.img.Boot, func(b BootEntry) bool { return b.Bootable && b.Platform == "bios" })
	folders := strings.ToLower("/" + name)
	switch {
	case v.name != "" && f.img.Kind == kindISO, strings.HasPrefix(folders, "/efi/"), strings.Contains(folders, "-efi/"), efi && !bios:
		return []string{"efi"}
	case strings.Contains(folders, "/i386-pc/"), bios && !efi:
		return []string{"bios"}
	case efi && f.img.isolinux() != "":
		return []string{"efi"} // the BIOS starts another loader
	}
	return []string{"bios", "efi"}
}

// isolinux is the ISOLINUX that a BIOS starts; "" for none.
func (img *Image) isolinux() string {
	for _, b := range img.Boot {
		if !b.Bootable || b.Platform != "bios" {
			continue
		}
		for _, name := range img.tree.paths {
			e := img.tree.byPath[name]
			if !e.dir && e.at == int64(b.Sector)*sector && strings.Contains(strings.ToLower(name), "isolinux") {
				return name
			}
		}
	}
	return ""
}

// add keeps a menu. Of two files, one may be there to be read by the other; and
// one file may say the same to both firmwares.
func (f *finder) add(m Menu, err error) error {
	fresh := m.Doubt != "" && len(m.Entries) == 0
	for _, e := range m.Entries {
		fresh = fresh || !f.seen[m.Platform+e.Where()]
		f.seen[m.Platform+e.Where()] = true
	}
	if fresh {
		same := slices.IndexFunc(f.menus, func(other Menu) bool {
			other.Platform = m.Platform
			return other.File == m.File && reflect.DeepEqual(other, m)
		})
		if same < 0 {
			f.menus = append(f.menus, m)
		} else {
			f.menus[same].Platform = ""
		}
	}
	if err == nil && len(f.menus) > maxMenus {
		err = fmt.Errorf("%s: more than %d boot menus", m.File, maxMenus)
	}
	return err
}
