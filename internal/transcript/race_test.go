//go:build race

package transcript

// The race detector makes a step ten times as dear, and sees no more in more of
// them.
const cutStep = 29
