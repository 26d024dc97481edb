package iso

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/initrd"
)

// initrdChecks is the rows about what the kernel unpacks before it mounts
// anything.
func (v *view) initrdChecks() []check.Check {
	return []check.Check{
		{
			ID: "image-initrd", Condition: "the initrd of what boots by itself is whole, and the kernel can start its /init", Needs: []string{"image-boot-files"},
			How:     "unpack it as the kernel does, to its end; look up /init (or rdinit=), its interpreter and every library they need, for the kernel's processor",
			Remedy:  "make the initrd again (update-initramfs -u, dracut -f, mkinitcpio -P, nixos-rebuild), and add to it what the finding names; compress it so that Linux reads it: gzip, zstd, xz --check=crc32, lz4 -l",
			Timeout: initrdLimit + 10*time.Second, Applies: v.hasInitrd, Probe: v.onRAM(initrdRuns),
		},
		{
			ID: "image-initrd-modules", Condition: "the initrd has the modules of its kernel, and those that lead to the root file system", Needs: []string{"image-initrd"},
			How: "compare lib/modules with the version in the kernel's header; for a squashfs on the CD, look for " + mediumModules() +
				" there and in modules.builtin (of the initrd, or of the root file system). What is in neither is broken; without a list of what is built in, it is a risk",
			Remedy:  "make the initrd for the kernel that is in the image (update-initramfs -u -k VERSION, dracut --kver VERSION), and name the missing modules (/etc/initramfs-tools/modules, dracut --add-drivers, MODULES= of mkinitcpio.conf, boot.initrd.availableKernelModules)",
			Timeout: initrdLimit + 10*time.Second, Applies: v.hasInitrd, Probe: v.onRAM(initrdModules),
		},
		{
			ID: "image-initrd-cost", Condition: "the initrd takes no longer to unpack than it must", Needs: []string{"image-boot-files"},
			How:     fmt.Sprintf("what it is compressed with: more than %d MiB of xz, lzma or bzip2 are a risk (measured: 4 s of an emulated boot for each 100 MB of xz)", costly>>20),
			Remedy:  slowRemedy,
			Timeout: initrdLimit + 10*time.Second, Applies: v.hasInitrd, Probe: v.onRAM(initrdCost),
		},
		{
			ID: "image-init", Condition: "the init= of what boots by itself is in the root file system", Needs: []string{"image-menu", "image-root-filesystem"},
			How: "look up the path of the last init= in the squashfs", Remedy: "correct init= in the menu, or leave it out for /sbin/init",
			Applies: v.namesInit, Probe: v.onRoot(rootInit),
		},
	}
}

func mediumModules() string {
	var all []string
	for _, need := range mediumNeeds {
		all = append(all, strings.Join(need.any, " or "))
	}
	return list(all)
}

// onRAM is a probe of each initrd that boots by itself. The worst of them is
// the result.
func (v *view) onRAM(probe func(*Image, *ram) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		img, err := v.open(ctx)
		if err != nil {
			return noImage(err)
		}
		rams, err := v.ramdisks(ctx, img)
		if err != nil {
			return check.Doubt(err.Error())
		}
		var worst check.Result
		var details, evidence []string
		for i, r := range rams {
			got := probe(img, r)
			if i == 0 || grade(got.Outcome) > grade(worst.Outcome) {
				worst, details = got, nil
			}
			if got.Outcome == worst.Outcome {
				details = append(details, got.Detail)
			}
			evidence = append(evidence, fmt.Sprintf("%s (%s):\n%s", r.file, list(r.where), got.Evidence))
		}
		worst.Detail = strings.Join(details, "; ")
		worst.Evidence = strings.Join(evidence, "\n")
		return worst
	}
}

// grade orders outcomes by how much they matter.
func grade(o check.Outcome) int {
	return slices.Index([]check.Outcome{check.NotNeeded, check.Holds, check.Risk, check.Unknown, check.Absent, check.Broken}, o)
}

func initrdRuns(_ *Image, r *ram) check.Result {
	result := r.judge()
	if r.fs != nil {
		result.Evidence = r.members()
	}
	return result
}

