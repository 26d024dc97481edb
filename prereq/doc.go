// Package prereq says what a check is, and checks the host: is it able to
// build and boot the image?
package prereq
