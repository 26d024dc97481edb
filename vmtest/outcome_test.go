package vmtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// Every class that a tripwire has is decided, and no other.
func TestEveryClassHasAnOutcome(t *testing.T) {
	classes := map[string]bool{unclear: true}
	for _, row := range watch.Tripwires() {
		classes[row.Class] = true
		assert.Contains(t, outcomes, row.Class, row.ID)
	}
	for class := range outcomes {
		assert.Contains(t, classes, class)
	}
}

func TestOutcomeOf(t *testing.T) {
	trip := func(class string) error {
		return fmt.Errorf("login: %w", &serial.WaitError{Err: &serial.TripError{Trip: watch.Trip{ID: "x", Class: class}}})
	}
	for _, c := range []struct {
		err  error
		want check.Outcome
	}{
		{trip("host"), check.Unknown},
		{trip(watch.AsksPerson), check.Broken},
		{trip("kernel-crash"), check.Broken},
		{&endError{" after 1s: signal: killed, not by us", "host"}, check.Unknown},
		{&endError{" after 1s: exit status 1", unclear}, check.Unknown},
		{&endError{" after 1s: exit status 0, after SHUTDOWN", ""}, check.Broken},
		// The image's fault came first, and QEMU's end after it.
		{fmt.Errorf("%w; %w", trip("kernel-crash"), &endError{" after 1s: signal: killed", "host"}), check.Broken},
		{errors.New("sudo asks for a password"), check.Broken},
	} {
		assert.Equal(t, c.want, outcomeOf(c.err), c.err)
	}
	// What QEMU writes to its stderr is the host's, where it has a name.
	name, class := named("qemu-system-x86_64: -drive file=d.raw,if=virtio: Failed to get \"write\" lock\n")
	assert.Contains(t, name, "disk-image-locked")
	assert.Equal(t, "host", class)
}

// The kernel's words do not hide the last of the others.
func TestLastWords(t *testing.T) {
	kernel := "[   12.345678] usb 1-1: new device\n"
	assert.Equal(t, "Which disk?\n...\n"+kernel+kernel[:len(kernel)-1], lastWords("hello\nWhich disk?\n"+kernel+kernel+kernel+"\n\n", 2))
	assert.Equal(t, kernel+"Which disk?", lastWords(kernel+kernel+"Which disk?\n", 2))
	assert.Equal(t, kernel+kernel[:len(kernel)-1], lastWords(kernel+kernel+kernel, 2))
	assert.Empty(t, lastWords("\n", 2))
}

// What was typed for a person is in no result.
func TestAnswersAreHidden(t *testing.T) {
	s := &Session{plan: Plan{Contract: contract.Contract{Answers: []contract.Answer{{Send: "correct horse"}, {Send: "y"}}}}}
	r := s.hide(check.Break("no key for correct horse").With("Passphrase: correct horse\nGo on? y"))
	assert.Equal(t, "no key for (answer)", r.Detail)
	assert.Equal(t, "Passphrase: (answer)\nGo on? y", r.Evidence)
}
