// Package microguest boots a 1.5 KB guest of our own in QEMU: the cheapest proof
// that a machine runs, works as fast as it should, and is reached through user
// networking. It takes 0.2 s under TCG.
//
// The guest is guest.asm; guest.bin is what go generate makes of it, and a test
// says when they differ.
package microguest

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"bootaudit/internal/command"
	"bootaudit/internal/tools"
)

//go:generate sh -c "as --32 -o guest.o guest.asm && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o guest.bin guest.o && rm guest.o"

//go:embed guest.bin
var disk []byte

// What the guest says on its serial port, and to who connects to it.
const (
	ran    = "micro-guest: RAN"
	worked = "micro-guest: WORKED"
	ready  = "micro-guest: READY"
	answer = "a micro-guest answers"
)

const (
	exitStatus = 33
	// maxOutput bounds what is kept of QEMU's output; a broken QEMU may print
	// without end.
	maxOutput = 8 << 10
	// lastWords is how long QEMU is left to finish what it says about a KVM
	// that failed: it stops the guest then, and stays.
	lastWords = 200 * time.Millisecond
)

// Machine is what to boot the guest on.
type Machine struct {
	QEMU        string // the program's path
	Accelerator string // kvm or tcg
	// Network boots it with a virtio network card behind user networking, and
	// talks to the guest through a forwarded port. Otherwise it has no card,
	// and 50 million instructions to execute with paging on.
	Network bool
}

// Report is what was seen of a guest's run.
type Report struct {
	Command []string
	Console string        // what the guest said
	Stderr  string        // what QEMU said
	Ran     time.Duration // from the start to the guest's first word; 0: not seen
	Took    time.Duration // from the start to the guest's work or answer done
	CPU     time.Duration // that QEMU has used
}

// CommandLine is QEMU's, with port forwarded to the guest when it has a network.
func (m Machine) CommandLine(image string, port int) []string {
	args := []string{
		m.QEMU, "-machine", "pc", "-accel", m.Accelerator, "-m", "16",
		"-nodefaults", "-no-user-config", "-sandbox", tools.Sandbox, "-display", "none", "-serial", "stdio",
		"-drive", "if=ide,format=raw,snapshot=on,file=" + strings.ReplaceAll(image, ",", ",,"),
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4",
	}
	if m.Network {
		args = append(args,
			"-netdev", fmt.Sprintf("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:%d-:7", port),
			"-device", "virtio-net-pci,netdev=net,addr=3,mac=52:54:00:12:34:56,romfile=")
	}
	return args
}

// Boot runs the guest to its end, or until ctx ends. Its error says how far the
// guest came and what QEMU said.
func (m Machine) Boot(ctx context.Context) (Report, error) {
	dir, err := os.MkdirTemp("", "microguest-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(image, disk, 0o600); err != nil {
		return Report{}, err
	}
	if !m.Network {
		return m.boot(ctx, image, 0)
	}
	// QEMU binds the port itself, so another process can take it between our
	// choice and its start: then QEMU says so, and another one is chosen.
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return Report{}, fmt.Errorf("no port to forward on 127.0.0.1: %w", err)
		}
		report, err := m.boot(ctx, image, port)
		if err == nil || try == 3 || !strings.Contains(report.Stderr, "Could not set up host forwarding rule") {
			return report, err
		}
	}
}

func (m Machine) boot(ctx context.Context, image string, port int) (report Report, err error) {
	report.Command = m.CommandLine(image, port)
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	stderr := &watcher{onWord: map[string]func(){
		"KVM internal error": func() {
			time.AfterFunc(lastWords, func() { kill(errors.New("KVM stopped the guest")) })
		},
	}}
	stdout, console := io.Pipe()
	start := time.Now()
	ended := make(chan error, 1)
	var out command.Output
	go func() {
		var err error
		out, err = command.Command{Args: report.Command, Stdout: console, Stderr: stderr}.Run(ctx)
		ended <- err
		console.Close()
	}()

	var said strings.Builder
	var spoke string // the last of the guest's words that we know
	var talk error
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if said.Len() < maxOutput {
			fmt.Fprintln(&said, line)
		}
		// The firmware's last words may stand before it on its line.
		switch {
		case strings.HasSuffix(line, ran):
			spoke, report.Ran = ran, time.Since(start)
		case strings.HasSuffix(line, worked):
			spoke, report.Took = worked, time.Since(start)
		case strings.HasSuffix(line, ready) && m.Network:
			if talk = dial(ctx, port); talk != nil {
				kill(talk)
				continue
			}
			spoke, report.Took = answer, time.Since(start)
		}
	}
	go io.Copy(io.Discard, stdout) // a line too long for the scanner
	err = <-ended
	report.Console, report.Stderr, report.CPU = said.String(), stderr.String(), out.CPU

	if talk != nil {
		return report, fmt.Errorf("the guest waits for a connection, and %w", talk)
	}
	want := worked
	if m.Network {
		want = answer
	}
	var exit *exec.ExitError
	if spoke == want && errors.As(err, &exit) && exit.ExitCode() == exitStatus {
		return report, nil
	}
	if e := (*command.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return report, m.failure(ctx, report, err, time.Since(start))
}

// failure says how a run ended that did not end well.
func (m Machine) failure(ctx context.Context, report Report, err error, after time.Duration) error {
	far := "before the guest said a word"
	switch {
	case report.Took > 0:
		far = "after the guest had done its work"
	case report.Ran > 0:
		far = fmt.Sprintf("and the guest, which said its first word after %.1f s, was not done", report.Ran.Seconds())
	}
	words := telling(report.Stderr)
	if words != "" {
		words = ": " + words
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, context.Canceled):
		return fmt.Errorf("QEMU was stopped after %.1f s, %s%s", after.Seconds(), far, words)
	case cause != nil:
		return fmt.Errorf("%w, %s%s", cause, far, words)
	case err == nil:
		return fmt.Errorf("QEMU ended with status 0 instead of %d, %s%s", exitStatus, far, words)
	default:
		return fmt.Errorf("QEMU ended with %w, %s%s", err, far, words)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// dial connects to the guest's forwarded port and reads its answer.
func dial(ctx context.Context, port int) error {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return fmt.Errorf("its forwarded port refuses: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	said, err := io.ReadAll(io.LimitReader(conn, maxOutput))
	if string(said) == answer+"\n" {
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return fmt.Errorf("its forwarded port accepts and answers %q (%w) instead of %q", said, err, answer)
}

// watcher keeps the beginning of what is written to it, and calls onWord's
// functions at the first write that completes their word.
type watcher struct {
	mu     sync.Mutex
	kept   bytes.Buffer
	onWord map[string]func()
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if room := maxOutput - w.kept.Len(); room > 0 {
		w.kept.Write(p[:min(len(p), room)])
	}
	for word, act := range w.onWord {
		if bytes.Contains(w.kept.Bytes(), []byte(word)) {
			delete(w.onWord, word)
			act()
		}
	}
	return len(p), nil
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.String()
}

// telling is the first line of what QEMU says that is more than a warning.
func telling(stderr string) string {
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "warning:") {
			return line
		}
	}
	return ""
}
