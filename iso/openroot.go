package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bootaudit/internal/ext4"
	"bootaudit/internal/squashfs"
)

// smallest is what the smallest file system takes that a system fits into.
const smallest = 1 << 20

// fileSystem is the kind of file system that a file of the ISO is; "" where it is
// none that an image boots into.
func (img *Image) fileSystem(name string) (string, error) {
	e := img.tree.byPath[name]
	if e.dir || e.size < 96 {
		return "", nil
	}
	head, err := img.read(name, 2048)
	if err != nil {
		return "", err
	}
	if string(head[:4]) == "hsqs" || e.size < smallest {
		return kindOfDisk(head[:4]), nil
	}
	kind := kindOfDisk(head)
	if kind == "" {
		// btrfs has its header after 64 KiB.
		at, size, err := img.locate(name)
		magic := make([]byte, 8)
		if err != nil || size < btrfsMagic+8 {
			return "", err
		}
		if _, err := img.file.ReadAt(magic, at+btrfsMagic); err != nil {
			return "", err
		}
		if string(magic) == "_BHRfS_M" {
			kind = "btrfs"
		}
	}
	return kind, nil
}

const btrfsMagic = 64<<10 + 64

// kindOfDisk tells a file system by its first 2048 bytes, or some by four.
func kindOfDisk(head []byte) string {
	le := binary.LittleEndian
	switch {
	case len(head) < 4:
		return ""
	case string(head[:4]) == "hsqs":
		return "squashfs"
	case len(head) < 2048:
		return ""
	case string(head[:4]) == "XFSB":
		return "XFS"
	case string(head[:6]) == "LUKS\xba\xbe":
		return "LUKS"
	case le.Uint32(head) == 0x28cd3d45, binary.BigEndian.Uint32(head) == 0x28cd3d45:
		return "cramfs"
	case le.Uint32(head[1024:]) == 0xe0f5e1e2:
		return "EROFS"
	case le.Uint16(head[1024+56:]) == 0xef53:
		return "ext4"
	}
	return ""
}

// errKind is a root file system of a kind that cannot be read.
func errKind(name, kind string) error {
	return fmt.Errorf("%s is of the kind %s, which cannot be looked into: %w", name, kind, errors.ErrUnsupported)
}

// openRoot opens a file of the ISO as a root file system. It says too where in it
// the root was, if that is deeper.
func (img *Image) openRoot(name string) (root rootFS, inside string, err error) {
	kind, err := img.fileSystem(name)
	if err != nil {
		return nil, "", err
	}
	at, length, err := img.locate(name)
	if err != nil {
		return nil, "", err
	}
	disk := io.NewSectionReader(img.file, at, length)
	switch kind {
	case "squashfs":
		fs, err := squashfs.Open(disk, length)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		return openInner(squashed{fs}, name)
	case "ext4":
		fs, err := ext4.Open(disk, length)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		return plain{fs}, "", nil
	}
	return nil, "", errKind(name, or(kind, "no file system"))
}

// openInner opens what a squashfs only wraps, as in dracut's LiveOS images.
func openInner(outer squashed, name string) (rootFS, string, error) {
	inner := func(dir node, want ...string) (node, error) {
		entries, err := outer.entries(dir)
		if err != nil {
			return node{}, fmt.Errorf("%s: %w", name, err)
		}
		for _, base := range want {
			if i, ok := search(entries, base); ok && (dir.name != "." || len(entries) == 1) {
				return entries[i], nil
			}
		}
		return node{}, nil
	}
	dir, err := inner(outer.top(), "LiveOS")
	if err != nil || dir.kind != folder {
		return outer, "", err
	}
	image, err := inner(dir, "rootfs.img", "ext3fs.img")
	if err != nil || image.kind != file {
		return outer, "", err
	}
	inside := "LiveOS/" + image.name
	r, err := outer.fs.Reader(image.ref.(squashfs.Entry))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	head := make([]byte, 2048)
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	where := name + " has the root file system in " + inside
	if kind := kindOfDisk(head); kind != "ext4" {
		return nil, "", fmt.Errorf("%s, %w", where, errKind("which", or(kind, "no file system")))
	}
	fs, err := ext4.Open(r, r.Size())
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", where, err)
	}
	return plain{fs}, inside, nil
}
