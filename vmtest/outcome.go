package vmtest

import (
	"errors"

	"bootaudit/contract/check"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// unclear is the class of an end that tells nothing of why.
const unclear = "unclear"

// outcomes are what the class of a cause makes of the check that it ends. The host
// is not the image: what it did leaves the image untried. What asks a person is
// broken, since a contract that answers it does not come to this.
var outcomes = map[string]check.Outcome{
	"host":  check.Unknown,
	unclear: check.Unknown,

	watch.AsksPerson: check.Broken,

	"bootloader":     check.Broken,
	"config-refused": check.Broken,
	"cpu-too-old":    check.Broken,
	"device-missing": check.Broken,
	"firmware-crash": check.Broken,
	"init":           check.Broken,
	"initrd-damaged": check.Broken,
	"kernel-crash":   check.Broken,
	"kernel-refused": check.Broken,
	"kernel-silent":  check.Broken,
	"memory":         check.Broken,
	"network":        check.Broken,
	"no-boot-medium": check.Broken,
	"reboot-loop":    check.Broken,
	"root-damaged":   check.Broken,
	"root-missing":   check.Broken,
	"secure-boot":    check.Broken,
	"service":        check.Broken,
	"stall":          check.Broken,
}

// outcomeOf is what an error that a VM's method returned makes of a check: by the
// trip that ended it, or by how QEMU ended. What has no class, such as a promise
// that was not kept in the time for it, is broken.
func outcomeOf(err error) check.Outcome {
	class := ""
	var trip *serial.TripError
	var end *endError
	switch {
	case errors.As(err, &trip):
		class = trip.Trip.Class
	case errors.As(err, &end):
		class = end.class
	}
	if outcome, ok := outcomes[class]; ok {
		return outcome
	}
	return check.Broken
}

// endError is how QEMU ended, and the class of why; "" where the guest wanted it.
type endError struct{ text, class string }

func (e *endError) Error() string { return ErrEnded.Error() + e.text }

func (e *endError) Unwrap() error { return ErrEnded }
