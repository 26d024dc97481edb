// Package prereq checks the host: is it able to build and boot the image?
//
// Each check is a subtest, so that one can be picked:
//
//	go test ./prereq -run TestHost/kvm -v
//	go test ./prereq -run TestHost -count=1 -v    # all; -count=1: what changes on a host is not seen by go test's cache
//	BOOT_IMAGE_REQUIRE=1 go test ./prereq         # absent and unknown fail instead of skipping
//	BOOT_IMAGE_FLAKE=. go test ./prereq           # what a flake needs, nix included
//
// All checks run, side by side, each with its own time limit: the first that
// fails never hides the second. A check whose needs do not hold is not tried,
// and names the one to blame.
//
// [Checks] is the table of the host; docs/checks.md shows it. Its probes do the
// real thing: a 1.5 KB guest is booted under TCG and KVM, it answers on a
// forwarded port, nix builds a derivation. They see the host through one type
// alone, so that tests can describe one as data. [Accelerator] is what guests
// should run on.
package prereq
