package vmtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
	"bootaudit/internal/port"
	"bootaudit/internal/record"
	"bootaudit/serial"
	"bootaudit/serial/watch"
)

// needQEMU skips a test that starts QEMU where there is none to start.
func needQEMU(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts QEMU; -short asks for none")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		config.Lacking(t, fmt.Sprintf("%v; %v", ErrNoQEMU, err))
	}
}

// bootSector is a guest of 512 bytes that writes words to its serial port and
// halts.
func bootSector(words string) []byte {
	code := []byte{
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xbe, 0x15, 0x7c, // mov si, words
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x03, // jz end
		0xee,       // out dx, al
		0xeb, 0xf8, // jmp next
		0xf4,       // end: hlt
		0xeb, 0xfd, // jmp end
	}
	sector := make([]byte, 1<<20) // SeaBIOS boots no smaller disk
	copy(sector[copy(sector, code):], words)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// tiny is a machine whose guest is a boot sector.
func tiny(t testing.TB, words string) Machine {
	t.Helper()
	folder := t.TempDir()
	disk := filepath.Join(folder, "guest.raw")
	require.NoError(t, os.WriteFile(disk, bootSector(words), 0o644))
	return Machine{Name: "tiny", MemoryMiB: 32, CPUs: 1, TBSizeMiB: 16, Folder: folder, Disks: []Disk{{File: disk}}}
}

func launch(t testing.TB, m Machine) *VM {
	t.Helper()
	needQEMU(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	vm, err := Launch(ctx, m, Settings{})
	require.NoError(t, err)
	t.Cleanup(vm.Kill)
	return vm
}

// hears waits for a line of the guest's.
func hears(t testing.TB, vm *VM, pattern string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := vm.Console.Expect(ctx, regexp.MustCompile(pattern))
	require.NoError(t, err)
}

func TestNothingIsLostBeforeContinue(t *testing.T) {
	m := tiny(t, "first words")
	m.Network = true
	vm := launch(t, m)
	assert.Regexp(t, `^\d+\.\d+\.\d+`, vm.Version)

	// The port leads to QEMU at once, even before the guest runs.
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(vm.SSHPort)))
	require.NoError(t, err)
	conn.Close()

	require.NoError(t, vm.Continue(t.Context()))
	hears(t, vm, "^first words$")

	vm.Kill()
	assert.Equal(t, "exit status 0", vm.process.exit())
	transcript, err := os.ReadFile(filepath.Join(m.Folder, record.TranscriptFile))
	require.NoError(t, err)
	assert.Equal(t, "first words", string(transcript))
	firmware, err := os.ReadFile(filepath.Join(m.Folder, firmwareFile))
	require.NoError(t, err)
	assert.Contains(t, string(firmware), "Booting from Hard Disk")
	assert.NoDirExists(t, vm.Machine.Sockets)
}

func TestStrangePaths(t *testing.T) {
	m := tiny(t, "hello")
	odd := filepath.Join(m.Folder, "a,b c", strings.Repeat("long-name-", 12))
	require.NoError(t, os.MkdirAll(odd, 0o755))
	iso := filepath.Join(odd, "x, y.iso")
	require.NoError(t, os.WriteFile(iso, make([]byte, 4096), 0o644))
	m.Folder, m.ISO = odd, iso
	base := filepath.Join(odd, "base,1.raw")
	require.NoError(t, os.WriteFile(base, make([]byte, 1<<20), 0o644))
	m.Disks = append(m.Disks, Disk{MiB: 1}, Disk{Base: base}, Disk{Base: base})
	vm := launch(t, m)
	require.NoError(t, vm.Continue(t.Context()))
	hears(t, vm, "hello")
}

func TestBadMachines(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.iso")
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	for name, test := range map[string]struct {
		m    Machine
		want string
	}{
		"no image":        {Machine{ISO: filepath.Join(dir, "none.iso")}, "no such file"},
		"directory":       {Machine{ISO: dir}, "want a file, found a directory"},
		"empty image":     {Machine{ISO: empty}, "the file is empty"},
		"bad argument":    {Machine{Args: []string{"-frobnicate"}}, "its stderr: qemu-system-x86_64: -frobnicate: invalid option"},
		"bad machine":     {Machine{Type: "zx81"}, "unsupported machine type"},
		"too much memory": {Machine{MemoryMiB: 1 << 40}, "stderr: qemu-system-x86_64:"},
		"no base":         {Machine{Disks: []Disk{{Base: filepath.Join(dir, "none.raw")}}}, "disk 0: open "},
		"disk is no disk": {Machine{Disks: []Disk{{File: dir}}}, "want a file, found a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			test.m.Folder = t.TempDir()
			_, err := Launch(t.Context(), test.m, Settings{})
			assert.ErrorContains(t, err, test.want)
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "a limit found it, not QEMU or we")
		})
	}
}

