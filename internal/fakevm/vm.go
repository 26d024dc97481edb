package fakevm

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// machine is the fake in QEMU's place.
type machine struct {
	guest   string
	options map[string][]string // of the command line
	monitor net.Listener
	ports   []*guestPort
	init    *exec.Cmd
	guard   *os.File // its end is the guest's
	sshPort int

	mu      sync.Mutex
	clients []net.Conn // of the monitor
	ended   chan string
}

// Main is the TestMain of a package whose tests use fake VMs: it is QEMU where it
// is called by that name.
func Main(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "qemu-system-x86_64":
		os.Exit(qemu(os.Args[1:]))
	case "qemu-img":
		os.Exit(qemuImg(os.Args[1:]))
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "bootaudit-fake-")
	if err != nil {
		panic(err)
	}
	if testing.Short() {
		for name, value := range environment(dir) {
			os.Setenv(name, value)
		}
		// Those on a fake mostly wait: for a screen to settle, for a guest's look.
		if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
			_ = f.Value.Set("6")
		}
	}
	status := m.Run()
	image.remove()
	os.RemoveAll(dir)
	if left := leftOf(run); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: fake VMs have left processes: %s\n", strings.Join(left, "; "))
		status = 1
	}
	os.Exit(status)
}

func qemu(args []string) int {
	vm := &machine{options: map[string][]string{}, ended: make(chan string, 100)}
	for i, arg := range args {
		if strings.HasPrefix(arg, "-") {
			value := ""
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				value = args[i+1]
			}
			vm.options[arg] = append(vm.options[arg], value)
		}
	}
	if err := vm.start(); err != nil {
		fmt.Fprintf(os.Stderr, "qemu-system-x86_64: %v\n", err)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	select {
	case why := <-vm.ended:
		vm.event("SHUTDOWN", why)
	case s := <-signals:
		fmt.Fprintf(os.Stderr, "qemu-system-x86_64: terminating on signal %d\n", s)
		vm.event("SHUTDOWN", `{"guest": false, "reason": "host-signal"}`)
	}
	return 0
}

// start opens what the command line names. The guest is stopped, as after -S.
func (vm *machine) start() error {
	files := map[string]string{}
	for _, o := range vm.options["-fw_cfg"] {
		o := option(o)
		files[o["name"]] = o["string"]
	}
	if vm.guest = files[File]; vm.guest == "" {
		return errors.New("a fake VM has no guest but what " + File + " names")
	}
	for name, text := range files {
		file := filepath.Join(vm.guest, "fw_cfg", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	if refusal, err := os.ReadFile(filepath.Join(vm.guest, "refuses-to-start")); err == nil {
		return errors.New(strings.TrimSpace(string(refusal)))
	}
	if strings.Contains(strings.Join(vm.options["-drive"], " "), "if=pflash") {
		if err := os.WriteFile(filepath.Join(vm.guest, "efi"), []byte("64\n"), 0o644); err != nil {
			return err
		}
	}
	for _, o := range vm.options["-chardev"] {
		if err := vm.chardev(option(o)); err != nil {
			return err
		}
	}
	for _, o := range vm.options["-netdev"] {
		if strings.Contains(o, "hostfwd=") {
			if err := vm.forwardSSH(); err != nil {
				return err
			}
		}
	}
	if err := vm.guardian(); err != nil {
		return err
	}
	go vm.serveMonitor() // when all is there, as QEMU does
	return nil
}

func (vm *machine) chardev(o map[string]string) error {
	if o["id"] == "firmware" {
		says, _ := os.ReadFile(filepath.Join(vm.guest, "firmware")) // most have none
		return os.WriteFile(o["path"], says, 0o644)
	}
	listener, err := net.Listen("unix", o["path"])
	if err != nil {
		return err
	}
	if o["id"] == "monitor" {
		vm.monitor = listener
		return nil
	}
	port, err := newGuestPort(listener, o["logfile"])
	if err != nil {
		return err
	}
	vm.ports = append(vm.ports, port)
	// As the guest sees it. Serial makes what is called a tty raw.
	return os.Symlink(port.tty.Name(), filepath.Join(vm.guest, "dev", "tty-"+o["id"]))
}

// guardian starts a program that ends the guest's processes when this one has
// ended, by SIGKILL too, the agents in sessions of their own among them.
func (vm *machine) guardian() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	vm.guard = out
	script, err := os.ReadFile(filepath.Join(vm.guest, "guardian.sh"))
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", string(script), "guardian", vm.guest)
	cmd.Env = append(os.Environ(), guarded+"="+vm.guest+";")
	cmd.Stdin = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return errors.Join(cmd.Start(), in.Close())
}

// environ is the environment of the guest's programs.
func (vm *machine) environ(user, uid string) []string {
	env := []string{
		"PATH=" + filepath.Join(vm.guest, "bin"), "GUEST=" + vm.guest, "HOME=" + vm.guest, "TMPDIR=" + filepath.Join(vm.guest, "run"),
		"TERM=linux", "LC_ALL=C", "GUEST_USER=" + user, "GUEST_UID=" + uid, fmt.Sprintf("QEMU=%d", os.Getpid()),
		mark + "=" + vm.guest + ";", runMark + "=" + os.Getenv(runMark),
	}
	for _, o := range vm.options["-drive"] {
		o := option(o)
		n, ok := strings.CutPrefix(o["id"], "disk")
		switch {
		case !ok:
		case o["file"] != "":
			env = append(env, "DISK"+n+"="+o["file"])
		default:
			env = append(env, "DISK"+n+"="+o["file.image.filename"], "DISK"+n+"_FAULTY="+o["file.inject-error.0.event"])
		}
	}
	return env
}

// run lets the guest run, once.
func (vm *machine) run() error {
	if vm.init != nil {
		return nil
	}
	vm.init = exec.Command(filepath.Join(vm.guest, "real", "sh"), filepath.Join(vm.guest, "init"))
	vm.init.Env = vm.environ("root", "0")
	vm.init.Dir = vm.guest
	tty := vm.ports[0].tty
	vm.init.Stdin, vm.init.Stdout, vm.init.Stderr = tty, tty, tty
	vm.init.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := vm.init.Start(); err != nil {
		return err
	}
	go func() {
		_ = vm.init.Wait()
		vm.ended <- `{"guest": true, "reason": "guest-shutdown"}`
	}()
	return nil
}

// option are the parts of an option like a=b,c=d, where ",," is a comma.
func option(text string) map[string]string {
	o := map[string]string{}
	for part := range strings.SplitSeq(strings.ReplaceAll(text, ",,", "\x00"), ",") {
		key, value, _ := strings.Cut(strings.ReplaceAll(part, "\x00", ","), "=")
		o[key] = value
	}
	return o
}

// qemuImg makes of `create ... -F FORMAT -b BASE FILE` a file that says so.
func qemuImg(args []string) int {
	text := append([]byte("QFI\xfb"), strings.Join(args, " ")...)
	if err := os.WriteFile(args[len(args)-1], text, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "qemu-img:", err)
		return 1
	}
	return 0
}

// leftOf are the processes that have mark in their environment.
func leftOf(mark string) (left []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well formed
	for _, file := range all {
		env, _ := os.ReadFile(file)
		if bytes.Contains(env, []byte(mark)) && !strings.HasPrefix(file, fmt.Sprintf("/proc/%d/", unix.Getpid())) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			left = append(left, fmt.Sprintf("%s %.100q", filepath.Base(filepath.Dir(file)), bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return left
}
