// Package saved reads what a serial console was saved as, and hands out what
// the guest wrote: bytes in order, each with its offset in the file, and the
// number of its line there.
//
// It unpacks, takes off what loggers put in front of each line, cuts lines that
// two writers share, and reads journals. Nothing goes by a file's name. What
// stands before the lines is learnt from them, block by block: it counts as a
// prefix only where a clear majority has it, and a line without it is passed on
// as it is.
//
// It reads once, in memory that does not grow with the file.
package saved
