// Package screen draws what a person would see on a guest's console.
//
// [Screen] is hinshun/vt10x with a filter in front, because vt10x alone draws
// one real console screen in ten wrong, and panics or hangs on some input. The
// filter reads the stream with charmbracelet/x/ansi and hands vt10x only what
// that does right; the rest it does itself: character sets, wide and combining
// characters, insert mode, repeats, scrollback and answers to queries.
//
// [Lines] cuts the same stream into lines of text, for those who look for
// words rather than places.
package screen
