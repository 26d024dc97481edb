// Package iso opens a boot image without booting, mounting or privileges, and
// checks that it is what a boot test needs.
//
// [Open] reads of a CD the volume's name and the El Torito boot catalogue, of a disk
// the partition table; the menus of ISOLINUX, GRUB and systemd-boot, and kernels that
// need none (UKI), wherever a boot loader looks for them; and the root file system
// where it lies in the image: a squashfs, several that the boot stacks, or an ext4, be
// it wrapped in a squashfs; of an ordinary system, or of a NixOS store. What boots into
// its initramfs and stays there is looked up there. What a menu says that only the
// machine can tell is in doubt. An image may be hostile: what it claims is checked
// against its size, what is made of it is bounded by what it has, and every operation
// ends within seconds, or a minute where many files are unpacked for it.
//
// A [Flake] builds the image that it describes, and its NixOS configuration is
// evaluated. nix 2.8 and later will do; a build says every ten seconds how it
// goes on, leaves its raw log, and is not repeated while neither the flake nor
// the root key changes.
//
// [Checks] is the table of both, and of the gaps that follow: flake-* by
// evaluation and build, image-* by opening, gap-*. The audit of the image that
// the environment names (see package config) is
//
//	BOOT_IMAGE_FILE=some.iso go test ./iso -run TestImage -v
//
// where one check of it is -run TestImage/image-console, and where a fault
// reads
//
//	broken: what boots by itself writes to the serial console, and /dev/console is it:
//	isolinux/isolinux.cfg:6: console=tty0 comes last in "Installer", so /dev/console is not ttyS0
package iso
