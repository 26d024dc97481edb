package iso

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// noMenu is the error of an image without a menu that can be read.
type noMenu struct {
	loaders []string
	foreign bool // a boot loader is there, or may be, whose menu nobody can read here
}

func (e *noMenu) Error() string {
	const none = "no boot menu: no isolinux.cfg, syslinux.cfg, extlinux.conf, grub.cfg or loader/entries/*.conf with an entry that boots Linux, and no kernel that needs none (UKI)"
	switch {
	case e.loaders != nil:
		return fmt.Sprintf("%s; the boot loader is %s", none, list(e.loaders))
	case e.foreign:
		return none + "; which boot loader it has is not known"
	}
	return none
}

// loaders are boot loaders and what else boots a machine, as a file's name or
// its first bytes tell them. Of some, a menu could be read.
var loaders = []struct {
	name  string
	files []string // patterns of a name without its folder, in lower case
	text  string   // in a boot image; "" for none
	read  bool
}{
	{"Limine", []string{"limine.conf", "limine.cfg", "limine-*.bin", "limine-*.sys"}, "Limine", false},
	{"rEFInd", []string{"refind.conf", "refind_*.efi"}, "rEFInd", false},
	{"memtest86+, which is not Linux", []string{"memtest*.bin", "memtest*.efi", "mt86plus*"}, "Memtest86+", false},
	{"iPXE, which is not Linux", []string{"ipxe.lkrn", "ipxe.krn", "ipxe*.efi", "undionly.kpxe"}, "iPXE", false},
	{"the boot manager of Windows", []string{"bootmgr", "bootmgr.efi", "bootmgfw.efi"}, "", false},
	{"systemd-boot", []string{"systemd-boot*.efi"}, "LoaderInfo: systemd-boot", true},
	{"GRUB", []string{"grubx64.efi", "eltorito.img", "core.img", "normal.mod"}, "GRUB", true},
	{"ISOLINUX", []string{"isolinux.bin"}, "ISOLINUX", true},
}

// bootImageHead is how much of a boot image is searched for its name.
const bootImageHead = 256 << 10

// noMenu says which boot loader the image has, for which it has no menu.
func (img *Image) noMenu() *noMenu {
	var heads [][]byte
	for _, b := range img.Boot {
		at := int64(b.Sector) * sector
		if b.Bootable && at < img.Size {
			head := make([]byte, min(bootImageHead, img.Size-at))
			if _, err := img.file.ReadAt(head, at); err == nil {
				heads = append(heads, head)
			}
		}
	}
	e := &noMenu{}
	for _, l := range loaders {
		found := false
		for _, v := range img.volumes {
			for _, name := range v.paths {
				base := strings.ToLower(path.Base(name))
				for _, pattern := range l.files {
					match, _ := path.Match(pattern, base)
					found = found || match
				}
			}
		}
		for _, head := range heads {
			found = found || l.text != "" && bytes.Contains(head, []byte(l.text))
		}
		if found {
			e.loaders = append(e.loaders, l.name)
			e.foreign = e.foreign || !l.read || l.name == "GRUB" // GRUB's menu may lie in its own image
		}
	}
	e.foreign = e.foreign || e.loaders == nil
	return e
}
