package iso

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/disk"
)

// Image is an opened image: of a CD (ISO 9660), of a disk, or a kernel with what
// it is loaded with. Its methods may be called by several goroutines.
type Image struct {
	Path string
	// Kind is "iso", "disk" or "kernel", and Format that of a disk's image in QEMU's
	// words, such as "qcow2".
	Kind, Format string
	Size         int64  // bytes of the file
	VolumeID     string // without the padding; of an ISO
	Boot         []BootEntry
	Menus        []Menu
	Root         *Root // the root file system inside the image; nil when RootErr says why

	BootErr, MenuErr, RootErr error

	disk    *disk.Disk // of a disk's image
	file    *guarded
	tree    tree
	uuid    string // that GRUB finds the volume by
	volumes volumes
	mu      sync.Mutex // of the guard's time, and of Root's caches
	ram     struct {
		sync.Mutex
		ramRoot
	}
}

const (
	sector = 2048
	// opLimit ends one operation on a hostile image. Opening a sound 1 GB
	// image takes well under a second.
	opLimit = 4 * time.Second
	// askLimit ends one question for which several files are unpacked; a check
	// that waits for so long says that it had no answer.
	askLimit = 30 * time.Second
	// maxRead is more than any sound structure of an image needs at once, and
	// maxReads than one operation needs of all of them, a small one counted as
	// minRead: so that its end does not depend on the clock alone.
	maxRead  = 32 << 20
	maxReads = 256 << 20
	minRead  = 4 << 10
	maxLong  = 4 << 30
	// maxListed is how many entries of folders one operation may go through.
	maxListed = 500_000
)

// Kinds of images.
const (
	kindISO    = "iso"
	kindDisk   = "disk"
	kindKernel = "kernel"
)

// OpenTarget opens the image of a target: its kernel, or its file, which for what
// is built must be filled in.
func OpenTarget(target contract.Target) (*Image, error) {
	if target.Kind == contract.KindKernel {
		return openKernel(target.Kernel, target.Initrd, target.Cmdline)
	}
	return Open(target.File)
}

// On is target with what its image is booted from, where it does not say that, and
// with the image's format.
func (img *Image) On(target contract.Target) contract.Target {
	target.File = img.Path
	if img.Kind == kindDisk {
		target.Bus, target.Format = cmp.Or(target.Bus, "disk"), img.Format
	}
	return target
}