func (r *ram) judge() check.Result {
	if r.err != nil {
		if other := (*initrd.OtherError)(nil); errors.As(r.err, &other) && !other.Ramdisk {
			return check.Break(fmt.Sprintf("%s: %s", r.file, r.err))
		}
		return check.Doubt(fmt.Sprintf("%s: %s", r.file, r.err))
	}
	if stop := r.fs.Stop; stop != nil {
		says := fmt.Sprintf("%s: %s", r.file, stop)
		for _, unsure := range []error{errors.ErrUnsupported, initrd.ErrBound, context.DeadlineExceeded, context.Canceled} {
			if errors.Is(stop, unsure) {
				return check.Doubt(says)
			}
		}
		if init, err := r.runs(r.rdinit(), 0); err == nil && errors.Is(stop, initrd.ErrTrailing) {
			return check.Warn(says+"; before it, "+init, `the kernel says "Initramfs unpacking failed" and goes on with what it has`, "make the initrd again: what is put behind an archive starts at a multiple of 4 bytes, and is an archive")
		}
		return check.Break(says)
	}
	for _, m := range r.fs.Members {
		if m.Refused != "" {
			return check.Break(fmt.Sprintf("%s: the archive at byte %d: %s", r.file, m.Offset, m.Refused))
		}
	}
	says, err := r.runs(r.rdinit(), 0)
	switch {
	case errors.Is(err, errUnsure):
		return check.Doubt(fmt.Sprintf("%s: %s", r.file, err))
	case err != nil:
		return r.noInit(err)
	case r.fs.LostCount > 0:
		return check.Warn(fmt.Sprintf("%s: %s; %s", r.file, says, r.lost()), "the kernel makes no folders that are no entries, and unpacks nothing into them", "give the archive its folders as entries (find . | cpio, not find -type f)")
	}
	return check.Hold(fmt.Sprintf("%s: %s", r.file, says))
}

func (r *ram) lost() string {
	return fmt.Sprintf("%d of its entries cannot be made, for their folder is missing, or something else has their name: %s", r.fs.LostCount, list(r.fs.Lost[:min(5, len(r.fs.Lost))]))
}

// noInit is the result of an init that cannot be started. Without one, the
// kernel mounts root= by itself.
func (r *ram) noInit(err error) check.Result {
	says := fmt.Sprintf("%s: %s", r.file, err)
	if r.fs.LostCount > 0 {
		says += "; " + r.lost()
	}
	_, missing := r.fs.Stat("init")
	for _, root := range r.entry.values("root") {
		if missing != nil && len(r.entry.values("rdinit")) == 0 && strings.HasPrefix(root, "/dev/") && !strings.HasPrefix(root, "/dev/disk/") {
			return check.Doubt(fmt.Sprintf("%s: it has no /init, so the kernel mounts %s by itself, if it has what that needs built in", r.file, root))
		}
	}
	return check.Break(says)
}

func (r *ram) members() string {
	var rows []string
	for _, m := range r.fs.Members {
		end := ""
		if !m.Trailer {
			end = ", without an end mark"
		}
		rows = append(rows, fmt.Sprintf("byte %d: %s, %d bytes (%d unpacked), %d entries from %q%s", m.Offset, or(m.Compression, "plain"), m.Packed, m.Unpacked, m.Entries, m.First, end))
	}
	return strings.Join(rows, "\n")
}

// nested is where dracut and others keep the rest of an initrd, as an image.
var nested = []string{"squashfs-root.img", "squash-root.img", "squash/root.img", "erofs-root.img", "squash/erofs-root.img"}

func initrdModules(img *Image, r *ram) check.Result {
	if r.fs == nil || r.fs.Stop != nil {
		return check.Doubt(r.file + " cannot be read to its end")
	}
	versions := r.modules()
	names := slices.Sorted(maps.Keys(versions))
	result := r.modulesOf(img, versions, names)
	result.Evidence = fmt.Sprintf("kernel %s\nmodules of %s", or(r.version, "of an unknown version"), or(list(names), "no version"))
	return result
}

