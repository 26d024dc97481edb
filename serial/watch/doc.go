// Package watch reads a console as it goes by, or one that was saved: how far
// the boot has come, and what has gone wrong.
//
// A [Watch] is a writer of the bytes that a guest prints. It cuts them into lines
// as a terminal shows them, and tells of
//
//   - the [Stage] that the boot has reached, and the line that showed it;
//   - each [Trip]: a line, a silence or a screen that asks, that has a name, a meaning and a remedy.
//     [Tripwires] are those of any image, an [Alarm] is one of an image's own.
//
// What the guest prints is only data: one line of it is kept at a time, and what
// a command was asked to print (old kernel messages, a log) is no news.
//
// It knows no live console and types nothing: for that there is package serial,
// which has a Watch on its console.
package watch
