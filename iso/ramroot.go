package iso

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/internal/initrd"
)

// ramRoot is the system of an image that boots into its initramfs and stays
// there, read once.
type ramRoot struct {
	read bool
	root *Root
	why  string // the image does without a root file system
	err  error  // why it cannot be told
}

// ramLimit ends the reading of an initramfs: 100 MB of xz take 8 s.
const ramLimit = time.Minute

// system is what the image boots into: its root file system, or where it has
// none, its initramfs. whyNot says why there is nothing to look into.
func (img *Image) system() (root *Root, whyNot string, err error) {
	if img.RootErr == nil {
		return img.Root, "", nil
	}
	if err := img.ask(img.rootless); err != nil {
		return nil, "", err
	}
	img.ram.Lock()
	defer img.ram.Unlock()
	s := &img.ram.ramRoot
	if !s.read {
		s.root, s.why, s.err = readRAM(img)
		s.read = true
	}
	return s.root, s.why, s.err
}

// errRAM is unknown alone: what is wrong with an initrd is not this check's.
var errRAM = errors.New("what the image boots into is its initramfs, which cannot be looked into")

// readRAM reads the initramfs of the entry that boots by itself.
func readRAM(img *Image) (*Root, string, error) {
	e, ok := img.bootsInto()
	if !ok {
		return nil, "no boot entry has an initrd, and the image has no root file system", nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), ramLimit)
	defer cancel()
	ram, size, err := img.readInitrds(ctx, e, initrd.Config{Keep: keepOfSystem})
	if err == nil && ram.Stop != nil && !errors.Is(ram.Stop, initrd.ErrTrailing) {
		err = ram.Stop
	}
	file := strings.Join(e.Initrds, " + ")
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", errRAM, file, err)
	}
	r := &Root{File: file, Size: size, img: img, fs: plain{ram}, folders: map[string][]node{}, ram: true}
	var why string
	err = img.ask(func() error {
		why = r.handsOver()
		return nil
	})
	if err != nil || why != "" {
		return nil, why, err
	}
	return r, "", nil
}

// readInitrds unpacks an entry's initrds, which have size bytes together. Other
// questions do not wait for it, unless they lie in another file system than the
// ISO's own.
func (img *Image) readInitrds(ctx context.Context, e Entry, cfg initrd.Config) (ram *initrd.FS, size int64, err error) {
	var packed *aligned
	shared := false
	err = img.do(func() error {
		packed, shared, err = img.packed(e)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	unpack := func() error {
		ram, err = initrd.Read(ctx, packed, packed.size, cfg)
		return err
	}
	if shared {
		err = img.long(unpack)
	} else {
		err = unpack()
	}
	return ram, packed.size, err
}

// packed is an entry's initrds; shared says that they are read by the guard's leave.
// It is for callers inside do.
func (img *Image) packed(e Entry) (all *aligned, shared bool, err error) {
	all = &aligned{}
	for _, name := range e.Initrds {
		if at, length, err := img.locate(name); err == nil {
			all.add(io.NewSectionReader(img.file.File, at, length), length)
			continue
		}
		r, length, err := img.volumes.open(name)
		if err != nil {
			return nil, false, err
		}
		all.add(r, length)
		shared = true
	}
	return all, shared, nil
}

// bootsInto is the entry that boots by itself and has an initrd.
func (img *Image) bootsInto() (Entry, bool) {
	for _, m := range img.Menus {
		i := m.Default
		if len(m.Entries) == 1 {
			i = 0
		}
		if i >= 0 && i < len(m.Entries) && len(m.Entries[i].Initrds) > 0 {
			return m.Entries[i], true
		}
	}
	return Entry{}, false
}

// Programs that an initramfs leaves for another root file system by.
var leaves = regexp.MustCompile(`\b(?:switch_root|switch-root|run-init|pivot_root)\b`)

// handsOver says by what an initramfs goes on to a root file system that is made
// while it boots; "" where it is the system itself.
func (r *Root) handsOver() string {
	if r.exists("/etc/initrd-release") {
		return r.File + " hands over to another system (/etc/initrd-release), which only a boot can show"
	}
	text, err := r.readFile("/init", maxScript)
	if err != nil || !strings.HasPrefix(string(text), "#!") {
		return ""
	}
	for _, c := range readCommands(string(text)) {
		if slices.ContainsFunc(c.words, func(w string) bool { return leaves.MatchString(w) }) {
			return fmt.Sprintf("%s hands over to another system (/init:%d: %.100s), which only a boot can show", r.File, c.line, strings.Join(c.words, " "))
		}
	}
	return ""
}

// keepOfSystem is what of a system's files the checks may ask for: the beginning
// of programs, and text in whole.
func keepOfSystem(name string, size int64) int64 {
	switch dir, base := path.Split("/" + name); {
	case strings.Contains(base, ".ko") || strings.HasPrefix(dir, "/lib/firmware/"):
		return 0
	case base == "busybox" && size <= maxBusybox:
		return size
	case size <= 64<<10:
		return size
	case strings.HasPrefix(dir, "/etc/"):
		return min(size, maxScript)
	}
	return 4 << 10
}

// aligned is initrds as a boot loader puts them into memory: one after the other,
// each from a multiple of 4.
type aligned struct {
	files  []io.ReaderAt
	starts []int64
	sizes  []int64
	size   int64
}

func (a *aligned) add(r io.ReaderAt, size int64) {
	start := (a.size + 3) &^ 3
	a.files, a.starts, a.sizes = append(a.files, r), append(a.starts, start), append(a.sizes, size)
	a.size = start + size
}

func (a *aligned) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(min(int64(len(p)), a.size-off), 0))
	clear(p[:n])
	for i, r := range a.files {
		from, to := max(off, a.starts[i]), min(off+int64(n), a.starts[i]+a.sizes[i])
		if from >= to {
			continue
		}
		if got, err := r.ReadAt(p[from-off:to-off], from-a.starts[i]); int64(got) < to-from {
			return 0, fmt.Errorf("cut off: %w", err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