func (r *ram) modulesOf(img *Image, versions map[string]*kernelModules, names []string) check.Result {
	for _, name := range nested {
		if _, err := fs.Stat(r.fs, name); err == nil {
			return check.Doubt(fmt.Sprintf("%s has an image in it, %s, which is not looked into", r.file, name))
		}
	}
	version := r.version
	switch {
	case len(names) == 0:
		versions = map[string]*kernelModules{version: {}}
	case version == "" && len(names) == 1:
		version = names[0]
	case version == "":
		return check.Doubt(fmt.Sprintf("%s tells no version, and %s has modules of %s", r.entry.Kernel, r.file, list(names)))
	case versions[version] == nil:
		return check.Break(fmt.Sprintf("%s has modules of %s, the kernel %s is %s", r.file, list(names), r.entry.Kernel, version))
	}
	has := versions[version]
	says := fmt.Sprintf("%s has %d modules of %s", r.file, len(has.there), version)
	if len(names) == 0 {
		says = r.file + " has no modules"
	}
	if img.Root == nil {
		return check.Hold(says + "; what leads to the root file system is not known, for that is no squashfs on the CD")
	}
	builtin := has.builtin
	if builtin == nil {
		builtin = img.Root.builtin(version)
	}
	if len(names) == 0 && builtin == nil {
		return check.Doubt(says + ": whether the kernel has all that it needs built in, only a boot can tell")
	}
	missing := has.missing(mediumNeeds, builtin)
	var hard, soft []string
	for _, need := range missing {
		row := fmt.Sprintf("%s (%s)", strings.Join(need.any, " or "), need.what)
		if need.soft != "" {
			soft = append(soft, row+": "+need.soft)
		} else {
			hard = append(hard, row)
		}
	}
	switch {
	case len(hard) > 0 && builtin != nil:
		return check.Break(fmt.Sprintf("%s, and neither has it nor has the kernel built in: %s", says, list(hard)))
	case len(missing) > 0:
		why := "the kernel does not have them built in"
		if builtin == nil {
			why = "no list tells whether the kernel has them built in"
		}
		return check.Warn(fmt.Sprintf("%s, without %s; %s", says, list(append(hard, soft...)), why),
			"the boot may not find its root file system", "add the modules to the initrd, or see them in a boot")
	}
	return check.Hold(says + ", with what leads to the root file system, there or built in")
}

// costly is where unpacking by a slow method is worth a word: more than a
// second of an emulated boot.
const costly = 32 << 20

const slowRemedy = "compress the initrd with zstd: COMPRESS=zstd (initramfs.conf), dracut --zstd, COMPRESSION=zstd (mkinitcpio.conf), boot.initrd.compressor = \"zstd\""

func initrdCost(_ *Image, r *ram) check.Result {
	if r.fs == nil {
		return check.Doubt(fmt.Sprintf("%s: %s", r.file, r.err))
	}
	var rows, slow []string
	for _, m := range r.fs.Members {
		row := fmt.Sprintf("%.1f MiB of %s", float64(m.Packed)/(1<<20), or(m.Compression, "plain cpio"))
		rows = append(rows, row)
		if slices.Contains([]string{"xz", "lzma", "bzip2"}, m.Compression) && m.Packed > costly {
			slow = append(slow, row)
		}
	}
	if slow != nil {
		return check.Warn(fmt.Sprintf("%s is %s", r.file, list(slow)), "an emulated boot takes seconds longer: about 4 for each 100 MB of xz", slowRemedy)
	}
	return check.Hold(fmt.Sprintf("%s: %s", r.file, list(rows)))
}

// namesInit says why no init= is looked up.
func (v *view) namesInit(ctx context.Context) string {
	img, err := v.open(ctx)
	if err != nil {
		return ""
	}
	if !slices.ContainsFunc(booted(img.Menus), func(e Entry) bool { return e.init() != "" }) {
		return "what boots by itself names no init="
	}
	return v.hasRoot(ctx)
}

// init is what the initramfs starts in the root file system.
func (e Entry) init() string {
	if all := e.values("init"); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

func rootInit(r *Root) check.Result {
	// A squashfs may hold the root file system's image, or be something else.
	if r.System == "" && !r.Exists("/etc") {
		return check.Doubt(r.File + " is no root file system: it has no /etc")
	}
	var bad, good []string
	for _, e := range booted(r.img.Menus) {
		switch init := e.init(); {
		case init == "":
		case r.Exists(init):
			good = append(good, init)
		default:
			bad = append(bad, fmt.Sprintf("%s: init=%s is not in %s", e.Where(), init, r.File))
		}
	}
	slices.Sort(good)
	if bad != nil {
		return check.Break(strings.Join(bad, "; "))
	}
	return check.Hold(fmt.Sprintf("%s has %s", r.File, list(slices.Compact(good))))
}
