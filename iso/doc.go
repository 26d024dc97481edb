// Package iso opens a boot image without booting, mounting or privileges, and
// checks that it is what a boot test needs.
//
// [Open] reads the volume's name, the El Torito boot catalogue, the menus of
// ISOLINUX and GRUB, and the squashfs root file system where it lies in the
// ISO: of an ordinary system, or of a NixOS store. [Checks] is the table of
// checks that `go test ./iso -run TestImage` runs.
package iso
