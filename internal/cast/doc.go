// Package cast records a console as an asciicast and reads such recordings.
//
// It writes version 3, reads versions 2 and 3, and makes the one of the other; see
// https://docs.asciinema.org/manual/asciicast/v3/.
package cast
