package prereq

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
)

func TestChecksComplete(t *testing.T) {
	checks := HostChecks(Host{}, config.Config{}) // as the README's table is made
	_, err := newTable(checks)
	require.NoError(t, err)
	for _, c := range checks {
		assert.Regexp(t, regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`), c.ID)
		assert.Equal(t, SectionHost, c.Section, c.ID)
		for field, value := range map[string]string{"Condition": c.Condition, "How": c.How, "When": c.When, "Remedy": c.Remedy} {
			assert.NotEmpty(t, value, "%s has no %s", c.ID, field)
			assert.NotContains(t, value, "\n", "%s: %s", c.ID, field)
		}
		assert.NotNil(t, c.Probe, c.ID)
		limit := c.Timeout
		if limit == 0 {
			limit = DefaultTimeout
		}
		if c.ID != "flake-evaluates" { // as long as the flake's evaluation takes
			assert.LessOrEqual(t, limit, DefaultTimeout, c.ID)
		}
	}
	table := Table(checks)
	assert.Equal(t, len(checks)+2, strings.Count(table, "\n"))
	// What differs between hosts and targets must not be in the table.
	assert.Equal(t, table, Table(HostChecks(newFakeHost().host(), newFakeHost().cfg)))
}

func TestTableEscapes(t *testing.T) {
	assert.Contains(t, Table([]Check{{ID: "x", How: "a | b\nc"}}), "| `x` |  | a \\| b c |")
}

type hostCase struct {
	id    string
	name  string
	spoil func(h *fakeHost) // nil: the host is as it should be
	want  Outcome
	says  string // in the detail, the evidence, the risk or the follow-up
}

const (
	forISO     = "the target, an ISO that is there already, does without it"
	forStandIn = "the target, the stand-in image, does without it"
)

func iso(h *fakeHost)     { h.cfg.Flake, h.cfg.ISO = "", "/x.iso" }
func standIn(h *fakeHost) { h.cfg.Flake = "" }

var hostCases = []hostCase{
	{"qemu-present", "", nil, Holds, "/usr/bin/qemu-system-x86_64"},
	{"qemu-present", "not installed", func(h *fakeHost) { delete(h.path, qemu) }, Absent, "PATH=/usr/bin"},
	{"qemu-present", "not executable", func(h *fakeHost) { delete(h.path, qemu); h.pathErr = fs.ErrPermission }, Unknown, "cannot be executed"},

	{"qemu-version", "", nil, Holds, "QEMU emulator version 7.2.22 (Debian 1:7.2)"},
	{"qemu-version", "later", out(qemu+" --version", says("QEMU emulator version 10.0.2\n")), Holds, "10.0.2"},
	{"qemu-version", "older", out(qemu+" --version", says("QEMU emulator version 6.2.0 (Debian 1:6.2)\n")), Broken, "version 6.2.0 (Debian 1:6.2) is older"},
	{"qemu-version", "garbage", out(qemu+" --version", says("\x7fELF garbage\n")), Broken, `it prints "\x7fELF garbage" instead of its version`},
	{"qemu-version", "prints nothing", out(qemu+" --version", says("")), Broken, `it prints "" instead`},
	{"qemu-version", "fails", out(qemu+" --version", fails("libslirp.so.0: cannot open shared object file\n")), Broken, "ended with exit status 1: libslirp.so.0: cannot open"},
	{"qemu-version", "hangs", out(qemu+" --version", hangs), Broken, "qemu-system-x86_64 --version did not end in time"},
	{"qemu-version", "is no program", out(qemu+" --version", Output{Err: syscall.ENOEXEC}), Broken, "could not be run: exec format error"},
	{"qemu-version", "no QEMU", func(h *fakeHost) { delete(h.path, qemu) }, Unknown, "not tried, because qemu-present is absent"},

	{"qemu-img", "", nil, Holds, "/usr/bin/qemu-img"},
	{"qemu-img", "not installed", func(h *fakeHost) { delete(h.path, "qemu-img") }, Absent, "not found"},
	{"qemu-img", "fails", out("qemu-img create", fails("qemu-img: Unknown file format 'qcow2'\n")), Broken, "Unknown file format"},
	{"qemu-img", "no temporary folder", func(h *fakeHost) { h.temp = "/nowhere" }, Unknown, "/nowhere"},

	{"virtio-devices", "", nil, Holds, "virtio-rng-pci"},
	{"virtio-devices", "one missing", out(qemu+" -device help", says(`name "virtio-net-pci"`+"\n"+`name "virtio-blk-pci"`+"\n"+`name "virtio-serial-pci"`+"\n"+`name "virtserialport"`)), Absent, "no virtio-rng-pci"},
	{"virtio-devices", "a longer name is another device", out(qemu+" -device help", says(`name "virtio-net-pci-non-transitional"`)), Absent, "virtio-net-pci,"},
	{"virtio-devices", "no list", out(qemu+" -device help", says("")), Broken, "lists no devices"},
	{"virtio-devices", "fails", out(qemu+" -device help", fails("boom")), Broken, "boom"},

	{"accelerators", "", nil, Holds, "tcg and kvm are compiled in"},
	{"accelerators", "no kvm", out(qemu+" -accel help", says("Accelerators:\ntcg\n")), Holds, "kvm is not"},
	{"accelerators", "no tcg", out(qemu+" -accel help", says("Accelerators:\nkvm\n")), Absent, "cannot emulate"},
	{"accelerators", "hangs", out(qemu+" -accel help", hangs), Broken, "did not end in time"},

	{"micro-guest", "", nil, Holds, "it booted in"},
	{"micro-guest", "dies", func(h *fakeHost) { h.onTCG = errors.New("QEMU ended with exit status 1: no bios") }, Broken, "no bios"},
	{"micro-guest", "no tcg", out(qemu+" -accel help", says("kvm\n")), Unknown, "because accelerators is absent"},

	{"kvm", "", nil, Holds, "a guest ran on KVM"},
	{"kvm", "no device, CPU could", func(h *fakeHost) { h.kvm = fs.ErrNotExist }, NotNeeded, "though the CPU can virtualise"},
	{"kvm", "no device, CPU could not", func(h *fakeHost) { h.kvm = fs.ErrNotExist; h.files["proc/cpuinfo"] = file("flags: fpu svmx vmxx\n") }, NotNeeded, "neither vmx nor svm"},
	{"kvm", "not permitted", func(h *fakeHost) { h.kvm = syscall.EACCES }, NotNeeded, "usermod -aG kvm"},
	{"kvm", "device is dead", func(h *fakeHost) { h.kvm = syscall.ENODEV }, NotNeeded, "KVM is there and broken: no such device"},
	{"kvm", "guest dies", func(h *fakeHost) { h.onKVM = errors.New("KVM internal error. Suberror: 1") }, NotNeeded, "KVM is there and broken: a guest was started on it and KVM internal error. Suberror: 1"},
	{"kvm", "no QEMU", func(h *fakeHost) { delete(h.path, qemu) }, Unknown, "qemu-present"},

	{"user-networking", "", nil, Holds, "answered"},
	{"user-networking", "no slirp", func(h *fakeHost) { h.network = errors.New("network backend 'user' is not compiled into this binary") }, Broken, "not compiled"},
	{"user-networking", "no guest", func(h *fakeHost) { h.onTCG = errors.New("died") }, Unknown, "because micro-guest is broken"},

	{"ovmf", "", nil, Holds, "/usr/share/OVMF/OVMF_CODE_4M.fd"},
	{"ovmf", "another name", func(h *fakeHost) {
		rename(h, "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/edk2/ovmf/OVMF_CODE.fd")
		rename(h, "usr/share/OVMF/OVMF_VARS_4M.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd")
	}, Holds, "/usr/share/edk2/ovmf/OVMF_CODE.fd"},
	{"ovmf", "code without variables", func(h *fakeHost) { delete(h.files, "usr/share/OVMF/OVMF_VARS_4M.fd") }, NotNeeded, "looked for /usr/share/OVMF/OVMF_CODE_4M.fd with OVMF_VARS_4M.fd"},
	{"ovmf", "not there", func(h *fakeHost) { delete(h.files, "usr/share/OVMF/OVMF_CODE_4M.fd") }, NotNeeded, "not by UEFI is not found out"},
	{"ovmf", "not to be seen", func(h *fakeHost) { h.errs["/usr/share/OVMF/OVMF_CODE_4M.fd"] = fs.ErrPermission }, Unknown, "permission denied"},

	{"memory", "", nil, Holds, "the host has 12 GiB free, and 2816 MiB are needed"},
	{"memory", "small host", meminfo(1 << 20), Broken, "the host has 1024 MiB free"},
	{"memory", "no meminfo", func(h *fakeHost) { delete(h.files, "proc/meminfo") }, Unknown, "proc/meminfo"},
	{"memory", "foreign meminfo", func(h *fakeHost) { h.files["proc/meminfo"] = file("MemTotal: many\n") }, Unknown, "no MemAvailable"},
	{"memory", "garbage", func(h *fakeHost) { h.files["proc/meminfo"] = file("MemAvailable: many kB\n") }, Unknown, "many"},

	{"cpus", "", nil, Holds, "4 CPUs"},
	{"cpus", "one", func(h *fakeHost) { h.cpus = 1 }, Broken, "1 CPU"},

	{"open-files", "", nil, Holds, "1048576"},
	{"open-files", "no limit", out("sh -c", says("unlimited\n")), Holds, "no limit"},
	{"open-files", "low", out("sh -c", says("256\n")), Broken, "only 256"},
	{"open-files", "garbage", out("sh -c", says("??\n")), Unknown, "??"},
	{"open-files", "no shell", func(h *fakeHost) { delete(h.outputs, "sh -c") }, Unknown, "could not be run"},

	{"disk-cache", "not there yet", nil, Holds, "/home/me/.cache has 100 GiB free, for /home/me/.cache/bootaudit is not there yet"},
	{"disk-cache", "full", func(h *fakeHost) { h.free["/home/me/.cache"] = 1 << 20 }, Broken, "has 1 MiB free"},
	{"disk-cache", "read-only", func(h *fakeHost) { h.write = syscall.EROFS }, Broken, "read-only file system"},
	{"disk-cache", "not to be entered", func(h *fakeHost) { h.errs["/home/me/.cache/bootaudit"] = fs.ErrPermission }, Unknown, "permission denied"},
	{"disk-temp", "", nil, Holds, "/tmp has 100 GiB free"},
	{"disk-temp", "full", func(h *fakeHost) { h.free["/tmp"] = 0 }, Broken, "/tmp has 0 MiB free"},
	{"disk-temp", "statfs fails", func(h *fakeHost) { h.freeErr = syscall.EIO }, Unknown, "input/output error"},
	{"disk-artifacts", "", nil, Holds, "/tmp has"},
	{"disk-artifacts", "named", func(h *fakeHost) { h.cfg.Artifacts = "/mnt/run"; h.files["mnt"] = dir(0o755); h.free["/mnt"] = 1 << 20 }, Broken, "/mnt has 1 MiB free"},
	{"disk-artifacts", "the logs' root", func(h *fakeHost) { h.cfg.LogRoot = "/mnt"; h.files["mnt"] = dir(0o755); h.free["/mnt"] = 1 << 20 }, Broken, "/mnt has 1 MiB free"},
	{"disk-nix-store", "", nil, Holds, "/nix/store has 100 GiB free"},
	{"disk-nix-store", "full", func(h *fakeHost) { h.free["/nix/store"] = 5 << 30 }, Broken, "5120 MiB free"},
	{"disk-nix-store", "enough without inputs", func(h *fakeHost) {
		h.free["/nix/store"] = 5 << 30
		out("flake metadata", says(`{"locks":{"nodes":{"root":{}}}}`))(h)
	}, Holds, "5120 MiB free"},
	{"disk-nix-store", "an ISO", iso, NotNeeded, forISO},

	{"go-version", "", nil, Holds, "go1.26.8"},
	{"go-version", "later", out("go env", says(`{"GOVERSION":"go1.30rc1"}`)), Holds, "go1.30rc1"},
	{"go-version", "with experiments", out("go env", says(`{"GOVERSION":"go1.26.1 X:nodwarf5"}`)), Holds, "go1.26.1"},
	{"go-version", "from source", out("go env", says(`{"GOVERSION":"devel go1.27-0a1b2c"}`)), Holds, "go1.27"},
	{"go-version", "older", out("go env", says(`{"GOVERSION":"go1.25.3"}`)), Broken, "go1.25.3, /usr/bin/go, is older"},
	{"go-version", "not there", func(h *fakeHost) { delete(h.path, "go") }, Absent, "not found"},
	{"go-version", "odd", out("go env", says(`{"GOVERSION":"tinygo"}`)), Unknown, "no version that we know"},
	{"go-version", "not Go's", out("go env", says("Usage: go <board>\n")), Broken, `prints "Usage: go <board>"`},
	{"go-version", "fails", out("go env", fails("go: cannot find GOROOT directory")), Broken, "GOROOT"},

	{"go-modules", "", nil, Holds, "no network is needed"},
	{"go-modules", "to be fetched", out("GOPROXY=off go list", fails("module lookup disabled by GOPROXY=off")), Holds, "fetched from https://modules.example"},
	{"go-modules", "not to be had", out("go list", fails("dial tcp: no such host\n")), Absent, "neither here nor to be had: dial tcp: no such host"},
	{"go-modules", "elsewhere", out("go env", says(`{"GOVERSION":"go1.26.8","GOMOD":"/dev/null"}`)), Unknown, "not started in the module's folder"},

	{"python-harness", "", nil, Holds, "pytest 8.3 pexpect 4.9"},
	{"python-harness", "no pexpect, declared", func(h *fakeHost) {
		out(".venv/bin/python", fails("Traceback:\nModuleNotFoundError: No module named 'pexpect'\n"))(h)
		h.files["home/me/flake/pyproject.toml"] = file("dependencies = ['pexpect']")
	}, Broken, "ModuleNotFoundError: No module named 'pexpect' (exit status 1)"},
	{"python-harness", "no pexpect, nobody asks", out(".venv/bin/python", fails("ModuleNotFoundError: No module named 'pexpect'\n")), NotNeeded, "nothing in /home/me/flake asks for it"},
	{"python-harness", "no pytest", out(".venv/bin/python", fails("ModuleNotFoundError: No module named 'pytest'\n")), Broken, "'pytest'"},
	{"python-harness", "hangs", out(".venv/bin/python", hangs), Broken, "did not end in time"},
	{"python-harness", "no virtualenv", func(h *fakeHost) {
		delete(h.files, "home/me/flake/.venv/bin/python")
		h.files["home/me/flake/tests/conftest.py"] = file("import pexpect")
	}, NotNeeded, "tests/conftest.py asks for pexpect, and there is no .venv"},
	{"python-harness", "no harness", func(h *fakeHost) { delete(h.files, "home/me/flake/.venv/bin/python") }, NotNeeded, "no such harness"},
	{"python-harness", "not to be entered", func(h *fakeHost) { h.errs["/home/me/flake/.venv"] = fs.ErrPermission }, Unknown, "permission denied"},
	{"python-harness", "flake elsewhere", func(h *fakeHost) { h.cfg.Flake = "github:me/flake" }, NotNeeded, "not in a folder"},
	{"python-harness", "an ISO", iso, NotNeeded, forISO},

	{"stand-in-tools", "", standIn, Holds, "every program is here"},
	{"stand-in-tools", "built", func(h *fakeHost) { standIn(h); h.standIn = "/c/stand-in.iso" }, NotNeeded, "/c/stand-in.iso"},
	{"stand-in-tools", "missing", func(h *fakeHost) {
		standIn(h)
		h.cannot = errors.New("cannot be built:\nxorriso is not on the PATH")
	}, Absent, "cannot be built: xorriso is not on the PATH"},
	{"stand-in-tools", "a flake", nil, NotNeeded, "the target, a flake, does without it"},
	{"stand-in-mirror", "", standIn, Holds, "HTTP 200"},
	{"stand-in-mirror", "built", func(h *fakeHost) { standIn(h); h.standIn = "/c/stand-in.iso" }, NotNeeded, "built already"},
	{"stand-in-mirror", "offline", func(h *fakeHost) { standIn(h); delete(h.servers, mirrorOf+release) }, Absent, "no such host, without a proxy"},
	{"stand-in-mirror", "refused", func(h *fakeHost) {
		standIn(h)
		h.servers[mirrorOf+release] = Answer{Status: 403, Proxy: "http://proxy:3128", Body: "blocked"}
	}, Broken, "HTTP 403, through the proxy http://proxy:3128"},
	{"stand-in-mirror", "captive portal", func(h *fakeHost) { standIn(h); h.servers[mirrorOf+release] = Answer{Status: 200, Body: "<html>Log in"} }, Broken, "<html>Log in"},
	{"stand-in-mirror", "unknown", func(h *fakeHost) { standIn(h); h.noMirror = errors.New("no apt here") }, Absent, "no apt here"},
	{"stand-in-mirror", "a folder", func(h *fakeHost) { standIn(h); h.cfg.Mirror = "file:///srv/debian" }, Holds, "file:///srv/debian, by BOOT_IMAGE_MIRROR"},
	{"stand-in-mirror", "an ISO", iso, NotNeeded, forISO},

	{"nix-present", "", nil, Holds, "/home/me/.nix-profile/bin/nix"},
	{"nix-present", "not on the PATH", func(h *fakeHost) { delete(h.path, "nix") }, Absent, "nix is installed in /home/me/.nix-profile/bin, which is not on the PATH"},
	{"nix-present", "not on the PATH: its script", func(h *fakeHost) { delete(h.path, "nix") }, Absent, "profile script: /home/me/.nix-profile/etc/profile.d/nix.sh"},
	{"nix-present", "no USER", func(h *fakeHost) { delete(h.path, "nix"); h.environ = []string{"PATH=/usr/bin"} }, Absent, "USER is not set"},
	{"nix-present", "no HOME", func(h *fakeHost) { delete(h.path, "nix"); h.environ = nil }, Absent, "installed in /home/me/.nix-profile/bin"},
	{"nix-present", "not installed", noNix, Absent, "neither on the PATH nor in a profile's folder"},
	{"nix-present", "not executable", func(h *fakeHost) { noNix(h); h.pathErr = fs.ErrPermission }, Unknown, "cannot be executed"},
	{"nix-present", "the stand-in", standIn, NotNeeded, forStandIn},

	{"nix-version", "", nil, Holds, "2.8.0"},
	{"nix-version", "later", out("nix --version", says("nix (Nix) 2.31.1\n")), Holds, "2.31.1"},
	{"nix-version", "a fork", out("nix --version", says("nix (Lix, like Nix) 2.93.3\n")), Holds, "2.93.3"},
	{"nix-version", "older", out("nix --version", says("nix (Nix) 2.3.16\n")), Broken, "2.3.16 is older"},
	{"nix-version", "garbage", out("nix --version", says("nixpacks 1.0\n")), Broken, `it prints "nixpacks 1.0"`},
	{"nix-version", "fails", out("nix --version", fails("error: $HOME is not set")), Broken, "$HOME is not set"},
	{"nix-version", "not there", noNix, Unknown, "because nix-present is absent"},

	{"nix-login-shell", "", nil, Holds, "/home/me/.nix-profile/bin/nix"},
	{"nix-login-shell", "does not find it", out("bash -lc", fails("")), Broken, "does not find nix"},
	{"nix-login-shell", "hangs", out("bash -lc", hangs), Broken, "did not end in time"},
	{"nix-login-shell", "an ISO", iso, NotNeeded, forISO},

	{"nix-profile-script", "", nil, Holds, "/home/me/.nix-profile/etc/profile.d/nix.sh"},
	{"nix-profile-script", "fails", out("bash -c", fails("nix.sh: line 3: USER: unbound variable\n")), Broken, "nix.sh fails with only USER=me set"},
	{"nix-profile-script", "fails without USER", out("env -i 'PATH=/usr/bin:/bin' 'HOME=/home/me' bash -c '. ", fails("cannot\n")), Broken, "fails with only HOME=/home/me set: cannot"},
	{"nix-profile-script", "fails under set -u", out("set -u; ", fails("USER: unbound variable\n")), Holds, "fails under set -u"},
	{"nix-profile-script", "does nothing", out("env -i 'PATH=/usr/bin:/bin' bash -c", says("/usr/bin:/bin\n")), Holds, "so nix is installed and not found"},
	{"nix-profile-script", "missing", func(h *fakeHost) { delete(h.files, "home/me/.nix-profile/etc/profile.d/nix.sh") }, Absent, "no profile script"},
	{"nix-profile-script", "of the distribution", func(h *fakeHost) {
		delete(h.files, "home/me/.nix-profile/etc/profile.d/nix.sh")
		h.path["nix"] = "/usr/bin/nix"
	}, NotNeeded, "needs no profile script"},
	{"nix-profile-script", "not to be seen", func(h *fakeHost) { h.errs["/etc/profile.d/nix.sh"] = fs.ErrPermission }, Unknown, "permission denied"},

	{"nix-features", "", nil, Holds, "enabled in nix's configuration"},
	{"nix-features", "by flags", out("nix eval --store", fails("experimental Nix feature 'nix-command' is disabled")), Holds, "switched on for our own calls"},
	{"nix-features", "nix-command only", out("nix eval --store", says("false\n")), Holds, "switched on for our own calls"},
	{"nix-features", "forbidden", func(h *fakeHost) {
		out("nix eval --store", fails("disabled"))(h)
		out("getFlake' --extra", says("false\n"))(h)
	}, Broken, "no flakes even with"},
	{"nix-features", "fails", func(h *fakeHost) {
		out("nix eval --store", fails("disabled"))(h)
		out("getFlake' --extra", fails("error: cannot open store"))(h)
	}, Broken, "cannot open store"},
	{"nix-features", "an ISO", iso, NotNeeded, forISO},

	{"nix-store", "", nil, Holds, "Store URL: daemon"},
	{"nix-store", "later nix's command", func(h *fakeHost) {
		out("store ping", fails("error: 'ping' is not a recognised command; did you mean store info"))(h)
		out("store info", says("Store URL: local\n"))(h)
	}, Holds, "Store URL: local"},
	{"nix-store", "no daemon, no root", out("store ping", fails("warning: x\nerror: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not permitted\n")), Broken, "could not set permissions"},
	{"nix-store", "hangs", out("store ping", hangs), Broken, "did not end in time"},
	{"nix-store", "an ISO", iso, NotNeeded, forISO},

	{"nix-temp", "", nil, Holds, "entered by anybody"},
	{"nix-temp", "0700, our own builds", func(h *fakeHost) { shutTemp(h) }, Holds, "builds run as this user"},
	{"nix-temp", "0700, daemon", func(h *fakeHost) { shutTemp(h); h.files["nix/var/nix/daemon-socket/socket"] = file("") }, Broken, "/tmp/nix-shell.x has mode 0700, so the build users cannot enter it"},
	{"nix-temp", "0700, root", func(h *fakeHost) { shutTemp(h); h.uid = 0 }, Broken, "mode 0700"},
	{"nix-temp", "0700, root without build users", func(h *fakeHost) { shutTemp(h); h.uid = 0; h.files["etc/group"] = file("root:x:0:\n") }, Holds, "builds run as this user"},
	{"nix-temp", "missing", func(h *fakeHost) { h.temp = "/tmp/gone" }, Broken, "/tmp/gone is not there"},
	{"nix-temp", "a file", func(h *fakeHost) { h.temp = "/tmp/file"; h.files["tmp/file"] = file("") }, Broken, "is not a folder"},
	{"nix-temp", "not to be seen", func(h *fakeHost) { h.errs["/tmp"] = fs.ErrPermission }, Unknown, "permission denied"},
	{"nix-temp", "an ISO", iso, NotNeeded, forISO},

	{"nix-build", "", nil, Holds, "built /nix/store/x-bootaudit-probe"},
	{"nix-build", "root without build users", func(h *fakeHost) { h.uid = 0; h.files["etc/group"] = file("root:x:0:\n") }, Holds, "root builds as root"},
	{"nix-build", "no namespaces", out("bootaudit-probe", fails("warning: x\nerror: cloning builder process: Operation not permitted\nerror: unable to start build process\n")), Broken, "nix cannot build it: unable to start build process"},
	{"nix-build", "hangs", out("bootaudit-probe", hangs), Broken, "did not end in time"},
	{"nix-build", "garbage", out("bootaudit-probe", says("ok")), Broken, `prints "ok"`},
	{"nix-build", "an ISO", iso, NotNeeded, forISO},

	{"flake-evaluates", "", nil, Holds, "shows its 2 outputs"},
	{"flake-evaluates", "undefined variable", out("flake show", fails("error: undefined variable 'foo'\n\n       at /nix/store/abc-source/flake.nix:1:51:\n")), Broken, "evaluation error: undefined variable 'foo', at flake.nix:1:51"},
	{"flake-evaluates", "later nix's words", out("flake show", fails("error:\n       … while calling the 'throw' builtin\n         at «github:a/b»/lib/x.nix:7:9:\n       error: hi there\n")), Broken, "evaluation error: hi there, at lib/x.nix:7:9"},
	{"flake-evaluates", "no network", out("flake show", fails("error: unable to download 'https://api.github.com/repos/NixOS/nixpkgs/commits/HEAD': Couldn't resolve host name (6)\n")), Absent, "no network for an input"},
	{"flake-evaluates", "missing input", out("flake show", fails("error: getting status of '/nowhere/x': No such file or directory\n")), Broken, "an input is missing"},
	{"flake-evaluates", "unknown input", out("flake show", fails("error: cannot find flake 'flake:foo' in the flake registries\n")), Broken, "an input is missing"},
	{"flake-evaluates", "no flake", out("flake show", fails("path '/x' does not contain a 'flake.nix', searching up\nerror: could not find a flake.nix file\n")), Broken, "there is no flake"},
	{"flake-evaluates", "garbage", out("flake show", says("git: 'flake'")), Broken, "instead of JSON"},
	{"flake-evaluates", "hangs", out("flake show", hangs), Broken, "did not end in time"},
	{"flake-evaluates", "an ISO", iso, NotNeeded, forISO},

	{"substituters", "", nil, Holds, "cache.example.org/nix-cache-info: HTTP 200, without a proxy"},
	{"substituters", "cache hit through a proxy", func(h *fakeHost) {
		h.servers[cache] = Answer{Status: 200, Body: "StoreDir: /nix/store\n", Header: map[string][]string{"X-Cache": {"HIT, HIT"}, "Age": {"12"}}, Proxy: "http://p:1"}
	}, Holds, "HTTP 200, X-Cache: HIT, HIT, Age: 12, through the proxy http://p:1"},
	{"substituters", "offline", offline, Absent, "no such host"},
	{"substituters", "offline, no inputs", func(h *fakeHost) {
		offline(h)
		out("flake metadata", says(`{"locks":{"nodes":{"root":{}}}}`))(h)
	}, NotNeeded, "the flake has no inputs"},
	{"substituters", "offline, inputs not known", func(h *fakeHost) { offline(h); out("flake metadata", fails("error: x"))(h) }, Absent, "no such host"},
	{"substituters", "proxy says no", func(h *fakeHost) { h.servers[cache] = Answer{Status: 403, Proxy: "http://p:1"} }, Broken, "HTTP 403, through the proxy http://p:1"},
	{"substituters", "something else answers", func(h *fakeHost) { h.servers[cache] = Answer{Status: 200, Body: "<html>"} }, Broken, "is no binary cache"},
	{"substituters", "one of two", out("show-config --json", says(`{"substituters":{"value":["https://cache.example.org","https://gone.example.org"]}}`)), Absent, "gone.example.org"},
	{"substituters", "later nix's command", func(h *fakeHost) {
		h.outputs["config show --json"] = h.outputs["show-config --json"]
		out("show-config --json", fails("error: 'show-config' is not a recognised command"))(h)
	}, Holds, "HTTP 200"},
	{"substituters", "others only", out("show-config --json", says(`{"substituters":{"value":["s3://bucket"]}}`)), Unknown, "s3://bucket: not asked"},
	{"substituters", "none", out("show-config --json", says(`{"substituters":{"value":[]}}`)), NotNeeded, "takes hours"},
	{"substituters", "garbage", out("show-config --json", says(`{`)), Unknown, "unexpected end of JSON"},
	{"substituters", "fails", func(h *fakeHost) { h.outputs["config show"] = fails("b"); out("show-config --json", fails("a"))(h) }, Broken, "exit status 1"},
	{"substituters", "an ISO", iso, NotNeeded, forISO},

	{"nix-fetch", "", nil, Holds, "y-nix-cache-info"},
	{"nix-fetch", "the daemon has no proxy", out("builtin:fetchurl", fails("error: unable to download 'x': Couldn't connect to server (7)\n")), Broken, "Couldn't connect to server"},
	{"nix-fetch", "offline", offline, Unknown, "because substituters is absent"},
	{"nix-fetch", "an ISO", iso, NotNeeded, forISO},
}

func out(pattern string, o Output) func(*fakeHost) {
	return func(h *fakeHost) { h.outputs[pattern] = o }
}

func rename(h *fakeHost, from, to string) { h.files[to] = h.files[from]; delete(h.files, from) }

func offline(h *fakeHost) { clear(h.servers) }

func noNix(h *fakeHost) { delete(h.path, "nix"); delete(h.files, "home/me/.nix-profile/bin/nix") }

func shutTemp(h *fakeHost) {
	h.temp = "/tmp/nix-shell.x"
	h.files["tmp/nix-shell.x"] = dir(0o700)
}

func TestChecksOnFakeHosts(t *testing.T) {
	if forceTCG {
		t.Skip("built with -tags tcg, which decides for itself")
	}
	seen := map[string][]Outcome{}
	for _, c := range hostCases {
		name := c.id
		if c.name != "" {
			name += ": " + c.name
		}
		t.Run(name, func(t *testing.T) {
			h := newFakeHost()
			if c.spoil != nil {
				c.spoil(h)
			}
			all, err := newTable(HostChecks(h.host(), h.cfg))
			require.NoError(t, err)
			require.NotNil(t, all[c.id], "no such check")
			f := all.resolve(t.Context(), c.id)
			assert.Equal(t, c.want, f.Outcome, "%+v", f)
			assert.Contains(t, strings.Join([]string{f.Detail, f.Evidence, f.Risk, f.FollowUp}, "\n"), c.says)
			if f.Outcome == NotNeeded && c.id == "kvm" {
				assert.NotEmpty(t, f.Risk)
				assert.NotEmpty(t, f.FollowUp)
			}
			seen[c.id] = append(seen[c.id], f.Outcome)
		})
	}
	for _, c := range HostChecks(Host{}, config.Config{}) {
		assert.Contains(t, seen[c.ID], Holds, "%s: no case where it holds", c.ID)
		assert.True(t, slices.ContainsFunc(seen[c.ID], func(o Outcome) bool { return o != Holds }), "%s: no case where it does not hold", c.ID)
	}
}

func TestControlGroups(t *testing.T) {
	const (
		v1mounts = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n33 30 0:29 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		v2mount  = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		gib      = "1073741824\n"
	)
	v2 := func(files ...string) func(*fakeHost) {
		return func(h *fakeHost) {
			h.files["proc/self/cgroup"] = file("0::/user.slice/session.scope\n")
			h.files["proc/self/mountinfo"] = file(v2mount)
			for i := 0; i < len(files); i += 2 {
				h.files["sys/fs/cgroup/"+files[i]] = file(files[i+1])
			}
		}
	}
	v1 := func(files ...string) func(*fakeHost) {
		return func(h *fakeHost) {
			h.files["proc/self/cgroup"] = file("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n")
			h.files["proc/self/mountinfo"] = file(v1mounts)
			for i := 0; i < len(files); i += 2 {
				h.files["sys/fs/cgroup/"+files[i]] = file(files[i+1])
			}
		}
	}
	both := func(fs ...func(*fakeHost)) func(*fakeHost) {
		return func(h *fakeHost) {
			for _, f := range fs {
				f(h)
			}
		}
	}
	cases := []hostCase{
		{"memory", "v2: no limit", v2("user.slice/session.scope/memory.max", "max\n"), Holds, "the host has 12 GiB free"},
		{"memory", "v2: own limit", v2("user.slice/session.scope/memory.max", gib, "user.slice/session.scope/memory.current", "536870912"), Broken,
			"the control group /sys/fs/cgroup/user.slice/session.scope, limited to 1024 MiB, has 512 MiB free, and 2816 MiB are needed"},
		{"memory", "v2: an ancestor's limit", v2("user.slice/memory.max", gib, "user.slice/memory.current", "0", "user.slice/session.scope/memory.max", "max"), Broken, "user.slice, limited to 1024 MiB, has 1024 MiB free"},
		{"memory", "v2: the throttling limit", v2("user.slice/memory.high", gib, "user.slice/memory.current", "0", "user.slice/memory.max", "max"), Broken, "limited to 1024 MiB"},
		{"memory", "v2: in a container", both(v2("memory.max", gib, "memory.current", "0"), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("0::/\n") }), Broken, "group /sys/fs/cgroup, limited to 1024 MiB"},
		{"memory", "v2: outside of the mount", both(v2("memory.max", gib, "memory.current", "0"), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("0::/../other\n") }), Broken, "group /sys/fs/cgroup, limited to 1024 MiB"},
		{"memory", "v2: files not in use count as free", v2("user.slice/memory.max", "6442450944", "user.slice/memory.current", "6442450944", "user.slice/memory.stat", "anon 5\ninactive_file 5368709120\n"), Holds, "limited to 6144 MiB, has 5120 MiB free"},
		{"memory", "v2: more used than allowed", v2("user.slice/memory.max", gib, "user.slice/memory.current", "3147483648"), Broken, "has 0 MiB free"},
		{"memory", "v2: not to be read", both(v2(), func(h *fakeHost) { h.errs["/sys/fs/cgroup/user.slice/memory.max"] = fs.ErrPermission }), Unknown, "limit cannot be read"},
		{"memory", "v2: foreign", v2("user.slice/memory.max", "lots\n"), Unknown, `"lots" is not a number`},
		{"memory", "v1: no limit", v1("memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"), Holds, "the host has 12 GiB free"},
		{"memory", "v1: own limit", v1("memory/docker/abc/memory.limit_in_bytes", gib, "memory/docker/abc/memory.usage_in_bytes", "0"), Broken, "/sys/fs/cgroup/memory/docker/abc, limited to 1024 MiB"},
		{"memory", "v1: an ancestor's limit", v1("memory/docker/memory.limit_in_bytes", gib, "memory/docker/memory.usage_in_bytes", "1073741824", "memory/docker/memory.stat", "total_inactive_file 536870912\n"), Broken, "has 512 MiB free"},
		{"memory", "v1: in a container", both(v1("memory/memory.limit_in_bytes", gib, "memory/memory.usage_in_bytes", "0"), func(h *fakeHost) {
			h.files["proc/self/mountinfo"] = file(strings.Replace(v1mounts, "0:29 / ", "0:29 /docker/abc ", 1))
		}), Broken, "/sys/fs/cgroup/memory, limited to 1024 MiB"},
		{"memory", "no such mount", both(v1(), func(h *fakeHost) { h.files["proc/self/mountinfo"] = file("garbage - x\n\n - \n") }), Holds, "the host has"},
		{"memory", "foreign list of groups", both(v1(), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("garbage\n::\n") }), Holds, "the host has"},

		{"cpus", "v2: no quota", v2("user.slice/cpu.max", "max 100000\n"), Holds, "4 CPUs"},
		{"cpus", "v2: an ancestor's quota", v2("user.slice/cpu.max", "150000 100000\n", "user.slice/session.scope/cpu.max", "300000 100000\n"), Broken, "4 CPUs, of which the control group /sys/fs/cgroup/user.slice lends us 1.50"},
		{"cpus", "v2: a quota that will do", v2("user.slice/cpu.max", "250000 100000\n"), Holds, "lends us 2.50"},
		{"cpus", "v2: not to be read", both(v2(), func(h *fakeHost) { h.errs["/sys/fs/cgroup/user.slice/cpu.max"] = fs.ErrPermission }), Unknown, "quota cannot be read"},
		{"cpus", "v1: no quota", v1("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n", "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"), Holds, "4 CPUs"},
		{"cpus", "v1: quota", v1("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "100000\n", "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"), Broken, "lends us 1.00"},
	}
	for _, c := range cases {
		t.Run(c.id+" "+c.name, func(t *testing.T) {
			h := newFakeHost()
			h.kvm = fs.ErrNotExist
			c.spoil(h)
			all, err := newTable(HostChecks(h.host(), h.cfg))
			require.NoError(t, err)
			f := all.resolve(t.Context(), c.id)
			assert.Equal(t, c.want, f.Outcome, "%+v", f)
			assert.Contains(t, f.Detail, c.says)
		})
	}
}

func meminfo(availableKiB int) func(*fakeHost) {
	return func(h *fakeHost) {
		h.files["proc/meminfo"] = file("MemTotal: 9999999 kB\nMemAvailable: " + strconv.Itoa(availableKiB) + " kB\n")
	}
}

func TestThisHostsPrograms(t *testing.T) {
	h := ThisHost()
	t.Run("output is bounded", func(t *testing.T) {
		got := h.Run(t.Context(), Command{Args: []string{"sh", "-c", "head -c 9000000 /dev/zero"}})
		assert.NoError(t, got.Err)
		assert.Len(t, got.Stdout, maxOutput)
	})
	t.Run("children end too", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		pid := t.TempDir() + "/pid"
		got := h.Run(ctx, Command{Args: []string{"sh", "-c", "sleep 60 & echo $! > " + pid + "; wait"}})
		assert.ErrorIs(t, got.Err, context.DeadlineExceeded)
		text, err := os.ReadFile(pid)
		require.NoError(t, err)
		assert.Eventually(t, func() bool {
			stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, 20*time.Millisecond)
	})
	t.Run("the command line as typed", func(t *testing.T) {
		assert.Equal(t, `echo 'a b' "it's" '' 'plain-1.2/x=y,z'`, Command{Args: []string{"echo", "a b", "it's", "", "plain-1.2/x=y,z"}}.String())
	})
}
