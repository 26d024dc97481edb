package vmtest

import (
	"context"
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
	"bootaudit/fixtures"
	"bootaudit/fixtures/smalliso"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
)

const (
	// fakeGuestFile is the fw_cfg file that names a fake VM's guest.
	fakeGuestFile = "opt/bootaudit/fake-guest"

	// In the environment of the guest's programs, of what ends them, and of all.
	fakeMark    = "BOOTAUDIT_FAKE_GUEST"
	fakeGuarded = "BOOTAUDIT_FAKE_GUARD"
	fakeRunMark = "BOOTAUDIT_FAKE_RUN"
)

// fakeRun is in the environment of every process of this run's fake VMs.
var fakeRun = fmt.Sprintf("%s=%d at %d", fakeRunMark, os.Getpid(), time.Now().UnixNano())

// Programs of a fake guest, beside those of testdata/guest: some do nothing, some
// are the host's own, which only read, or write where they are told to.
var (
	fakeIdle  = []string{"blockdev", "disko", "dmesg", "mkfs.ext4", "networkctl", "pvcreate", "sshd", "swapoff", "systemd-analyze", "udevadm", "umount", "vgchange", "wipefs"}
	fakeTools = []string{"awk", "base64", "chmod", "cksum", "cut", "date", "dirname", "find", "grep", "mktemp", "mv", "rm", "sed", "setsid", "sh", "sha256sum", "sort", "stat", "stty", "tail", "tr", "wc"}
	// These are called by their own names in testdata/guest only.
	fakeReal = []string{"cat", "dd", "head", "ls", "mkdir", "readlink", "sleep", "sh"}
)

// fakeHook lets a test have any program of the guest's noted, hang, or end QEMU.
const fakeHook = `#!/bin/sh
name=${0##*/}
echo "$name $*" >>"$GUEST/calls"
if [ -e "$GUEST/kills-qemu/$name" ]; then kill -KILL "$QEMU"; fi
if [ -e "$GUEST/hangs/$name" ]; then "$GUEST/real/sleep" 600; fi
`

// fakeGuest is the folder of a fake VM's guest: its programs and its state.
type fakeGuest struct {
	t   testing.TB
	dir string
	key rootkey.Key
}

// toLogin is the way to an automatic login, and toShell what is done on it.
const (
	toLogin = "firmware\nmenu 8\nkernel\nsystemd\nprovision\n"
	toShell = toLogin + "autologin nixos 1000\n"
)

// newFakeGuest makes a guest whose boot is init, in words of testdata/guest/boot.sh.
// From then on t's QEMU is the fake.
func newFakeGuest(t testing.TB, init string) *fakeGuest {
	t.Helper()
	useFakeQEMU(t)
	g := &fakeGuest{t: t, dir: t.TempDir()}
	for _, name := range []string{"bin", "real", "dev", "run", "units", "journal", "net", "hangs", "kills-qemu"} {
		require.NoError(t, os.Mkdir(filepath.Join(g.dir, name), 0o755))
	}
	for _, name := range fakeTools {
		g.link("bin", name)
	}
	for _, name := range fakeReal {
		g.link("real", name)
	}
	for _, name := range fakeIdle {
		g.program(name, fakeHook)
	}
	programs, err := os.ReadDir("testdata/guest")
	require.NoError(t, err)
	for _, p := range programs {
		text, err := os.ReadFile(filepath.Join("testdata/guest", p.Name()))
		require.NoError(t, err)
		switch {
		case filepath.Ext(p.Name()) == ".sh":
			g.set(p.Name(), string(text))
		case slices.Contains(fakeReal, p.Name()):
			g.program(p.Name(), "#!/bin/sh\n"+string(text))
		default:
			g.program(p.Name(), fakeHook+string(text))
		}
	}
	g.set("init", ". \"$GUEST/boot.sh\"\n"+init)
	g.set("made", "")
	g.set("jobs", "")
	g.set("links", "eth0\nlo\n")
	g.set("cd", "/sys/devices/pci0000:00/0000:00:05.0/virtio2/host6/block/sr0\n")
	g.key, err = rootkey.Load(g.dir, false)
	require.NoError(t, err)
	t.Cleanup(g.gone)
	return g
}

// useFakeQEMU puts the fake in front of t's PATH. Under -short it is there for
// all tests, none of which starts a real QEMU, and t may run beside others.
func useFakeQEMU(t testing.TB) {
	t.Helper()
	if testing.Short() || os.Getenv(fakeRunMark) != "" {
		return
	}
	for name, value := range fakeEnviron(t.TempDir()) {
		t.Setenv(name, value)
	}
}

// fakeEnviron is the environment that makes dir's QEMU the fake.
func fakeEnviron(dir string) map[string]string {
	self, err := os.Executable()
	for _, name := range []string{"qemu-system-x86_64", "qemu-img"} {
		err = errors.Join(err, os.Symlink(self, filepath.Join(dir, name)))
	}
	if err != nil {
		panic(err)
	}
	_, mark, _ := strings.Cut(fakeRun, "=")
	return map[string]string{
		fakeRunMark: mark,
		"PATH":      dir + ":" + os.Getenv("PATH"),
		"GORACE":    "atexit_sleep_ms=0 " + os.Getenv("GORACE"), // else each fake takes a second to end
	}
}

