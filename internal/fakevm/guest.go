package fakevm

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/renameio/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/rootkey"
)

const (
	// File is the fw_cfg file that names a fake VM's guest.
	File = "opt/bootaudit/fake-guest"

	// In the environment of the guest's programs, of what ends them, and of all.
	mark    = "BOOTAUDIT_FAKE_GUEST"
	guarded = "BOOTAUDIT_FAKE_GUARD"
	runMark = "BOOTAUDIT_FAKE_RUN"
)

// run is in the environment of every process of this run's fake VMs.
var run = fmt.Sprintf("%s=%d at %d", runMark, os.Getpid(), time.Now().UnixNano())

// Programs of a fake guest, Beside those of guest: some do nothing, some
// are the host's own, which only read, or write where they are told to.
var (
	idle  = []string{"blockdev", "disko", "dmesg", "mkfs.ext4", "networkctl", "pvcreate", "sshd", "swapoff", "systemd-analyze", "udevadm", "umount", "vgchange", "wipefs"}
	tools = []string{"awk", "base64", "chmod", "cksum", "cut", "date", "dirname", "find", "grep", "mktemp", "mv", "rm", "sed", "setsid", "sh", "sha256sum", "sort", "stat", "stty", "tail", "tr", "wc"}
	// These are called by their own names in guest only.
	realPrograms = []string{"cat", "dd", "head", "ls", "mkdir", "readlink", "sleep", "sh"}
)

// Hook lets a test have any program of the guest's noted, hang, or end QEMU.
const Hook = `#!/bin/sh
name=${0##*/}
echo "$name $*" >>"$GUEST/calls"
if [ -e "$GUEST/kills-qemu/$name" ]; then kill -KILL "$QEMU"; fi
if [ -e "$GUEST/hangs/$name" ]; then "$GUEST/real/sleep" 600; fi
`

// Guest is the folder of a fake VM's guest: its programs and its state.
type Guest struct {
	Dir string
	Key contract.Key // that lets root log in

	t testing.TB
}

// ToLogin is the way to an automatic login, and ToShell what is done on it.
const (
	ToLogin = "firmware\nmenu 8\nkernel\nsystemd\nprovision\n"
	ToShell = ToLogin + "autologin nixos 1000\n"
)

// New makes a guest whose boot is init, in words of guest/boot.sh.
// From then on t's QEMU is the fake.
func New(t testing.TB, init string) *Guest {
	t.Helper()
	Use(t)
	g := &Guest{t: t, Dir: t.TempDir()}
	for _, name := range []string{"bin", "real", "dev", "run", "units", "journal", "net", "hangs", "kills-qemu"} {
		require.NoError(t, os.Mkdir(filepath.Join(g.Dir, name), 0o755))
	}
	for _, name := range tools {
		g.Link("bin", name)
	}
	for _, name := range realPrograms {
		g.Link("real", name)
	}
	for _, name := range idle {
		g.Program(name, Hook)
	}
	all, err := programs.ReadDir("guest")
	require.NoError(t, err)
	for _, p := range all {
		text, err := programs.ReadFile("guest/" + p.Name())
		require.NoError(t, err)
		switch {
		case filepath.Ext(p.Name()) == ".sh":
			g.Set(p.Name(), string(text))
		case slices.Contains(realPrograms, p.Name()):
			g.Program(p.Name(), "#!/bin/sh\n"+string(text))
		default:
			g.Program(p.Name(), Hook+string(text))
		}
	}
	g.Set("init", ". \"$GUEST/boot.sh\"\n"+init)
	g.Set("made", "")
	g.Set("jobs", "")
	g.Set("links", "eth0\nlo\n")
	g.Set("cd", "/sys/devices/pci0000:00/0000:00:05.0/virtio2/host6/block/sr0\n")
	g.Key, err = rootkey.Load(g.Dir, false)
	require.NoError(t, err)
	t.Cleanup(g.gone)
	return g
}

// Use puts the fake in front of t's PATH. Under -short it is there for
// all tests, none of which starts a real QEMU, and t may run Beside others.
func Use(t testing.TB) {
	t.Helper()
	if testing.Short() || os.Getenv(runMark) != "" {
		return
	}
	for name, value := range environment(t.TempDir()) {
		t.Setenv(name, value)
	}
}

