package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bootaudit/internal/qmp"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

func (vm *VM) onStage(r watch.Reached) {
	vm.mu.Lock()
	vm.stages = append(vm.stages, r)
	vm.tell()
	vm.mu.Unlock()
	if vm.settings.OnStage != nil {
		vm.settings.OnStage(r)
	}
}

func (vm *VM) onTrip(t watch.Trip) {
	if vm.settings.OnTrip != nil {
		vm.settings.OnTrip(t) // before somebody whose wait it ends asks which there were
	}
	if t.Fatal {
		vm.mu.Lock()
		defer vm.mu.Unlock()
		if vm.trip == nil {
			vm.trip = &t
		}
		vm.tell()
	}
}

// tell wakes those that wait for a change; vm.mu is held.
func (vm *VM) tell() {
	close(vm.changed)
	vm.changed = make(chan struct{})
}

// Stages are the stages that the guest has reached, in order.
func (vm *VM) Stages() []watch.Reached {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return slices.Clone(vm.stages)
}

// stageAt is the first stage that was reached at or after stage.
func (vm *VM) stageAt(stage watch.Stage) watch.Reached {
	for _, r := range vm.Stages() {
		if r.Stage.Reached(stage) {
			return r
		}
	}
	return watch.Reached{}
}

// watchFirmware looks for tripwires in SeaBIOS's own log, until the boot has
// left the firmware: what SeaBIOS says is not on the serial console.
func (vm *VM) watchFirmware(ctx context.Context) {
	file, err := os.Open(filepath.Join(vm.Machine.Folder, firmwareFile))
	if err != nil {
		return
	}
	defer file.Close()
	w := watch.New(watch.Config{OnTrip: func(t watch.Trip) {
		t.Stage = watch.Firmware
		vm.onTrip(t)
	}})
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for vm.Console.Stage() == "" {
		if _, err := io.Copy(w, file); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Continue lets the guest run.
func (vm *VM) Continue(ctx context.Context) error {
	if err := vm.Monitor(ctx, "cont", nil, nil); err != nil {
		return err
	}
	if vm.Machine.Firmware == BIOS {
		go vm.watchFirmware(vm.alive)
	}
	return nil
}

// PassMenu boots the default entry of a boot menu at once.
func (vm *VM) PassMenu(ctx context.Context) error {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	return vm.explain(vm.Console.PassMenu(ctx))
}

// Login waits for a shell on the console and says whose it is.
func (vm *VM) Login(ctx context.Context, account serial.Account) (serial.Who, error) {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	who, err := vm.Console.Login(ctx, account)
	return who, vm.explain(err)
}

// BecomeRoot makes the console's shell a root shell.
func (vm *VM) BecomeRoot(ctx context.Context, account serial.Account) (serial.Who, error) {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	who, err := vm.Console.Root(ctx, account)
	return who, vm.explain(err)
}

// OpenRoot makes vm.Root: the control line, or the console where the guest
// shows no port for one; note then says why. [VM.BecomeRoot] comes before it.
func (vm *VM) OpenRoot(ctx context.Context) (note string, err error) {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	if vm.control != nil {
		port := vm.control
		vm.control = nil // Control owns it, also when it fails
		line, err := vm.Console.Control(ctx, port, vm.controlDevice())
		if err == nil {
			vm.Root = line
			return "", nil
		}
		if ctx.Err() != nil {
			return "", vm.explain(err)
		}
		note = fmt.Sprintf("no control line, so commands share the console: %v", err)
	} else if vm.Machine.Control == None {
		note = "the machine has no port for a control line, so commands share the console"
	}
	if _, err := vm.Console.Run(ctx, "true"); err != nil {
		return note, vm.explain(err)
	}
	vm.Root = vm.Console
	return note, nil
}

// controlDevice is the control line's port as the guest names it.
func (vm *VM) controlDevice() string {
	switch {
	case vm.Machine.ControlDevice != "":
		return vm.Machine.ControlDevice
	case vm.Machine.Control == UART && vm.Machine.Console == "ttyS1":
		return "/dev/ttyS0"
	case vm.Machine.Control == UART:
		return "/dev/ttyS1"
	}
	return "/dev/virtio-ports/" + controlName
}

// Boot takes the guest from its first instruction to a root shell.
func (vm *VM) Boot(ctx context.Context, account serial.Account) error {
	if err := vm.Continue(ctx); err != nil {
		return err
	}
	if _, err := vm.Await(ctx, watch.Bootloader); err != nil && !errors.Is(err, errExpected) {
		return err
	}
	if err := vm.PassMenu(ctx); err != nil {
		return err
	}
	if _, err := vm.Login(ctx, account); err != nil {
		return err
	}
	if _, err := vm.BecomeRoot(ctx, account); err != nil {
		return err
	}
	_, err := vm.OpenRoot(ctx)
	return err
}

// Run runs a shell command as root in the guest.
func (vm *VM) Run(ctx context.Context, command string) (serial.Result, error) {
	if vm.Root == nil {
		return serial.Result{}, errors.New("the guest has not been booted to a root shell")
	}
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	result, err := vm.Root.Run(ctx, command)
	if errors.Is(err, context.DeadlineExceeded) {
		vm.ranOut(ctx)
	}
	return result, vm.explain(err)
}

// Output runs a shell command as root and returns what it wrote; an exit status
// other than 0 is an error.
func (vm *VM) Output(ctx context.Context, command string) (string, error) {
	result, err := vm.Run(ctx, command)
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		first, _, more := strings.Cut(command, "\n")
		if more {
			first += " ..."
		}
		return string(result.Stdout), fmt.Errorf("%s: %w", first, err)
	}
	return string(result.Stdout), nil
}

// explain makes QEMU's end the cause of an error, when it has ended: what was
// under way then knows only that it was cancelled, or that its line is closed.
func (vm *VM) explain(err error) error {
	if err == nil || errors.Is(err, ErrEnded) {
		return err
	}
	if hungUp(err) {
		// A line may close a moment before QEMU is seen to end.
		select {
		case <-vm.Done():
		case <-time.After(2 * time.Second):
		}
	}
	end := context.Cause(vm.alive)
	if end == nil {
		return err
	}
	var waited *serial.WaitError
	var trip *serial.TripError
	switch text, cancelled := strings.CutSuffix(err.Error(), context.Canceled.Error()); {
	case errors.As(err, &trip): // which came first
		return fmt.Errorf("%w; %w", err, end)
	case errors.As(err, &waited):
		why := *waited
		why.Err = end
		return &why
	case cancelled:
		return fmt.Errorf("%s%w", text, end)
	default:
		return fmt.Errorf("%w: %w", end, err)
	}
}

// hungUp is true of errors that a line's other end gives by closing it.
func hungUp(err error) bool {
	for _, sign := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrClosed, syscall.EPIPE, syscall.ECONNRESET, qmp.ErrClosed} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}
