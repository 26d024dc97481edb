// Package ext4 reads an ext2, ext3 or ext4 file system, which may be hostile:
// what an inode maps is read once and has to lie in the image, and a folder is
// reached by one path alone. Sums of metadata are not looked at, as the question
// is what is there. The journal is not replayed: where it should be,
// FS.NeedsRecovery says so, and what is read may be older than what a kernel
// would see.
//
// It stands beside go-diskfs because that library opens nothing that mke2fs makes
// as ext2 or ext3 (it wants sums of metadata, and an image whose sums are wrong is
// of interest, too), reads no inline data, and makes room for as many bytes as a
// folder or the table of groups claims.
package ext4
