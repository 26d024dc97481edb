//go:build !tcg

package prereq

// forceTCG is set by -tags tcg.
const forceTCG = false
