// Package fat reads a FAT12, FAT16 or FAT32 file system, as EFI boot images and
// EFI system partitions have, which may be hostile: a chain of clusters that comes
// back to itself, leaves the image or is too short for what it should hold is an
// error, and no more of the allocation table is in memory than 4 MiB.
//
// It stands beside go-diskfs because that library reads a whole allocation table,
// of the size that the image claims, into memory four bytes an entry, follows a
// chain that comes back to itself until memory ends, indexes past a chain that is
// shorter than its file, and does not open a FAT32 whose two tables differ.
//
// What the kernel takes for FAT32 is FAT32 here, too: the field of the table's
// size tells, not the count of clusters, as small images made with mkfs.vfat -F 32
// have fewer clusters than the specification wants.
package fat