// environment is the environment that makes dir's QEMU the fake.
func environment(dir string) map[string]string {
	self, err := os.Executable()
	for _, name := range []string{"qemu-system-x86_64", "qemu-img"} {
		err = errors.Join(err, os.Symlink(self, filepath.Join(dir, name)))
	}
	if err != nil {
		panic(err)
	}
	_, mark, _ := strings.Cut(run, "=")
	return map[string]string{
		runMark:  mark,
		"PATH":   dir + ":" + os.Getenv("PATH"),
		"GORACE": "atexit_sleep_ms=0 " + os.Getenv("GORACE"), // else each fake takes a second to end
	}
}

// Beside lets t run Beside other tests, where nothing keeps it from that.
func Beside(t *testing.T) {
	if testing.Short() {
		t.Parallel()
	}
}

//go:embed guest
var programs embed.FS

// gone waits until nothing of the guest is left.
func (g *Guest) gone() {
	left := []string{"?"}
	for end := time.Now().Add(20 * time.Second); len(left) > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		left = append(leftOf(mark+"="+g.Dir+";"), leftOf(guarded+"="+g.Dir+";")...)
	}
	assert.Empty(g.t, left, "processes of a fake guest")
	for _, dir := range strings.Fields(g.Get("made")) {
		assert.NoDirExists(g.t, dir)
	}
}

func (g *Guest) Link(folder, name string) {
	path, err := exec.LookPath(name)
	require.NoError(g.t, err)
	require.NoError(g.t, os.Symlink(path, filepath.Join(g.Dir, folder, name)))
}

func (g *Guest) Program(name, script string) {
	require.NoError(g.t, os.WriteFile(filepath.Join(g.Dir, "bin", name), []byte(script), 0o755))
}

// Set writes a file of the guest's state, and unset removes some.
func (g *Guest) Set(name, text string) {
	file := filepath.Join(g.Dir, name)
	if err := renameio.WriteFile(file, []byte(text), 0o644); err != nil {
		g.t.Error(err)
	}
}

func (g *Guest) Unset(names ...string) {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(g.Dir, name)); err != nil {
			g.t.Error(err)
		}
	}
}

func (g *Guest) Get(name string) string {
	text, _ := os.ReadFile(filepath.Join(g.Dir, name)) // what is not there is empty
	return string(text)
}

// Contract is that of pre-nixos with the guest's own paths. The interface leads
// out of the host's /sys/class/net, to a folder of the guest's.
func (g *Guest) Contract() contract.Contract {
	c := contract.PreNixOS()
	c.Storage.StatusFile = filepath.Join(g.Dir, "run/storage-status")
	c.Network.StatusFile = filepath.Join(g.Dir, "run/network-status")
	c.Network.Interface = "../../.." + g.Dir + "/net/lan"
	return c
}

// Plain are words of a result without the names of this run.
func (g *Guest) Plain(words string) string {
	words = strings.ReplaceAll(words, "../../.."+g.Dir+"/net/lan", "lan")
	words = strings.ReplaceAll(words, g.Dir, "")
	return changing.ReplaceAllString(words, "${1}N")
}

var changing = regexp.MustCompile(`(after |port |stages, |127\.0\.0\.1:|process )\d+(?:\.\d+)?`)

var image sharedImage

type sharedImage struct {
	once sync.Once
	dir  string
	err  error
}

// Image is the path of an ISO image that all fake VMs boot from, or seem to.
func Image() (string, error) { return image.path() }

func (i *sharedImage) path() (string, error) {
	i.once.Do(func() {
		if i.dir, i.err = os.MkdirTemp("", "bootaudit-fake-image-"); i.err != nil {
			return
		}
		small := smalliso.Debian()
		small.RootFile = ""
		i.err = small.Write(filepath.Join(i.dir, "fake.iso"))
	})
	return filepath.Join(i.dir, "fake.iso"), i.err
}

func (i *sharedImage) remove() {
	if i.dir != "" {
		os.RemoveAll(i.dir)
	}
}
