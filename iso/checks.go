package iso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/once"
)

// Subject is what the image checks look at.
type Subject struct {
	Contract contract.Contract
	// Why says which profile the contract is, and by what that was told. Detected
	// says that it was told by what the image holds, so that all the profile's
	// marks must be there.
	Why      string
	Detected bool
	// Unknown, when set, is why nobody can tell what the image promises. What
	// depends on it cannot be told either.
	Unknown error
	// ProfileBefore is the profile of the same target when it was audited last, and
	// "" where it has not been.
	ProfileBefore string
	// Target is what is audited; its File is what ISO says.
	Target contract.Target
	// ISO is the image's path. It may build the image first; it is called once,
	// and again after a call whose context ended.
	ISO func(context.Context) (string, error)
	// Flake is what the image is built from; nil when it is given as a file.
	Flake *Flake
	// KeyAtBoot says how the machine hands the root key to an image that has
	// none embedded; "" when it does not.
	KeyAtBoot string
	// SecureBoot says that the image is to be booted with Secure Boot. Variables is a
	// file of UEFI variables with the keys of a firmware that has it; "" is none.
	SecureBoot bool
	Variables  string
	// Deadline is when go test ends the tests; zero when it never does. A build
	// is ended before.
	Deadline time.Time
}

// buildTimeout bounds a build: the slowest one measured took 35 minutes.
const buildTimeout = 2 * time.Hour

// Checks is the table of image checks: of the flake by evaluation, of the ISO
// by reading it, and the gaps that follow.
func Checks(s Subject) []check.Check {
	v := &view{Subject: s}
	waivers := s.Contract.Waivers(time.Now())
	checks := waivers.Over("", slices.Concat(v.flakeChecks(), v.imageChecks(), v.gapChecks()))
	if s.Unknown != nil {
		v.doubt(checks)
	}
	if c, ok := waivers.Check("", checks, false); ok {
		checks = append(checks, c)
	}
	for i, c := range checks {
		checks[i].Probe = func(ctx context.Context) check.Result {
			r := c.Probe(ctx)
			// An image may have a thousand boot entries with a fault in each.
			if len(r.Detail) > maxDetail {
				r.Detail = strings.ToValidUTF8(r.Detail[:maxDetail], "") + " ..."
			}
			return r
		}
	}
	return checks
}

// maxDetail bounds the sentence of a result, in bytes.
const maxDetail = 1200

// view is a subject while it is looked at: opened and evaluated once.
type view struct {
	Subject

	image once.Value[*Image]
	rams  once.Value[[]*ram]
}

var errNoImage = errors.New("no image is given")

// noImage is the result of a probe that has no image because of err.
func noImage(err error) check.Result {
	if missing := (*check.Lack)(nil); errors.As(err, &missing) {
		return check.Result{Outcome: missing.Outcome, Detail: err.Error()}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return check.Doubt("there was no image in time: " + err.Error())
	}
	return check.Break(err.Error())
}

// grace is kept of the deadline to end a build and to say so.
const grace = 15 * time.Second

var errDeadline = errors.New("go test's -timeout leaves no more time; give it a longer one, such as -timeout 2h")

// within is a context for what may take long.
func (v *view) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.Deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, v.Deadline.Add(-grace), errDeadline)
}

// open makes and opens the image on its first call. It stays open to the end
// of the process, as any check may be the last to read it.
func (v *view) open(ctx context.Context) (*Image, error) {
	return v.image.Get(ctx, func(ctx context.Context) (*Image, error) {
		if v.ISO == nil {
			return nil, errNoImage
		}
		ctx, cancel := v.within(ctx)
		defer cancel()
		target := v.Target
		var err error
		if target.File, err = v.ISO(ctx); err == nil {
			return OpenTarget(target)
		}
		if errors.Is(context.Cause(ctx), errDeadline) {
			err = &check.Lack{Outcome: check.Unknown, Err: fmt.Errorf("%w: %w", errDeadline, err)}
		}
		return nil, err
	})
}

// onImage is a probe of the opened image.
func (v *view) onImage(probe func(*Image) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		img, err := v.open(ctx)
		if err != nil {
			return noImage(err)
		}
		return probe(img)
	}
}

