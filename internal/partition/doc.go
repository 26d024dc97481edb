// Package partition reads a disk's partition table, MBR or GPT, and says in words
// what is wrong with it. A table that is damaged is read as far as it can be: who
// asks why an image does not boot has no use for "not a GPT".
//
// That is why it stands beside go-diskfs, whose tables are right or an error: it
// does not say that an image was cut short of its backup, that two partitions
// share sectors, or that the MBR of a GPT lists partitions of its own, and it makes
// room for as many entries as a header claims.
//
// No boot code is a fault where the table says that a BIOS is meant to boot: a BIOS
// boot partition, one that is active, or an MBR without an EFI system partition.
// Partitions of an ISO 9660 image that is a disk, too, overlap by design.
package partition
