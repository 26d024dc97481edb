// Package verdict says what became of a boot, from its console alone: whether it
// boots, how far it came, and what ended it.
//
// A [Reader] is given the lines of a console in their order. What counts is what
// was true at the end: trouble that the boot got past is no cause; a reason, such
// as an initrd that cannot be unpacked, names the generic end that follows it; a
// machine that starts again starts anew.
package verdict