// onRoot is a probe of the image's root file system.
func (v *view) onRoot(probe func(*Root) check.Result) func(context.Context) check.Result {
	return v.onImage(func(img *Image) check.Result {
		root, whyNot, err := img.system()
		if root == nil {
			return check.Doubt(or(whyNot, fmt.Sprint(err)))
		}
		return probe(root)
	})
}

func (v *view) imageChecks() []check.Check {
	checks := []check.Check{
		{
			ID: "image-opens", Condition: "the image is a whole one, of a CD or a disk, or a kernel",
			How:     "read the file's volume descriptors (ISO 9660), or the disk's partition table; formats that are not raw through qemu-nbd",
			Remedy:  "name an image with BOOT_IMAGE_FILE, or build it again: the file is no image, or was cut off while it was copied",
			Timeout: buildTimeout, Probe: v.onImage(opened),
		},
		{
			ID: profileCheck, Condition: "what the image promises is known, and it has what shows that", Needs: []string{"image-opens"},
			How:    "BOOT_IMAGE_CONTRACT; else the marks of each profile, looked for in the flake, on the ISO and in its root file system",
			Remedy: "put into the image what is missing, or name another profile with BOOT_IMAGE_CONTRACT",
			Probe:  v.profile,
		},
		{
			ID: "image-digest", Condition: "the image's digest and size are recorded", Needs: []string{"image-opens"},
			How: "sha256sum of the file", Remedy: "make the file readable", Timeout: time.Minute,
			Probe: v.digest,
		},
		{
			ID: "image-volume-id", Condition: "the volume has a name for root=LABEL= to find", Needs: []string{"image-opens"},
			How: "volume id in the primary volume descriptor", Remedy: "name the volume: xorriso's -volid (NixOS: isoImage.volumeID)",
			Applies: v.ifKind("only a CD has a volume id", kindISO), Probe: v.onImage(volumeID),
		},
		{
			ID: "image-boot-catalog", Condition: "firmware finds what to boot on the medium", Needs: []string{"image-opens"},
			How:     "of a CD the El Torito boot catalogue: checksum, entries, where they point; of a disk the code in its first sector, and " + efiFirst,
			Remedy:  "make the ISO with an El Torito entry (xorriso -eltorito-boot); install a boot loader on the disk (grub-install, bootctl install)",
			Applies: v.ifKind(noFirmware, kindISO, kindDisk), Probe: v.onImage(bootCatalog),
		},
		{
			ID: "image-partitions", Condition: "the disk's partition table is whole", Needs: []string{"image-opens"},
			How: "GPT with its copy and sums, or MBR; where the partitions lie, and what file systems they hold", Remedy: "make the table anew (sfdisk, systemd-repart), and let nothing cut the image short",
			Applies: v.ifKind("only a disk has partitions that are used", kindDisk), Probe: v.onImage(partitions),
		},
		v.secureBootCheck(),
		{
			ID: "image-menu", Condition: "the boot menus can be read", Needs: []string{"image-opens"},
			How:    "run or parse isolinux.cfg, grub.cfg and loader/entries/*.conf as their boot loaders do, on the ISO and in its EFI boot image; look for kernels that need no loader (UKI)",
			Remedy: "put the boot loader's configuration where it looks for it, such as isolinux/isolinux.cfg, boot/grub/grub.cfg or loader/entries/*.conf; of another boot loader, only a boot can tell",
			Probe:  v.onImage(menusRead),
		},
		{
			ID: "image-boot-menu", Condition: "each boot menu boots an entry by itself", Needs: []string{"image-menu"},
			How:    "the timeout and the default of each menu",
			Remedy: "give the menu a timeout and a default that is one of its entries: TIMEOUT and DEFAULT (isolinux.cfg), set timeout= and default= (grub.cfg), timeout and default (loader.conf)",
			Probe:  v.onImage(bootMenu),
		},
		{
			ID: "image-boot-files", Condition: "the kernel and initrd of what boots by itself are there and of the right kind", Needs: []string{"image-menu"},
			How: "look up the paths of the menus' entries in the image and read their first bytes", Remedy: "correct the path in the boot loader's configuration, or put the file into the image",
			Probe: v.onImage(bootFiles),
		},
		{
			ID: "image-console", Condition: "what boots by itself writes to the serial console, and /dev/console is it", Needs: []string{"image-menu"},
			How:     "console= in the menus' default entries, in order",
			Remedy:  "add console=tty0 console=ttyS0,115200n8 to the kernel command line of that entry, the serial one last (NixOS: boot.kernelParams)",
			Applies: v.ifConsole(), Probe: v.onImage(v.bootConsole),
		},
		{
			ID: "image-root-label", Condition: "root= of what boots by itself names a file system of the image", Needs: []string{"image-menu"},
			How:     "compare LABEL=, and of a disk UUID=, PARTUUID= and PARTLABEL=, on the kernel command line with the volume id or the partitions",
			Remedy:  "make the volume id (xorriso -volid), or the partition's name or UUID, and root= on the kernel command line agree",
			Applies: v.ifKind("a kernel has no medium", kindISO, kindDisk), Probe: v.onImage(rootLabel),
		},
		{
			ID: "image-root-filesystem", Condition: "the root file system inside the image can be read", Needs: []string{"image-opens"},
			How:     "find the squashfs or ext4 in the ISO, and what live-boot, casper or Manjaro stacks on it, and list the top folder",
			Remedy:  "build the image again; without it only a boot can tell what is inside",
			Timeout: buildTimeout, Applies: v.hasRoot, Probe: v.onImage(rootFilesystem),
		},
		{
			ID: "image-architecture", Condition: "kernel and programs are for the machine's processor", Needs: []string{"image-boot-files"},
			After: []string{"image-root-filesystem"}, Timeout: ramLimit + 10*time.Second,
			How: "bzImage header of the kernel, ELF header of the shell", Remedy: "build the image, its kernel and what it holds, for x86_64",
			Probe: v.onImage(architecture),
		},
		{
			ID: "image-commands", Condition: "every command of the contract is in the image", Needs: []string{"image-root-filesystem"},
			How: "look for the names in the PATH's folders; of a link to busybox, for the applet in it", Remedy: "install the packages that have them into the image's root file system",
			Applies: v.ifCommands(), Probe: v.onRoot(v.commands),
		},
		{
			ID: "image-unit", Condition: "the contract's units are as it says and enabled", Needs: []string{"image-root-filesystem"},
			How: "read the unit files and the links in .wants", Remedy: "set the unit's Type, WantedBy and Environment as the contract has them",
			Applies: v.ifUnits(), Probe: v.onRoot(v.units),
		},
		{
			ID: "image-status-file", Condition: "the provisioner writes the status file with its outcomes", Needs: []string{"image-unit"},
			How: "search what the unit runs for the file and the words", Remedy: "let the unit's script write the status file of the contract",
			Applies: v.ifStatusFile(), Probe: v.onRoot(v.statusFile),
		},
		{
			ID: "image-ssh-order", Condition: "nothing waits for a unit that waits for it", Needs: []string{"image-unit"},
			How:     "After= of the later unit, and systemctl start without --no-block in what the earlier one runs",
			Remedy:  "start the later unit with systemctl --no-block, or by its own WantedBy",
			Applies: v.ifOrder(), Probe: v.onRoot(v.sshOrder),
		},
		{
			ID: "image-autologin", Condition: "the console logs the contract's user in", Needs: []string{"image-root-filesystem"},
			How:     "what the init starts on the console: systemd's getty, /etc/inittab (sysvinit, busybox), OpenRC's agetty services, runit's and s6's run scripts",
			Remedy:  "let the init start the console's getty with --autologin, or a shell in place of it",
			Applies: v.ifAutomatic(), Probe: v.onRoot(v.autologin),
		},
		{
			ID: "image-sudo", Condition: "the login user becomes root without a password", Needs: []string{"image-root-filesystem"},
			How: "the rules for the user and its groups in /etc/sudoers and /etc/sudoers.d", Remedy: "add a NOPASSWD rule for the user or one of its groups",
			Applies: v.ifPasswordless(), Probe: v.onRoot(v.sudo),
		},
	}
	checks = append(checks, v.initrdChecks()...)
	for i, c := range checks {
		checks[i].Section = check.SectionImage
		if ways[c.ID] != nil {
			checks[i].Probe = v.inItsWay(c.ID, c.Probe)
		}
	}
	return checks
}

// list joins words for a sentence.
func list(items []string) string { return strings.Join(items, ", ") }
