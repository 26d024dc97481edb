package vmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bootaudit/serial"
	"bootaudit/serial/watch"
)

func (vm *VM) onExpect(r watch.Reached) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	vm.expected = &r
	vm.tell()
}

// noStage is one that no boot comes to.
const noStage watch.Stage = "never"

// errExpected ends a wait for a stage that may never be heard of.
var errExpected = errors.New("the console has shown what is expected of it")

// Await waits until the guest has reached stage. It fails at once when a fatal
// tripwire is touched or QEMU ends, and says what the screen shows.
func (vm *VM) Await(ctx context.Context, stage watch.Stage) (watch.Reached, error) {
	return vm.await(ctx, fmt.Sprintf("stage %q", stage), stage)
}

// awaitExpected waits until the console has shown what the contract expects.
func (vm *VM) awaitExpected(ctx context.Context) (watch.Reached, error) {
	_, err := vm.await(ctx, fmt.Sprintf("line that matches %q", vm.settings.Contract.Console.Expect), noStage)
	if errors.Is(err, errExpected) {
		vm.mu.Lock()
		defer vm.mu.Unlock()
		return *vm.expected, nil
	}
	return watch.Reached{}, err
}

// await is Await, which says what is wanted. A stage that comes no more since the
// console has shown what is expected of it is errExpected.
func (vm *VM) await(ctx context.Context, want string, stage watch.Stage) (watch.Reached, error) {
	start := time.Now()
	fail := func(err error) (watch.Reached, error) {
		return watch.Reached{}, &serial.WaitError{
			Want: want, Waited: time.Since(start),
			Stage: vm.Console.Stage(), Screen: vm.Console.Screen(), Err: err,
		}
	}
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	for {
		vm.mu.Lock()
		at := slices.IndexFunc(vm.stages, func(r watch.Reached) bool { return stage != noStage && r.Stage.Reached(stage) })
		var found watch.Reached
		if at >= 0 {
			found = vm.stages[at]
		}
		trip, changed, expected := vm.trip, vm.changed, vm.expected
		vm.mu.Unlock()
		switch {
		case at >= 0:
			return found, nil
		case expected != nil:
			return watch.Reached{}, errExpected
		case trip != nil:
			return fail(&serial.TripError{Trip: *trip})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fail(context.Cause(ctx))
		}
	}
}
