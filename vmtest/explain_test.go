package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"bootaudit/internal/qmp"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// Whatever an error was, once QEMU has ended that is named, and no cancelling of
// ours, which came of it.
func TestExplain(t *testing.T) {
	end := fmt.Errorf("%w after 2.0s: signal: killed, not by us", ErrEnded)
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"cancelled":          {fmt.Errorf(`run "x" in the guest: %w`, context.Canceled), `run "x" in the guest: qemu has ended after 2.0s: signal: killed, not by us`},
		"cancelled at once":  {context.Canceled, `qemu has ended after 2.0s: signal: killed, not by us`},
		"a wait's":           {fmt.Errorf("x: %w", &serial.WaitError{Want: "shell", Stage: watch.Init, Err: context.Canceled}), "no shell after 0s: qemu has ended after 2.0s: signal: killed, not by us\nstage reached: init\nthe screen is empty"},
		"a wait's end":       {&serial.WaitError{Want: "shell", Err: io.EOF}, "no shell after 0s: qemu has ended after 2.0s: signal: killed, not by us\nstage reached: none\nthe screen is empty"},
		"a line's end":       {fmt.Errorf("control line: %w", io.EOF), `qemu has ended after 2.0s: signal: killed, not by us: control line: EOF`},
		"the monitor's":      {fmt.Errorf("cont: %w", qmp.ErrClosed), `qemu has ended after 2.0s: signal: killed, not by us: cont: qemu's monitor is closed`},
		"something else":     {errors.New("exit status 1"), `qemu has ended after 2.0s: signal: killed, not by us: exit status 1`},
		"a trip before":      {&serial.TripError{Trip: watch.Trip{ID: "kernel-panic", Means: "the kernel panicked", Remedy: "look", Line: "x"}}, `the kernel panicked (kernel-panic, in stage ""): "x"; look; qemu has ended after 2.0s: signal: killed, not by us`},
		"that itself":        {fmt.Errorf("stage: %w", end), `stage: qemu has ended after 2.0s: signal: killed, not by us`},
		"nothing went wrong": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				alive, ended := context.WithCancelCause(t.Context())
				vm := &VM{alive: alive}
				if row.err != nil && !hungUp(row.err) && !errors.Is(row.err, ErrEnded) {
					assert.Equal(t, row.err, vm.explain(row.err), "QEMU runs")
				}
				if hungUp(row.err) {
					time.AfterFunc(time.Second, func() { ended(end) }) // the line's end is seen first
				} else {
					ended(end)
				}
				err := vm.explain(row.err)
				if row.want == "" {
					assert.NoError(t, err)
					return
				}
				assert.EqualError(t, err, row.want)
				assert.ErrorIs(t, err, ErrEnded)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		vm := &VM{alive: t.Context()}
		assert.Equal(t, io.EOF, vm.explain(io.EOF), "it runs on")
	})
}