// beside lets t run beside other tests, where nothing keeps it from that.
func beside(t *testing.T) {
	if testing.Short() {
		t.Parallel()
	}
}

// gone waits until nothing of the guest is left.
func (g *fakeGuest) gone() {
	left := []string{"?"}
	for end := time.Now().Add(20 * time.Second); len(left) > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		left = append(fakesLeft(fakeMark+"="+g.dir+";"), fakesLeft(fakeGuarded+"="+g.dir+";")...)
	}
	assert.Empty(g.t, left, "processes of a fake guest")
	for _, dir := range strings.Fields(g.get("made")) {
		assert.NoDirExists(g.t, dir)
	}
}

func (g *fakeGuest) link(folder, name string) {
	path, err := exec.LookPath(name)
	require.NoError(g.t, err)
	require.NoError(g.t, os.Symlink(path, filepath.Join(g.dir, folder, name)))
}

func (g *fakeGuest) program(name, script string) {
	require.NoError(g.t, os.WriteFile(filepath.Join(g.dir, "bin", name), []byte(script), 0o755))
}

// set writes a file of the guest's state, and unset removes some.
func (g *fakeGuest) set(name, text string) {
	file := filepath.Join(g.dir, name)
	if err := renameio.WriteFile(file, []byte(text), 0o644); err != nil {
		g.t.Error(err)
	}
}

func (g *fakeGuest) unset(names ...string) {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(g.dir, name)); err != nil {
			g.t.Error(err)
		}
	}
}

func (g *fakeGuest) get(name string) string {
	text, _ := os.ReadFile(filepath.Join(g.dir, name)) // what is not there is empty
	return string(text)
}

// contract is that of pre-nixos with the guest's own paths. The interface leads
// out of the host's /sys/class/net, to a folder of the guest's.
func (g *fakeGuest) contract() contract.Contract {
	c := contract.PreNixOS()
	c.Storage.StatusFile = filepath.Join(g.dir, "run/storage-status")
	c.Network.StatusFile = filepath.Join(g.dir, "run/network-status")
	c.Network.Interface = "../../.." + g.dir + "/net/lan"
	return c
}

// plain are words of a result without the names of this run.
func (g *fakeGuest) plain(words string) string {
	words = strings.ReplaceAll(words, "../../.."+g.dir+"/net/lan", "lan")
	words = strings.ReplaceAll(words, g.dir, "")
	return changing.ReplaceAllString(words, "${1}N")
}

var changing = regexp.MustCompile(`(after |port |stages, |127\.0\.0\.1:|process )\d+(?:\.\d+)?`)

// config keeps all that a session writes in a folder of its own.
func (g *fakeGuest) config() config.Config {
	return config.Config{
		CacheDir: config.Path(filepath.Join(g.dir, "cache")), Artifacts: config.Path(filepath.Join(g.dir, "artifacts")),
		LoginTimeout: config.Seconds(time.Minute), SpawnTimeout: config.Seconds(3 * time.Minute),
	}
}

func (g *fakeGuest) subject() Subject {
	return Subject{
		Contract: g.contract(), ISO: fakeImage.path, RootKey: g.key,
		KeyAtBoot: fixtures.RootKeyFile, FaultAtBoot: fixtures.FaultFile,
	}
}

// suite are the scenarios for the guest. Only those of one VM are of use: there
// is one guest.
func (g *fakeGuest) suite(cfg config.Config) *Suite {
	suite := NewSuite(g.subject(), cfg, Watcher{Out: g.t.Output()})
	for _, s := range suite.fleet.order {
		g.inhabit(s)
	}
	return suite
}

// session is one with a machine like that of clean-disk.
func (g *fakeGuest) session(cfg config.Config) *session {
	s := g.suite(cfg).fleet.cleanVM()
	g.t.Cleanup(func() { s.close(nil) })
	return s
}

// inhabit makes g the guest of s's VM, with small disks. For a machine with KVM
// nobody waits in the queue for CPUs.
func (g *fakeGuest) inhabit(s *session) {
	s.template.FWCfg = map[string]string{fakeGuestFile: g.dir}
	s.template.Accelerator = "kvm"
	for i := range s.template.Disks {
		s.template.Disks[i].MiB = 4
	}
	if s.template.Firmware == UEFI {
		s.template.Code, s.template.Vars = filepath.Join(g.dir, "init"), filepath.Join(g.dir, "init") // any file
	}
	s.device = filepath.Join(g.dir, "dev", "tty-control")
}

// fakeImage is an ISO image that all fake VMs boot from, or seem to.
var fakeImage sharedImage

type sharedImage struct {
	once sync.Once
	dir  string
	err  error
}

func (i *sharedImage) path(context.Context) (string, error) {
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
