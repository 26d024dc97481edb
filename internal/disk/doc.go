// Package disk says by its content what a file is, and looks into disk images
// without booting them and without root: their partitions, and the file systems in
// those.
//
// What QEMU makes of a name or of a header may reach other files of the host: a
// qcow2's backing or data file, a VMDK's extents, "nbd:" in front of a path. All of
// it is refused here before QEMU sees the file. What is not refused and is not raw
// is read through qemu-nbd, which is told the format (it guesses none) and that
// there is no backing file, serves on a socket that nobody else can reach, and ends
// with us. FAT and ext file systems are opened; of others the kind is told.
package disk
