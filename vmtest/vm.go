package vmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/port"
	"bootaudit/internal/qmp"
	"bootaudit/internal/quote"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// Files in a VM's folder, beside the transcript.
const (
	stderrFile  = "qemu.stderr"
	commandFile = "command.txt"
)

// Settings are how a VM is watched and kept. The zero value works.
type Settings struct {
	// Keep lets QEMU outlive this process; else it is killed with it.
	Keep bool
	// Contract says which lines of the console are the image's own alarms and
	// notices, and which tripwires it is allowed to touch; the zero value is none.
	Contract contract.Contract
	// Patience multiplies the limits of the console's silences; 0 is 1.
	Patience float64
	// Quiet says that the kernel was told to say little: its silence ends no wait.
	Quiet bool
	// Recording gets the console as an asciicast.
	Recording io.Writer
	// OnStage and OnTrip are told what the console shows; they must not wait.
	OnStage func(watch.Reached)
	OnTrip  func(watch.Trip)
}

// VM is a machine that runs, or has run. Its folder is Machine.Folder.
type VM struct {
	Machine Machine // as it was started, with every default filled in
	// Version is QEMU's, as its monitor gives it.
	Version string
	// SSHPort on 127.0.0.1 leads to the guest's port 22; 0 without a network.
	SSHPort int
	// Started is when QEMU was started.
	Started time.Time

	// Console is the guest's serial console.
	Console *serial.Console
	// Root runs commands as root, once [VM.OpenRoot] has been called.
	Root serial.Runner

	settings Settings
	process  *process
	monitor  *qmp.Client
	control  net.Conn        // until a control line owns it
	alive    context.Context // its cause says how QEMU ended

	mu       sync.Mutex
	drained  <-chan struct{} // closed when the monitor's last event is known; nil before there is one
	shutdown string          // why the guest stopped, in QEMU's words
	stages   []watch.Reached // of this boot and those before it
	trip     *watch.Trip     // the first fatal one
	expected *watch.Reached  // what the contract expects of the console, once it was seen
	changed  chan struct{}   // closed when stages or trip have changed

	until time.Time   // go test's deadline for looks at the guest; zero is never
	short atomic.Bool // a command had less time than it might need, because of it
}

// ErrEnded is wrapped by what fails because QEMU has ended.
var ErrEnded = errors.New("qemu has ended")

