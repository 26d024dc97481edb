//go:build tcg

package prereq

const forceTCG = true
