package iso

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bootaudit/internal/disk"
	"bootaudit/internal/ext4"
	"bootaudit/internal/partition"
)

func isDisk(f disk.Format) bool {
	return slices.Contains([]disk.Format{disk.Raw, disk.QCOW2, disk.VDI, disk.VHDX, disk.VPC, disk.VMDK}, f)
}

// errNoDisk is of a file that may be of a disk, but of none that holds anything.
var errNoDisk = errors.New("no partition table, and no file system that is known")

// openDisk opens the image of a disk, whose file has size bytes. What reads a format
// that is not raw ends with the image, or with us.
func openDisk(path string, size int64) (*Image, error) {
	d, err := disk.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	known := func(v disk.Volume) bool { return v.Kind != "" && v.Kind != "zeros" }
	if d.Format == disk.Raw && d.Table.Scheme == "" && !slices.ContainsFunc(d.Volumes, known) {
		d.Close()
		return nil, errNoDisk
	}
	img := &Image{Path: path, Kind: kindDisk, Format: string(d.Format), Size: size, disk: d, file: &guarded{File: d, size: d.Size}}
	start := time.Now()
	img.MenuErr = img.doFrom(start, opLimit, maxReads, func() (err error) {
		img.volumes = img.diskVolumes()
		img.BootErr = img.diskBoot()
		img.Menus, err = findMenus(img)
		return err
	})
	img.RootErr = img.doFrom(start, opLimit, maxReads, func() (err error) {
		img.Root, err = findDiskRoot(img)
		return err
	})
	return img, nil
}

// partName is what a partition's files are named after.
func partName(v disk.Volume) string {
	if v.Partition.Number == 0 {
		return "disk"
	}
	return fmt.Sprintf("partition %d", v.Partition.Number)
}

func isFAT(v disk.Volume) bool { return strings.HasPrefix(v.Kind, "FAT") }

func (img *Image) section(v disk.Volume) *io.SectionReader {
	return io.NewSectionReader(img.file, v.Partition.Start, min(v.Partition.Size, img.disk.Size-v.Partition.Start))
}

// diskVolumes are the file systems of a disk that a boot loader may read, by the
// image's guard.
func (img *Image) diskVolumes() volumes {
	var all volumes
	for _, v := range img.disk.Volumes {
		if v.FS == nil {
			continue
		}
		var opened *volume
		var err error
		switch {
		case isFAT(v):
			opened, err = fatVolume(partName(v), img.section(v), img.file)
		default:
			opened, err = extVolume(partName(v), img.section(v), img.file)
		}
		if err == nil {
			opened.devices = devices(img.disk.Table.Scheme, v.Partition.Number)
			all = append(all, opened)
		}
	}
	if all == nil { // for who asks the first
		all = volumes{&volume{name: "disk", stat: nothing, open: nothingThere}}
	}
	return all
}

// devices are GRUB's names for a partition of the disk that it was started from.
func devices(scheme string, number int) []string {
	if number == 0 {
		return []string{"hd0"}
	}
	part := fmt.Sprintf("hd0,gpt%d", number)
	if scheme == partition.MBR {
		part = fmt.Sprintf("hd0,msdos%d", number)
	}
	return []string{part, fmt.Sprintf("hd0,%d", number)}
}

func nothing(name string) (int64, bool, error) {
	return 0, false, fmt.Errorf("%s is in no file system that can be read", name)
}

func nothingThere(name string) (io.ReaderAt, int64, error) {
	_, _, err := nothing(name)
	return nil, 0, err
}

// diskBoot says what firmware finds to boot on the disk.
func (img *Image) diskBoot() error {
	img.Boot = []BootEntry{
		{Platform: "bios", Bootable: img.disk.Table.BootCode},
		{Platform: "efi", Bootable: img.efiFile(efiFirst) != ""},
	}
	if !img.Boot[0].Bootable && !img.Boot[1].Bootable {
		return errors.New("neither boot code in the first sector nor " + efiFirst + " in a file system that can be read")
	}
	return nil
}

// bootFolders are the folders at the top of an ext file system that boot loaders
// read; what is in others is the system's own.
var bootFolders = []string{"boot", "efi", "EFI", "grub", "grub2", "loader", "extlinux", "syslinux"}

// extVolume opens the ext file system in r.
func extVolume(name string, r *io.SectionReader, guard *guarded) (*volume, error) {
	f, err := ext4.Open(r, r.Size())
	if err != nil {
		return nil, err
	}
	v := &volume{name: name, label: f.Label, uuid: f.UUID, top: bootFolders}
	return v, v.of(f, r.Size(), guard)
}

// findDiskRoot opens the partition that has a system. Where several have one, it is
// the one that a boot entry's root= names, or else the largest.
func findDiskRoot(img *Image) (*Root, error) {
	var found []*Root
	var doubt error
	for _, v := range img.disk.Volumes {
		name := partName(v)
		switch {
		case strings.HasPrefix(v.Kind, "ext") && v.FS != nil:
			f, err := ext4.Open(img.section(v), img.section(v).Size())
			if err != nil {
				doubt = fmt.Errorf("%s: %w", name, err)
				continue
			}
			r := &Root{File: name, Size: f.Size, img: img, fs: plain{f}, folders: map[string][]node{}}
			if err := r.findSystem(); errors.Is(err, errNoSquashfs) {
				continue // such as a file system for /boot
			} else if err != nil {
				return nil, err
			}
			if !r.exists("/etc") && r.System == "" {
				continue
			}
			found = append(found, r)
			if img.isRoot(v) {
				return r, nil
			}
		case v.Kind != "" && !isFAT(v) && v.Kind != "swap" && v.Kind != "zeros":
			doubt = errKind(name, v.Kind)
		case v.Err != nil:
			doubt = fmt.Errorf("%s: %w", name, v.Err)
		}
	}
	switch {
	case found != nil:
		return slices.MaxFunc(found, func(a, b *Root) int { return int(min(max(a.Size-b.Size, -1), 1)) }), nil
	case doubt != nil:
		return nil, doubt
	}
	return nil, errNoSquashfs
}

// isRoot says whether an entry that boots by itself has the volume for its root.
func (img *Image) isRoot(v disk.Volume) bool {
	for _, e := range img.booted() {
		for _, root := range e.values("root") {
			if slices.Contains(rootNames(v), root) {
				return true
			}
		}
	}
	return false
}

// rootNames are what root= may call a volume.
func rootNames(v disk.Volume) []string {
	var all []string
	for _, n := range []struct{ tag, folder, value string }{
		{"LABEL", "label", v.Label}, {"UUID", "uuid", v.UUID}, {"PARTUUID", "partuuid", v.Partition.UUID}, {"PARTLABEL", "partlabel", v.Partition.Name},
	} {
		if n.value != "" {
			all = append(all, n.tag+"="+n.value, "/dev/disk/by-"+n.folder+"/"+n.value)
		}
	}
	return all
}
