package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"bootaudit/internal/ext4"
	"bootaudit/internal/fat"
	"bootaudit/internal/partition"
)

// Disk is an opened image. It reads as the disk that a guest would see.
type Disk struct {
	io.ReaderAt
	Identity
	Size    int64 // of the disk, not of the file
	Table   partition.Table
	Volumes []Volume
	// Faults is what is wrong, in words: of the partition table, and of what the
	// partitions hold.
	Faults []string
	close  func() error
}

// Volume is a partition, or a whole disk that has none.
type Volume struct {
	Partition   partition.Partition // its Number is 0 where it is the whole disk
	Kind        string              // of its file system, "" where that is not known
	Label, UUID string
	FS          fs.FS // of a FAT or ext that can be opened
	Err         error // why it cannot
}

// Open opens a disk image and looks at its partitions. What ends with the context
// is the program that reads a format which is not raw.
func Open(ctx context.Context, path string) (*Disk, error) {
	if err := protocol(path); err != nil {
		return nil, err
	}
	f, size, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	d := &Disk{ReaderAt: f, Identity: Identify(f, size), Size: size, close: f.Close}
	switch {
	case d.Refused != "":
		err = fmt.Errorf("disk: %s is %s, and not opened: %s", path, d.Words, d.Refused)
	case d.Format == Raw || d.Format == ISO:
	case d.Format == QCOW2 || d.Format == VDI || d.Format == VHDX || d.Format == VPC || d.Format == VMDK:
		var s *server
		if s, err = serve(ctx, d.Format, path); err == nil {
			f.Close()
			d.ReaderAt, d.Size, d.close = s, s.Size(), s.Close
		}
	case d.Format == Compressed:
		err = fmt.Errorf("disk: %s is %s: unpack it first", path, d.Words)
	default:
		err = fmt.Errorf("disk: %s is %s, and no disk", path, d.Words)
	}
	if err == nil {
		err = d.look()
	}
	if err != nil {
		_ = d.close()
		return nil, err
	}
	return d, nil
}

// Close ends what reads the image.
func (d *Disk) Close() error { return d.close() }

// protocol refuses a name that QEMU takes for something else than a file's.
func protocol(path string) error {
	if i := strings.IndexAny(path, ":/"); i >= 0 && path[i] == ':' {
		return fmt.Errorf("disk: %q is no file's name to QEMU, which takes %q for a protocol: write it as %q", path, path[:i+1], "./"+path)
	}
	return nil
}

// maxVolumes is as many as a GPT has room for where nobody asked for more.
const maxVolumes = 128

func (d *Disk) look() error {
	table, err := partition.Read(d, d.Size)
	switch {
	case err == nil:
		d.Table, d.Faults = table, table.Faults
	case !errors.Is(err, partition.ErrNone):
		return fmt.Errorf("disk: %w", err)
	}
	if err != nil || d.Format == ISO {
		d.Volumes = append(d.Volumes, d.volume(partition.Partition{Size: d.Size}))
	}
	for i, p := range table.Partitions {
		if i == maxVolumes {
			d.Faults = append(d.Faults, fmt.Sprintf("there are %d partitions, of which the first %d are looked at", len(table.Partitions), maxVolumes))
			break
		}
		v := d.volume(p)
		d.Volumes = append(d.Volumes, v)
		d.check(v)
	}
	return nil
}

func (d *Disk) volume(p partition.Partition) Volume {
	v := Volume{Partition: p}
	size := min(p.Size, d.Size-p.Start)
	if size <= 0 {
		v.Err = errors.New("lies beyond the end of the image")
		return v
	}
	part := io.NewSectionReader(d, p.Start, size)
	head := make([]byte, min(size, headSize))
	if n, err := part.ReadAt(head, 0); n < len(head) {
		v.Err = err
		return v
	}
	k := kindOf(file{part, size}, head)
	v.Kind, v.Label, v.UUID = k.name, k.label, k.uuid
	switch k.name {
	case "FAT":
		f, err := fat.Open(part, size)
		if v.Err = err; err == nil {
			v.Kind, v.Label, v.UUID, v.FS = fmt.Sprintf("FAT%d", f.Bits), f.Label, f.Serial, f
			if f.Size > size {
				d.Faults = append(d.Faults, fmt.Sprintf("%s takes %d bytes, and its partition has %d", v.name(), f.Size, size))
			}
		}
	case "ext":
		f, err := ext4.Open(part, size)
		if v.Err = err; err == nil {
			v.Kind, v.FS = f.Kind, f
			if f.NeedsRecovery {
				d.Faults = append(d.Faults, v.name()+" was not unmounted: what its journal holds is not seen here")
			}
		}
	}
	if v.Err != nil {
		d.Faults = append(d.Faults, fmt.Sprintf("%s cannot be read: %v", v.name(), v.Err))
	}
	return v
}

// check compares what a partition holds with what it is said to be.
func (d *Disk) check(v Volume) {
	isFAT := strings.HasPrefix(v.Kind, "FAT")
	if v.Partition.EFISystem() {
		if !isFAT && v.Err == nil {
			d.Faults = append(d.Faults, v.name()+" is an EFI system partition by its type, and firmware reads FAT alone")
		}
		return
	}
	if v.FS == nil || !isFAT {
		return
	}
	if info, err := fs.Stat(v.FS, "EFI/BOOT"); err == nil && info.IsDir() {
		of := "its type is " + v.Partition.Type
		if v.Partition.Type == "" {
			of = "its type is " + v.Partition.TypeID
		}
		d.Faults = append(d.Faults, fmt.Sprintf("%s has the folder EFI/BOOT, and is no EFI system partition: %s, and firmware may not look there", v.name(), of))
	}
}

func (v Volume) name() string {
	kind := v.Kind
	if kind == "" {
		kind = "what is not known"
	}
	if v.Partition.Number == 0 {
		return "the disk (" + kind + ")"
	}
	return fmt.Sprintf("partition %d (%s)", v.Partition.Number, kind)
}
