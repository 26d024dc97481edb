package iso

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// volume is one file system of the image that a boot loader reads: the ISO's
// own tree, or that of a file or partition in it.
type volume struct {
	name  string // of what holds it; "" for the ISO's own tree
	label string // what a loader finds it by
	uuid  string // likewise
	// devices are GRUB's names for it, such as hd0,gpt1, the one that GRUB itself
	// would use first; none where nobody can tell.
	devices []string
	// top, where set, are the folders at its top that are gone through for paths.
	top   []string
	paths []string // in the order of the walk, without leading slash
	// follow is where symbolic links lead, for who follows them; nil for a
	// volume without.
	follow func(name string) string
	stat   func(name string) (size int64, dir bool, err error)
	open   func(name string) (r io.ReaderAt, size int64, err error)
}

// read is the first limit bytes of a file.
func (v *volume) read(name string, limit int64) ([]byte, error) {
	r, size, err := v.open(name)
	if err != nil {
		return nil, err
	}
	return head(r, size, limit, name)
}

// head is the first limit bytes of what has size of them.
func head(r io.ReaderAt, size, limit int64, name string) ([]byte, error) {
	data := make([]byte, min(size, limit))
	if n, err := r.ReadAt(data, 0); err != nil && n < len(data) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// has says whether a file or folder is there.
func (v *volume) has(name string) bool {
	_, _, err := v.stat(name)
	return err == nil
}

// in is the name in the image of a file of the volume: boot/vmlinuz, or
// efi.img:/boot/vmlinuz.
func (v *volume) in(name string) string {
	name = path.Clean("/" + name)
	if v.name == "" {
		return name[1:]
	}
	return v.name + ":" + name
}

// volumes are those of one image, the ISO's own tree first.
type volumes []*volume

// find is the volume of a file that [volume.in] named, and its path there.
func (all volumes) find(name string) (*volume, string) {
	for _, v := range all {
		if v.name != "" {
			if rest, ok := strings.CutPrefix(name, v.name+":/"); ok {
				return v, rest
			}
		}
	}
	for _, v := range all {
		if v.name == "" {
			return v, name
		}
	}
	return all[0], name
}

// stat is the size of a file by its name in the image.
func (all volumes) stat(name string) (size int64, dir bool, err error) {
	if elsewhere(name) {
		return 0, false, errElsewhere(name)
	}
	v, rest := all.find(name)
	return v.stat(rest)
}

// open opens a file by its name in the image. That of a section of a UKI ends in
// it: EFI/Linux/a.efi:.initrd.
func (all volumes) open(name string) (io.ReaderAt, int64, error) {
	if elsewhere(name) {
		return nil, 0, errElsewhere(name)
	}
	v, rest := all.find(name)
	if file, section, ok := cutSection(rest); ok && !v.has(rest) {
		u, err := openUKI(v, file)
		if err != nil {
			return nil, 0, err
		}
		s, ok := u.sections[section]
		if !ok {
			return nil, 0, fmt.Errorf("%s has no section %s", v.in(file), section)
		}
		return s, s.Size(), nil
	}
	return v.open(rest)
}

// read is the first limit bytes of a file by its name in the image.
func (all volumes) read(name string, limit int64) ([]byte, error) {
	r, size, err := all.open(name)
	if err != nil {
		return nil, err
	}
	return head(r, size, limit, name)
}

func errElsewhere(name string) error {
	return fmt.Errorf("%s is on another device than the image", name)
}

// elsewhere says whether a loader's name for a file, such as
// (hd0,msdos1)/vmlinuz, leads out of the image.
func elsewhere(name string) bool { return strings.HasPrefix(name, "(") }

// maxVolumes bounds the file systems that are looked into.
const maxVolumes = 4

// findVolumes are the file systems of the image that a boot loader may read: the
// ISO's own tree, and the FAT of what UEFI firmware boots from.
func findVolumes(img *Image) volumes {
	all := volumes{img.treeVolume()}
	files := map[int64]string{}
	for _, name := range slices.Backward(img.tree.paths) {
		if e := img.tree.byPath[name]; !e.dir {
			files[e.at] = name
		}
	}
	tried := map[int64]bool{}
	try := func(name string, at, size int64) {
		if tried[at] || len(all) > maxVolumes || at <= 0 || size <= 0 {
			return
		}
		tried[at] = true
		if v, err := fatVolume(name, io.NewSectionReader(img.file, at, size), img.file); err == nil {
			all = append(all, v)
		}
	}
	for i, b := range img.Boot {
		if at := int64(b.Sector) * sector; b.Bootable && b.Platform == "efi" && at < img.Size {
			name, size := fmt.Sprintf("boot image %d", i+1), img.Size-at // such as a partition behind the tree
			if file, ok := files[at]; ok {
				name, size = file, min(size, img.tree.byPath[file].size)
			}
			try(name, at, size)
		}
	}
	for _, name := range img.tree.paths {
		if base := strings.ToLower(path.Base(name)); base == "efi.img" || base == "efiboot.img" {
			e := img.tree.byPath[name]
			try(name, e.at, min(e.size, img.Size-e.at))
		}
	}
	return all
}

// uuidOf is what GRUB calls a volume's UUID: the time of its last change, or of
// its making, in the primary volume descriptor.
func uuidOf(descriptor []byte) string {
	for _, at := range []int{830, 813} {
		d := string(descriptor[at : at+16])
		if strings.Trim(d, "0123456789") == "" && strings.Trim(d, "0") != "" {
			return strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:]}, "-")
		}
	}
	return ""
}

// treeVolume is the ISO's own tree.
func (img *Image) treeVolume() *volume {
	return &volume{
		label:   img.VolumeID,
		uuid:    img.uuid,
		devices: []string{"cd0", "cd"}, // as GRUB under OVMF has it
		paths:   img.tree.paths,
		follow:  img.tree.follow,
		stat: func(name string) (int64, bool, error) {
			e, ok := img.tree.find(name)
			if !ok {
				return 0, false, fmt.Errorf("%s is not in the ISO", name)
			}
			return e.size, e.dir, nil
		},
		open: func(name string) (io.ReaderAt, int64, error) {
			at, size, err := img.locate(name)
			return io.NewSectionReader(img.file, at, size), size, err
		},
	}
}