// Open reads what firmware and boot loaders read first of the image in the file
// called path, and the index of its root file system: of an ISO the descriptors and
// the boot catalogue, of a disk's image the partition table; the boot menus. It
// mounts nothing and needs no privileges.
//
// An error means that the file is no whole image. What a readable image lacks is in
// its BootErr, MenuErr and RootErr.
func Open(path string) (*Image, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	img := &Image{Path: path, Kind: kindISO, Size: size, file: &guarded{File: f, size: size}}
	err = img.load()
	if none := (*notISO)(nil); errors.As(err, &none) {
		if is := disk.Identify(f, size); isDisk(is.Format) {
			of, diskErr := openDisk(path, size)
			if !errors.Is(diskErr, errNoDisk) {
				f.Close()
				return of, diskErr
			}
			err = fmt.Errorf("%w; nor of a disk: %w", err, diskErr)
		} else if is.Format != disk.Unknown {
			err = fmt.Errorf("no image of a CD or a disk, but %s%s", is.Words, advice(is))
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// advice says what to do with a file that is no image.
func advice(is disk.Identity) string {
	switch is.Format {
	case disk.Kernel:
		return ": name it with BOOT_IMAGE_KERNEL"
	case disk.Initrd:
		return ": name it with BOOT_IMAGE_INITRD, beside BOOT_IMAGE_KERNEL"
	case disk.Compressed:
		return ": unpack it first"
	}
	return ""
}

// openFile opens a file with something in it.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, 0, fmt.Errorf("no such file: %s", path)
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		return nil, 0, fmt.Errorf("%s is a directory, not an image", path)
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is a %s, not an image", path, info.Mode().Type())
	case info.Size() == 0:
		return nil, 0, fmt.Errorf("%s is empty", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

// Close releases the image's file.
func (img *Image) Close() error {
	if c, ok := img.file.File.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (img *Image) load() error {
	var catalogue uint32
	start := time.Now() // the limit is for all of it
	err := img.doFrom(start, opLimit, maxReads, func() error {
		at, root, err := img.descriptors()
		if err != nil {
			return err
		}
		catalogue = at
		img.tree, err = walk(img.file, img.Size, root)
		return err
	})
	if err != nil {
		return err
	}
	img.volumes = volumes{img.treeVolume()}
	img.BootErr = img.doFrom(start, opLimit, maxReads, func() (err error) {
		img.Boot, err = readCatalogue(img.file, img.Size, catalogue)
		return err
	})
	img.MenuErr = img.doFrom(start, opLimit, maxReads, func() (err error) {
		img.volumes = findVolumes(img)
		img.Menus, err = findMenus(img)
		return err
	})
	img.RootErr = img.doFrom(start, opLimit, maxReads, func() (err error) {
		img.Root, err = findRoot(img)
		return err
	})
	return nil
}

// descriptors reads the volume descriptors: the volume's name and size, the
// sector of the El Torito boot catalogue (0 when there is none), and the top
// folder.
func (img *Image) descriptors() (catalogue uint32, root entry, err error) {
	found := false
	for n := range 64 {
		d := make([]byte, sector)
		if _, err := img.file.ReadAt(d, int64(16+n)*sector); err != nil || string(d[1:6]) != "CD001" {
			break
		}
		switch d[0] {
		case 0:
			if string(bytes.TrimRight(d[7:39], "\x00 ")) == "EL TORITO SPECIFICATION" {
				catalogue = binary.LittleEndian.Uint32(d[0x47:])
			}
		case 1:
			found = true
			img.VolumeID = strings.TrimRight(string(d[40:72]), "\x00 ")
			img.uuid = uuidOf(d)
			root = entry{at: int64(binary.LittleEndian.Uint32(d[158:])) * sector, size: int64(binary.LittleEndian.Uint32(d[166:])), dir: true}
			if size := binary.LittleEndian.Uint16(d[128:]); size != sector {
				return 0, root, fmt.Errorf("its sectors have %d bytes; only %d can be read", size, sector)
			}
			if says := int64(binary.LittleEndian.Uint32(d[80:])) * sector; says > img.Size {
				return 0, root, fmt.Errorf("truncated: its volume has %d bytes, the file only %d", says, img.Size)
			}
		case 255:
			if found {
				return catalogue, root, nil
			}
		}
	}
	if found {
		return 0, root, errors.New("its list of volume descriptors has no end")
	}
	head := make([]byte, 16)
	n, _ := img.file.ReadAt(head, 0)
	return 0, root, &notISO{fmt.Sprintf("not an ISO 9660 image: no volume descriptor (\"CD001\") at byte %d; it has %d bytes and starts with %s",
		16*sector+1, img.Size, kindOf(head[:n]))}
}

// notISO is the error of a file that is no ISO at all.
type notISO struct{ text string }

func (e *notISO) Error() string { return e.text }

// ReadFile is the first limit bytes of a file in the ISO's own file system, or
// in one that lies in a file of it: efi.img:/loader/loader.conf.
func (img *Image) ReadFile(name string, limit int64) (data []byte, err error) {
	err = img.do(func() error {
		data, err = img.read(name, limit)
		return err
	})
	return data, err
}

// read is ReadFile for callers inside do.
func (img *Image) read(name string, limit int64) ([]byte, error) {
	return img.volumes.read(name, limit)
}

// locate is where a file of the ISO is in the image. Files are contiguous.
func (img *Image) locate(name string) (at, size int64, err error) {
	e, ok := img.tree.find(name)
	if !ok {
		return 0, 0, fmt.Errorf("%s is not in the ISO", name)
	}
	if e.dir {
		return 0, 0, fmt.Errorf("%s is a directory", name)
	}
	if e.at+e.size > img.Size {
		return 0, 0, fmt.Errorf("%s ends at byte %d of the ISO, which has %d", name, e.at+e.size, img.Size)
	}
	return e.at, e.size, nil
}
