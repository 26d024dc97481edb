//go:build !race

package transcript

const cutStep = 1