// What one VM has, another cannot: the disk that it writes to, a port of the
// host. Both are said by name.
func TestTakenByAnotherVM(t *testing.T) {
	first := tiny(t, "first")
	port := []string{"-netdev", "user,id=taken,hostfwd=tcp:127.0.0.1:%d-:22", "-device", "e1000,netdev=taken"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port[1] = fmt.Sprintf(port[1], listener.Addr().(*net.TCPAddr).Port)
	launch(t, first)
	for name, m := range map[string]Machine{
		"disk-image-locked": {Disks: []Disk{{File: first.Disks[0].File}}},
		"host-port-taken":   {Args: port},
	} {
		m.Folder = t.TempDir()
		_, err := Launch(t.Context(), m, Settings{})
		assert.ErrorContains(t, err, name+": ")
		assert.ErrorContains(t, err, "its stderr: qemu-system-x86_64: ")
	}
}

func TestNoQEMU(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Launch(t.Context(), Machine{Folder: t.TempDir()}, Settings{})
	assert.ErrorIs(t, err, ErrNoQEMU)
}

func TestEarlyEndIsReported(t *testing.T) {
	vm := launch(t, tiny(t, "x"))
	require.NoError(t, vm.Continue(t.Context()))
	require.NoError(t, syscall.Kill(vm.process.pid, syscall.SIGKILL))
	err := vm.Monitor(t.Context(), "query-status", nil, nil)
	require.Error(t, err)
	select {
	case <-vm.Done():
	case <-time.After(time.Minute):
		t.Fatal("the end was not noticed")
	}
	err = context.Cause(vm.alive)
	assert.ErrorIs(t, err, ErrEnded)
	assert.ErrorContains(t, err, "signal: killed, not by us")
	assert.ErrorIs(t, vm.Continue(t.Context()), ErrEnded)
}

// A guest that ignores its power button, and a QEMU that ignores its monitor.
func TestStopLadder(t *testing.T) {
	vm := launch(t, tiny(t, "deaf"))
	require.NoError(t, vm.Continue(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, vm.Shutdown(ctx), "power off tiny: the guest does not")

	require.NoError(t, syscall.Kill(vm.process.pid, syscall.SIGSTOP))
	vm.Kill()
	assert.Equal(t, "signal: killed", vm.process.exit())
}

const orphanFolder = "BOOTAUDIT_TEST_ORPHAN"

// TestOrphanHelper is the process that TestNoOrphan kills.
func TestOrphanHelper(t *testing.T) {
	folder := os.Getenv(orphanFolder)
	if folder == "" {
		t.Skip("is run by TestNoOrphan")
	}
	vm := launch(t, tiny(t, "running"))
	require.NoError(t, vm.Continue(t.Context()))
	hears(t, vm, "running")
	fmt.Printf("\nqemu is %d at %s\n", vm.process.pid, vm.Machine.Sockets)
	<-vm.Done()
}

// A test process that is killed in the middle of a boot leaves no QEMU.
func TestNoOrphan(t *testing.T) {
	needQEMU(t)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir()) // which nobody else sweeps
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphanHelper$", "-test.v")
	cmd.Env = append(os.Environ(), orphanFolder+"="+t.TempDir(), "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	var sockets string
	lines := bufio.NewScanner(out)
	for pid == 0 && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "qemu is %d at %s", &pid, &sockets)
	}
	require.NotZero(t, pid)
	require.True(t, runs(pid))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	assert.Eventually(t, func() bool { return !runs(pid) }, time.Minute, 10*time.Millisecond)
	// What it left is removed by the next VM.
	require.DirExists(t, sockets)
	old := time.Now().Add(-2 * sweepAge)
	require.NoError(t, os.Chtimes(filepath.Join(sockets, port.Monitor), old, old))
	vm := launch(t, tiny(t, "next"))
	assert.Eventually(t, func() bool { // the last of QEMU's threads closes its sockets
		sweep(filepath.Dir(sockets))
		_, err := os.Stat(sockets)
		return errors.Is(err, os.ErrNotExist)
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, os.Chtimes(filepath.Join(vm.Machine.Sockets, port.Monitor), old, old))
	sweep(filepath.Dir(vm.Machine.Sockets))
	assert.FileExists(t, filepath.Join(vm.Machine.Sockets, port.Monitor))
}

// runs says whether pid is a process and not a zombie that nobody reaps.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// SeaBIOS says on its own port, not on the console, that nothing boots.
func TestNoBootableDevice(t *testing.T) {
	needQEMU(t)
	vm := launch(t, Machine{MemoryMiB: 32, CPUs: 1, TBSizeMiB: 16, Folder: t.TempDir()})
	require.NoError(t, vm.Continue(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := vm.Await(ctx, watch.Bootloader)
	var trip *serial.TripError
	require.ErrorAs(t, err, &trip)
	assert.Equal(t, "no-bootable-device", trip.Trip.ID)
}
