package iso

import (
	"fmt"
	"path"
	"strings"
)

// volume is one file system of the image that a boot loader reads: the ISO's
// own tree, or that of a file or partition in it.
type volume struct {
	name  string   // of what holds it; "" for the ISO's own tree
	label string   // what a loader finds it by
	uuid  string   // likewise
	paths []string // in the order of the walk, without leading slash
	stat  func(name string) (size int64, dir bool, err error)
	read  func(name string, limit int64) ([]byte, error)
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
		return 0, false, fmt.Errorf("%s is on another device than the image", name)
	}
	v, rest := all.find(name)
	return v.stat(rest)
}

// read is the first limit bytes of a file by its name in the image.
func (all volumes) read(name string, limit int64) ([]byte, error) {
	if elsewhere(name) {
		return nil, fmt.Errorf("%s is on another device than the image", name)
	}
	v, rest := all.find(name)
	return v.read(rest, limit)
}

// elsewhere says whether a loader's name for a file, such as
// (hd0,msdos1)/vmlinuz, leads out of the image.
func elsewhere(name string) bool { return strings.HasPrefix(name, "(") }

// findVolumes are the file systems of the image that a boot loader may read.
func findVolumes(img *Image) volumes {
	return volumes{img.treeVolume()}
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
		label: img.VolumeID,
		uuid:  img.uuid,
		paths: img.tree.paths,
		stat: func(name string) (int64, bool, error) {
			e, ok := img.tree.find(name)
			if !ok {
				return 0, false, fmt.Errorf("%s is not in the ISO", name)
			}
			return e.size, e.dir, nil
		},
		read: img.readTree,
	}
}