// Launch starts m and connects to it. The guest has not run yet: [VM.Continue]
// lets it.
func Launch(ctx context.Context, m Machine, settings Settings) (*VM, error) {
	m = m.withDefaults()
	if err := m.validate(); err != nil {
		return nil, err
	}
	if err := m.prepare(ctx); err != nil {
		return nil, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	args := m.CommandLine()
	if err := os.WriteFile(filepath.Join(m.Folder, commandFile), []byte(quote.Lines(args...)+"\n"), 0o644); err != nil {
		return nil, err
	}
	vm := &VM{Machine: m, Started: time.Now(), settings: settings, changed: make(chan struct{})}
	var err error
	if vm.process, err = startProcess(args, filepath.Join(m.Folder, stderrFile), settings.Keep); err != nil {
		os.RemoveAll(m.Sockets)
		return nil, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	alive, ended := context.WithCancelCause(context.Background())
	vm.alive = alive
	go func() {
		<-vm.process.done
		vm.mu.Lock()
		drained := vm.drained
		vm.mu.Unlock()
		if drained != nil {
			// The last thing that QEMU says is why it ends.
			select {
			case <-drained:
			case <-time.After(time.Second):
			}
		}
		ended(vm.ending())
	}()
	if err := vm.connect(ctx); err != nil {
		vm.Kill()
		return nil, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	return vm, nil
}

// known are the lines of the console that an image's contract knows of: all
// are notices, some of them alarms.
func known(c contract.Contract) (alarms []watch.Alarm, notices []*regexp.Regexp) {
	for _, a := range c.Announcements {
		notices = append(notices, a.Pattern.Regexp)
	}
	for _, a := range c.Alarms {
		alarms = append(alarms, watch.Alarm{ID: a.ID, Means: a.Means, Remedy: a.Remedy, Pattern: a.Pattern.Regexp})
		notices = append(notices, a.Pattern.Regexp)
	}
	return alarms, notices
}

// answersOf are the answers that a contract has for its console.
func answersOf(c contract.Contract) (all []serial.Answer) {
	for _, a := range c.Answers {
		all = append(all, serial.Answer{Prompt: a.Prompt.Regexp, Send: a.Send})
	}
	return all
}

// connect opens the monitor and the guest's ports while the guest is stopped.
func (vm *VM) connect(ctx context.Context) (err error) {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	// QEMU starts in well under a second; a loaded host is not a dead QEMU.
	ctx, cancel = context.WithTimeoutCause(ctx, 30*time.Second, errors.New("qemu did not answer within 30s of its start"))
	defer cancel()
	vm.monitor, err = qmp.Dial(ctx, vm.Machine.socket(port.Monitor), vm.onEvent)
	if err != nil {
		if vm.process.wait(time.Second) { // its own words say more
			return vm.ending()
		}
		return err
	}
	vm.mu.Lock()
	vm.drained = vm.monitor.Drained()
	vm.mu.Unlock()
	vm.Version = vm.monitor.Version()
	console, err := port.Dial(ctx, vm.Machine.socket(port.Console))
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	alarms, notices := known(vm.settings.Contract)
	waivers := vm.settings.Contract.Waivers(time.Now())
	vm.Console, err = serial.New(console, serial.Config{
		Alarms: alarms, Notices: notices,
		Allow: func(t watch.Trip) bool {
			_, allowed := waivers.Trip(t.ID, t.Line)
			return allowed
		},
		Expect: vm.settings.Contract.Console.Expect.Regexp, OnExpect: vm.onExpect, Answers: answersOf(vm.settings.Contract),
		Recording: vm.settings.Recording, Patience: vm.settings.Patience, Quiet: vm.settings.Quiet, OnStage: vm.onStage, OnTrip: vm.onTrip,
	})
	if err != nil {
		return errors.Join(err, console.Close())
	}
	if vm.Machine.Control != None {
		if vm.control, err = port.Dial(ctx, vm.Machine.socket(port.Control)); err != nil {
			return fmt.Errorf("control line: %w", err)
		}
	}
	if vm.Machine.Network {
		vm.SSHPort, err = vm.forwardedPort(ctx)
	}
	return err
}

var hostForward = regexp.MustCompile(`TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)`)

// forwardedPort asks QEMU which port it got: it was told to take any free one,
// so nobody can have taken it in between.
func (vm *VM) forwardedPort(ctx context.Context) (int, error) {
	text, err := vm.monitor.Human(ctx, "info usernet")
	if err != nil {
		return 0, err
	}
	match := hostForward.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("info usernet names no forwarded port: %q", text)
	}
	return strconv.Atoi(match[1])
}

func (vm *VM) onEvent(e qmp.Event) {
	if e.Name == "SHUTDOWN" || e.Name == "GUEST_PANICKED" {
		vm.mu.Lock()
		vm.shutdown = strings.TrimSpace(e.Name + " " + string(e.Data))
		vm.mu.Unlock()
	}
}

// bound is ctx ending also when QEMU ends; its cause then says how.
func (vm *VM) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(vm.alive, func() { cancel(context.Cause(vm.alive)) })
	return ctx, func() { stop(); cancel(nil) }
}

// ranOut notes that the guest was given up on by ctx's deadline, where that is go
// test's. The guest ends a command a moment before, so that ctx has no cause yet.
func (vm *VM) ranOut(ctx context.Context) {
	if d, ok := ctx.Deadline(); ok && !vm.until.IsZero() && !d.Before(vm.until) {
		vm.short.Store(true)
	}
}

// Done is closed when QEMU has ended.
func (vm *VM) Done() <-chan struct{} { return vm.alive.Done() }

// ending describes how QEMU ended; after process.done.
func (vm *VM) ending() error {
	vm.mu.Lock()
	event := vm.shutdown
	vm.mu.Unlock()
	text, class := vm.process.exit(), vm.process.class()
	if event != "" {
		text += ", after " + event
	}
	if words := vm.process.lastWords(); words != "" {
		name, of := named(words)
		text += name + "; its stderr: " + words
		class = cmp.Or(of, class)
	}
	return &endError{fmt.Sprintf(" after %.1fs: %s", vm.process.ended.Sub(vm.Started).Seconds(), text), class}
}

// named is what the tripwires call what QEMU wrote to its stderr, with what to
// do about it, and its class; "" where they do not know it.
func named(stderr string) (name, class string) {
	w := watch.New(watch.Config{OnTrip: func(t watch.Trip) {
		if name == "" {
			name, class = fmt.Sprintf("; %s: %s; %s", t.ID, t.Means, t.Remedy), t.Class
		}
	}})
	_, _ = w.Write([]byte(stderr))
	_ = w.Close()
	return name, class
}

// Monitor runs a QMP command; see [qmp.Client.Execute].
func (vm *VM) Monitor(ctx context.Context, command string, arguments, result any) error {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	return vm.explain(vm.monitor.Execute(ctx, command, arguments, result))
}

// Shutdown asks the guest to power itself off, as its power button would, and
// waits until it has or ctx ends.
func (vm *VM) Shutdown(ctx context.Context) error {
	if err := vm.Monitor(ctx, "system_powerdown", nil, nil); err != nil {
		return fmt.Errorf("power off %s: %w", vm.Machine.Name, err)
	}
	select {
	case <-vm.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("power off %s: the guest does not: %w", vm.Machine.Name, context.Cause(ctx))
	}
}

// Grace that each step of ending QEMU gets before the next, harder one.
const stopGrace = 3 * time.Second

// Kill ends QEMU, the guest prepared or not: it asks QEMU, then sends SIGTERM,
// then SIGKILL. It returns when QEMU is gone, within seconds.
func (vm *VM) Kill() { vm.kill(stopGrace) }

func (vm *VM) kill(grace time.Duration) {
	vm.process.asked.Store(true)
	if vm.monitor != nil {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		_ = vm.monitor.Execute(ctx, "quit", nil, nil)
		cancel()
	} else {
		vm.process.signal(syscall.SIGTERM)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if vm.process.wait(grace) {
			break
		}
		vm.process.signal(signal)
	}
	<-vm.process.done
	vm.release()
	os.RemoveAll(vm.Machine.Sockets)
}

// giveConsole leaves the console's shell at its prompt, for a person: where
// commands share the console, root's agent sits there and hears nobody else.
func (vm *VM) giveConsole(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errors.New("root's agent does not leave the console"))
	defer cancel()
	return vm.Console.Release(ctx)
}

// HandOver ends our own reading of the console and returns its socket, for a
// person to use. vm.Console and vm.Root are closed.
func (vm *VM) HandOver(ctx context.Context) (net.Conn, error) {
	_ = vm.giveConsole(ctx) // else it is given as it is
	vm.Console.Close()
	if line, ok := vm.Root.(io.Closer); ok {
		line.Close()
	}
	return port.Dial(ctx, vm.Machine.socket(port.Console))
}

// release closes our ends of the VM's sockets and leaves it running.
func (vm *VM) release() {
	if vm.monitor != nil {
		vm.monitor.Close()
	}
	if vm.Console != nil {
		vm.Console.Close()
	}
	if line, ok := vm.Root.(io.Closer); ok && vm.Root != serial.Runner(vm.Console) {
		line.Close()
	}
	if vm.control != nil {
		vm.control.Close()
	}
}
