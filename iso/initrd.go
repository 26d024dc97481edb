package iso

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bootaudit/internal/initrd"
)

// ram is what an entry's kernel unpacks before it mounts anything.
type ram struct {
	entry   Entry
	where   []string // the entries that boot the same
	file    string   // its initrds, for a sentence
	fs      *initrd.FS
	err     error  // why there is no fs
	arch    string // the kernel's; "" where it cannot be told
	version string // of the kernel; "" where it cannot be told
}

// initrdLimit ends the reading of one: 100 MB of xz take 8 s.
const initrdLimit = 90 * time.Second

// booted is the entries that a menu boots by itself, or has no other than.
func booted(menus []Menu) (entries []Entry) {
	for _, m := range menus {
		switch {
		case m.Default >= 0 && m.Default < len(m.Entries):
			entries = append(entries, m.Entries[m.Default])
		case len(m.Entries) == 1:
			entries = append(entries, m.Entries[0])
		}
	}
	return entries
}

// hasInitrd says why nothing is to be seen in an initrd.
func (v *view) hasInitrd(ctx context.Context) string {
	img, err := v.open(ctx)
	if err != nil || img.MenuErr != nil {
		return ""
	}
	entries := booted(img.Menus)
	if len(entries) == 0 {
		return "no menu has an entry that it boots by itself"
	}
	if !slices.ContainsFunc(entries, func(e Entry) bool { return len(e.Initrds) > 0 }) {
		return "what boots by itself has no initrd"
	}
	return ""
}

// ramdisks reads the initrds of what boots by itself. That is done once.
func (v *view) ramdisks(ctx context.Context, img *Image) ([]*ram, error) {
	return v.rams.Get(ctx, func(ctx context.Context) ([]*ram, error) {
		var all []*ram
		for _, e := range booted(img.Menus) {
			if len(e.Initrds) == 0 {
				continue
			}
			same := func(r *ram) bool {
				return r.entry.Kernel == e.Kernel && slices.Equal(r.entry.Initrds, e.Initrds) && r.rdinit() == (&ram{entry: e}).rdinit()
			}
			if i := slices.IndexFunc(all, same); i >= 0 {
				all[i].where = append(all[i].where, e.Where())
				continue
			}
			r := &ram{entry: e, where: []string{e.Where()}, file: strings.Join(e.Initrds, " + ")}
			all = append(all, r)
			r.kernel(img)
			r.err = r.read(ctx, img)
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("reading %s did not end in time: %w", r.file, err)
			}
		}
		return all, nil
	})
}

// kernel reads the kernel's header. Where that tells nothing, nothing is told.
func (r *ram) kernel(img *Image) {
	head, err := img.ReadFile(r.entry.Kernel, headerSize)
	if err != nil {
		return
	}
	r.arch, _ = kernelArch(head)
	if len(head) < 0x210 || r.arch == "" || r.arch == "aarch64" {
		return
	}
	// The boot protocol's kernel_version, in the 16-bit part.
	at := 0x200 + int(head[0x20e]) + int(head[0x20f])<<8
	more, err := img.ReadFile(r.entry.Kernel, int64(at)+256)
	if err != nil || at == 0x200 || len(more) <= at {
		return
	}
	if words := strings.Fields(cString(more[at:])); len(words) > 0 && len(words[0]) < 128 && words[0][0] >= '0' && words[0][0] <= '9' {
		r.version = words[0]
	}
}

func (r *ram) read(ctx context.Context, img *Image) (err error) {
	ctx, cancel := context.WithTimeout(ctx, initrdLimit)
	defer cancel()
	r.fs, _, err = img.readInitrds(ctx, r.entry, initrd.Config{Keep: keepOfInitrd, Inspect: inspectOfInitrd})
	return err
}

// keepOfInitrd is the lists that are read, and of other files what a kernel
// looks at to run them.
func keepOfInitrd(name string, size int64) int64 {
	switch {
	case path.Base(name) == "modules.builtin" || strings.HasPrefix(name, "etc/ld.so.c") || strings.HasPrefix(name, "etc/ld-musl-"):
		return min(size, 1<<20)
	case strings.Contains(path.Base(name), ".ko"):
		return 0
	}
	return min(size, 256)
}

func inspectOfInitrd(name string, content []byte) any {
	if !bytes.HasPrefix(content, []byte("\x7fELF")) || strings.Contains(path.Base(name), ".ko") {
		return nil
	}
	return readELF(content)
}

// rdinit is the program that the kernel starts from its initramfs.
func (r *ram) rdinit() string {
	if all := r.entry.values("rdinit"); len(all) > 0 {
		return all[len(all)-1]
	}
	return "/init"
}
