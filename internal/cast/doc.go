// Package cast records a console as an asciicast and reads such recordings.
//
// It writes version 3 and reads versions 2 and 3; see
// https://docs.asciinema.org/manual/asciicast/v3/. The player is not ours.
package cast
