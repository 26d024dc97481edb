// Package transcript reads a saved console and says what happened: which
// stages were reached, who was logged in, what became of the disks and the
// network, and what was wrong.
//
// A saved console may be anything that once was one: raw bytes with or without
// the text that a harness sent, without carriage returns, without escape
// sequences, with QEMU's messages in it, gzipped, or an asciicast. It is read
// once, in memory that does not grow with it.
//
// Facts come from what the guest printed only. A terminal echoes what is typed,
// so the words of a question are on the console as well as those of its answer;
// they are told apart by where they stand, not by what they say.
package transcript
