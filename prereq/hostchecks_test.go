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

	"bootaudit/contract"
	"bootaudit/contract/check"
)

func TestChecksComplete(t *testing.T) {
	checks := hostChecks(host{}, Subject{}) // as docs/checks.md is made
	_, err := check.NewTable(checks)
	require.NoError(t, err)
	for _, c := range checks {
		assert.Regexp(t, regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`), c.ID)
		assert.Equal(t, check.SectionHost, c.Section, c.ID)
		for field, value := range map[string]string{"Condition": c.Condition, "How": c.How, "Remedy": c.Remedy} {
			assert.NotEmpty(t, value, "%s has no %s", c.ID, field)
			assert.NotContains(t, value, "\n", "%s: %s", c.ID, field)
		}
		assert.NotNil(t, c.Probe, c.ID)
		limit := c.Timeout
		if limit == 0 {
			limit = check.DefaultTimeout
		}
		if c.ID != "flake-evaluates" { // as long as the flake's evaluation takes
			assert.LessOrEqual(t, limit, check.DefaultTimeout, c.ID)
		}
	}
}

type hostCase struct {
	id    string
	name  string
	spoil func(h *fakeHost) // nil: the host is as it should be
	want  check.Outcome
	says  string // in the detail, the evidence, the risk or the follow-up
}

const (
	forISO     = "no flake is audited"
	forStandIn = forISO
)

func iso(h *fakeHost)     { h.subject.Target = contract.Target{Kind: contract.KindFile, File: "/x.iso"} }
func standIn(h *fakeHost) { h.subject.Target = contract.Target{} }

var hostCases = []hostCase{
	{"qemu-present", "", nil, check.Holds, "/usr/bin/qemu-system-x86_64"},
	{"qemu-present", "not installed", func(h *fakeHost) { delete(h.path, qemu) }, check.Absent, "PATH=/usr/bin"},
	{"qemu-present", "not executable", func(h *fakeHost) { delete(h.path, qemu); h.pathErr = fs.ErrPermission }, check.Unknown, "cannot be executed"},

	{"qemu-version", "", nil, check.Holds, "QEMU emulator version 7.2.22 (Debian 1:7.2)"},
	{"qemu-version", "later", out(qemu+" --version", says("QEMU emulator version 10.0.2\n")), check.Holds, "10.0.2"},
	{"qemu-version", "older", out(qemu+" --version", says("QEMU emulator version 6.2.0 (Debian 1:6.2)\n")), check.Broken, "version 6.2.0 (Debian 1:6.2) is older"},
	{"qemu-version", "garbage", out(qemu+" --version", says("\x7fELF garbage\n")), check.Broken, `it prints "\x7fELF garbage" instead of its version`},
	{"qemu-version", "prints nothing", out(qemu+" --version", says("")), check.Broken, `it prints "" instead`},
	{"qemu-version", "fails", out(qemu+" --version", fails("libslirp.so.0: cannot open shared object file\n")), check.Broken, "ended with exit status 1: libslirp.so.0: cannot open"},
	{"qemu-version", "hangs", out(qemu+" --version", hangs), check.Broken, "qemu-system-x86_64 --version did not end in time"},
	{"qemu-version", "is no program", out(qemu+" --version", output{Err: syscall.ENOEXEC}), check.Broken, "could not be run: exec format error"},
	{"qemu-version", "no QEMU", func(h *fakeHost) { delete(h.path, qemu) }, check.Unknown, "not tried, because qemu-present is absent"},

	{"qemu-img", "", nil, check.Holds, "/usr/bin/qemu-img"},
	{"qemu-img", "not installed", func(h *fakeHost) { delete(h.path, "qemu-img") }, check.Absent, "not found"},
	{"qemu-img", "fails", out("qemu-img create", fails("qemu-img: Unknown file format 'qcow2'\n")), check.Broken, "Unknown file format"},
	{"qemu-img", "no temporary folder", func(h *fakeHost) { h.temp = "/nowhere" }, check.Unknown, "/nowhere"},

	{"virtio-devices", "", nil, check.Holds, "virtio-rng-pci"},
	{"virtio-devices", "one missing", out(qemu+" -device help", says(`name "virtio-net-pci"`+"\n"+`name "virtio-blk-pci"`+"\n"+`name "virtio-serial-pci"`+"\n"+`name "virtserialport"`)), check.Absent, "no virtio-rng-pci"},
	{"virtio-devices", "a longer name is another device", out(qemu+" -device help", says(`name "virtio-net-pci-non-transitional"`)), check.Absent, "virtio-net-pci,"},
	{"virtio-devices", "no list", out(qemu+" -device help", says("")), check.Broken, "lists no devices"},
	{"virtio-devices", "fails", out(qemu+" -device help", fails("boom")), check.Broken, "boom"},

	{"accelerators", "", nil, check.Holds, "tcg and kvm are compiled in"},
	{"accelerators", "no kvm", out(qemu+" -accel help", says("Accelerators:\ntcg\n")), check.Holds, "kvm is not"},
	{"accelerators", "no tcg", out(qemu+" -accel help", says("Accelerators:\nkvm\n")), check.Absent, "cannot emulate"},
	{"accelerators", "hangs", out(qemu+" -accel help", hangs), check.Broken, "did not end in time"},

	{"micro-guest", "", nil, check.Holds, "it booted in"},
	{"micro-guest", "dies", func(h *fakeHost) { h.onTCG = errors.New("QEMU ended with exit status 1: no bios") }, check.Broken, "no bios"},
	{"micro-guest", "no tcg", out(qemu+" -accel help", says("kvm\n")), check.Unknown, "because accelerators is absent"},

	{"kvm", "", nil, check.Holds, "a guest ran on KVM"},
	{"kvm", "no device, CPU could", func(h *fakeHost) { h.kvm = fs.ErrNotExist }, check.Risk, "though the CPU can virtualise"},
	{"kvm", "no device, CPU could not", func(h *fakeHost) { h.kvm = fs.ErrNotExist; h.files["proc/cpuinfo"] = file("flags: fpu svmx vmxx\n") }, check.Risk, "neither vmx nor svm"},
	{"kvm", "not permitted", func(h *fakeHost) { h.kvm = syscall.EACCES }, check.Risk, "usermod -aG kvm"},
	{"kvm", "device is dead", func(h *fakeHost) { h.kvm = syscall.ENODEV }, check.Risk, "KVM is there and broken: no such device"},
	{"kvm", "guest dies", func(h *fakeHost) { h.onKVM = errors.New("KVM internal error. Suberror: 1") }, check.Risk, "KVM is there and broken: a guest was started on it and KVM internal error. Suberror: 1"},
	{"kvm", "no QEMU", func(h *fakeHost) { delete(h.path, qemu) }, check.Unknown, "qemu-present"},

	{"user-networking", "", nil, check.Holds, "answered"},
	{"user-networking", "no slirp", func(h *fakeHost) { h.network = errors.New("network backend 'user' is not compiled into this binary") }, check.Broken, "not compiled"},
	{"user-networking", "no guest", func(h *fakeHost) { h.onTCG = errors.New("died") }, check.Unknown, "because micro-guest is broken"},

	{"ovmf", "", nil, check.Holds, "/usr/share/OVMF/OVMF_CODE_4M.fd"},
	{"ovmf", "another name", func(h *fakeHost) {
		rename(h, "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/edk2/ovmf/OVMF_CODE.fd")
		rename(h, "usr/share/OVMF/OVMF_VARS_4M.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd")
	}, check.Holds, "/usr/share/edk2/ovmf/OVMF_CODE.fd"},
	{"ovmf", "code without variables", func(h *fakeHost) { delete(h.files, "usr/share/OVMF/OVMF_VARS_4M.fd") }, check.Risk, "looked for /usr/share/OVMF/OVMF_CODE_4M.fd with OVMF_VARS_4M.fd"},
	{"ovmf", "not there", func(h *fakeHost) { delete(h.files, "usr/share/OVMF/OVMF_CODE_4M.fd") }, check.Risk, "not by UEFI is not found out"},
	{"ovmf", "not to be seen", func(h *fakeHost) { h.errs["/usr/share/OVMF/OVMF_CODE_4M.fd"] = fs.ErrPermission }, check.Unknown, "permission denied"},

	{"ovmf", "asked for", func(h *fakeHost) {
		h.subject.Target.Firmware = "uefi"
		delete(h.files, "usr/share/OVMF/OVMF_CODE_4M.fd")
	}, check.Absent, "no UEFI firmware (OVMF): file does not exist"},

	{"ovmf-secure-boot", "", nil, check.NotNeeded, "no boot with Secure Boot is asked for"},
	{"ovmf-secure-boot", "asked for", func(h *fakeHost) {
		h.subject.Target.Firmware = contract.SecureBoot
		h.files["usr/share/OVMF/OVMF_CODE_4M.ms.fd"], h.files["usr/share/OVMF/OVMF_VARS_4M.ms.fd"] = file(""), file("")
	}, check.Holds, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd with the keys in /usr/share/OVMF/OVMF_VARS_4M.ms.fd"},
	{"ovmf-secure-boot", "firmware without keys", func(h *fakeHost) { h.subject.Target.Firmware = contract.SecureBoot }, check.Absent, "no UEFI firmware (OVMF) with Secure Boot and keys"},
	{"ovmf-secure-boot", "not to be seen", func(h *fakeHost) {
		h.subject.Target.Firmware = contract.SecureBoot
		h.errs["/usr/share/OVMF/OVMF_CODE_4M.ms.fd"] = fs.ErrPermission
	}, check.Unknown, "permission denied"},

	{"memory", "", nil, check.Holds, "the host has 12 GiB free, and 2816 MiB are needed"},
	{"memory", "small host", meminfo(1 << 20), check.Broken, "the host has 1024 MiB free"},
	{"memory", "no meminfo", func(h *fakeHost) { delete(h.files, "proc/meminfo") }, check.Unknown, "proc/meminfo"},
	{"memory", "foreign meminfo", func(h *fakeHost) { h.files["proc/meminfo"] = file("MemTotal: many\n") }, check.Unknown, "no MemAvailable"},
	{"memory", "garbage", func(h *fakeHost) { h.files["proc/meminfo"] = file("MemAvailable: many kB\n") }, check.Unknown, "many"},

	{"cpus", "", nil, check.Holds, "4 CPUs"},
	{"cpus", "one", func(h *fakeHost) { h.cpus = 1 }, check.Broken, "1 CPU"},

	{"open-files", "", nil, check.Holds, "1048576"},
	{"open-files", "no limit", out("sh -c", says("unlimited\n")), check.Holds, "no limit"},
	{"open-files", "low", out("sh -c", says("256\n")), check.Broken, "only 256"},
	{"open-files", "garbage", out("sh -c", says("??\n")), check.Unknown, "??"},
	{"open-files", "no shell", func(h *fakeHost) { delete(h.outputs, "sh -c") }, check.Unknown, "could not be run"},

	{"disk-cache", "not there yet", nil, check.Holds, "/home/me/.cache has 100 GiB free, for /home/me/.cache/bootaudit is not there yet"},
	{"disk-cache", "full", func(h *fakeHost) { h.free["/home/me/.cache"] = 1 << 20 }, check.Broken, "has 1 MiB free"},
	{"disk-cache", "read-only", func(h *fakeHost) { h.write = syscall.EROFS }, check.Broken, "read-only file system"},
	{"disk-cache", "not to be entered", func(h *fakeHost) { h.errs["/home/me/.cache/bootaudit"] = fs.ErrPermission }, check.Unknown, "permission denied"},
	{"disk-temp", "", nil, check.Holds, "/tmp has 100 GiB free"},
	{"disk-temp", "full", func(h *fakeHost) { h.free["/tmp"] = 0 }, check.Broken, "/tmp has 0 MiB free"},
	{"disk-temp", "statfs fails", func(h *fakeHost) { h.freeErr = syscall.EIO }, check.Unknown, "input/output error"},
	{"disk-artifacts", "", nil, check.Holds, "/tmp has"},
	{"disk-artifacts", "named", func(h *fakeHost) {
		h.subject.Artifacts = "/mnt/run"
		h.files["mnt"] = dir(0o755)
		h.free["/mnt"] = 1 << 20
	}, check.Broken, "/mnt has 1 MiB free"},
	{"disk-artifacts", "the logs' root", func(h *fakeHost) { h.subject.Artifacts = "/mnt"; h.files["mnt"] = dir(0o755); h.free["/mnt"] = 1 << 20 }, check.Broken, "/mnt has 1 MiB free"},
	{"disk-nix-store", "", nil, check.Holds, "/nix/store has 100 GiB free"},
	{"disk-nix-store", "full", func(h *fakeHost) { h.free["/nix/store"] = 5 << 30 }, check.Broken, "5120 MiB free"},
	{"disk-nix-store", "enough without inputs", func(h *fakeHost) {
		h.free["/nix/store"] = 5 << 30
		out("flake metadata", says(`{"locks":{"nodes":{"root":{}}}}`))(h)
	}, check.Holds, "5120 MiB free"},
	{"disk-nix-store", "an ISO", iso, check.NotNeeded, forISO},

	{"go-version", "", nil, check.Holds, "go1.26.8"},
	{"go-version", "later", out("go env", says(`{"GOVERSION":"go1.30rc1"}`)), check.Holds, "go1.30rc1"},
	{"go-version", "with experiments", out("go env", says(`{"GOVERSION":"go1.26.1 X:nodwarf5"}`)), check.Holds, "go1.26.1"},
	{"go-version", "from source", out("go env", says(`{"GOVERSION":"devel go1.27-0a1b2c"}`)), check.Holds, "go1.27"},
	{"go-version", "older", out("go env", says(`{"GOVERSION":"go1.25.3"}`)), check.Broken, "go1.25.3, /usr/bin/go, is older"},
	{"go-version", "not there", func(h *fakeHost) { delete(h.path, "go") }, check.Absent, "not found"},
	{"go-version", "odd", out("go env", says(`{"GOVERSION":"tinygo"}`)), check.Unknown, "no version that we know"},
	{"go-version", "not Go's", out("go env", says("Usage: go <board>\n")), check.Broken, `prints "Usage: go <board>"`},
	{"go-version", "fails", out("go env", fails("go: cannot find GOROOT directory")), check.Broken, "GOROOT"},

	{"go-modules", "", nil, check.Holds, "no network is needed"},
	{"go-modules", "to be fetched", out("GOPROXY=off go list", fails("module lookup disabled by GOPROXY=off")), check.Holds, "fetched from https://modules.example"},
	{"go-modules", "not to be had", out("go list", fails("dial tcp: no such host\n")), check.Absent, "neither here nor to be had: dial tcp: no such host"},
	{"go-modules", "elsewhere", out("go env", says(`{"GOVERSION":"go1.26.8","GOMOD":"/dev/null"}`)), check.Unknown, "not started in the module's folder"},

	{"python-harness", "", nil, check.Holds, "pytest 8.3 pexpect 4.9"},
	{"python-harness", "no pexpect, declared", func(h *fakeHost) {
		out(".venv/bin/python", fails("Traceback:\nModuleNotFoundError: No module named 'pexpect'\n"))(h)
		h.files["home/me/flake/pyproject.toml"] = file("dependencies = ['pexpect']")
	}, check.Broken, "ModuleNotFoundError: No module named 'pexpect' (exit status 1)"},
	{"python-harness", "no pytest", out(".venv/bin/python", fails("ModuleNotFoundError: No module named 'pytest'\n")), check.Broken, "'pytest'"},
	{"python-harness", "hangs", out(".venv/bin/python", hangs), check.Broken, "did not end in time"},
	{"python-harness", "no virtualenv", func(h *fakeHost) {
		delete(h.files, "home/me/flake/.venv/bin/python")
		delete(h.files, "home/me/flake/"+pexpect)
		h.files["home/me/flake/tests/conftest.py"] = file("import pexpect")
	}, check.Risk, "tests/conftest.py asks for pexpect, and there is no .venv"},
	{"python-harness", "nobody asks, and no pexpect", func(h *fakeHost) { delete(h.files, "home/me/flake/"+pexpect) }, check.NotNeeded, "no such harness in /home/me/flake"},
	{"python-harness", "no harness", func(h *fakeHost) {
		delete(h.files, "home/me/flake/"+pexpect)
		delete(h.files, "home/me/flake/.venv/bin/python")
	}, check.NotNeeded, "no such harness"},
	{"python-harness", "not to be entered", func(h *fakeHost) { h.errs["/home/me/flake/.venv"] = fs.ErrPermission }, check.Unknown, "permission denied"},
	{"python-harness", "flake elsewhere", func(h *fakeHost) { h.subject.Target = flake("github:me/flake") }, check.NotNeeded, "not in a folder"},
	{"python-harness", "an ISO", iso, check.NotNeeded, forISO},

	{"stand-in-tools", "", standIn, check.Holds, "every program is here"},
	{"stand-in-tools", "built", func(h *fakeHost) { standIn(h); h.standIn = "/c/stand-in.iso" }, check.NotNeeded, "/c/stand-in.iso"},
	{"stand-in-tools", "missing", func(h *fakeHost) {
		standIn(h)
		h.cannot = errors.New("cannot be built:\nxorriso is not on the PATH")
	}, check.Absent, "cannot be built: xorriso is not on the PATH"},
	{"stand-in-tools", "a flake", nil, check.NotNeeded, "no stand-in is audited"},
	{"stand-in-mirror", "", standIn, check.Holds, "HTTP 200"},
	{"stand-in-mirror", "built", func(h *fakeHost) { standIn(h); h.standIn = "/c/stand-in.iso" }, check.NotNeeded, "built already"},
	{"stand-in-mirror", "offline", func(h *fakeHost) { standIn(h); delete(h.servers, mirrorOf+release) }, check.Absent, "no such host, without a proxy"},
	{"stand-in-mirror", "refused", func(h *fakeHost) {
		standIn(h)
		h.servers[mirrorOf+release] = reply{Status: 403, Proxy: "http://proxy:3128", Body: "blocked"}
	}, check.Broken, "HTTP 403, through the proxy http://proxy:3128"},
	{"stand-in-mirror", "captive portal", func(h *fakeHost) { standIn(h); h.servers[mirrorOf+release] = reply{Status: 200, Body: "<html>Log in"} }, check.Broken, "<html>Log in"},
	{"stand-in-mirror", "unknown", func(h *fakeHost) { standIn(h); h.noMirror = errors.New("no apt here") }, check.Absent, "no apt here"},
	{"stand-in-mirror", "a folder", func(h *fakeHost) { standIn(h); h.subject.Mirror = "file:///srv/debian" }, check.Holds, "file:///srv/debian, by BOOT_IMAGE_MIRROR"},
	{"stand-in-mirror", "an ISO", iso, check.NotNeeded, "no stand-in is audited"},

	{"nix-present", "", nil, check.Holds, "/home/me/.nix-profile/bin/nix"},
	{"nix-present", "not on the PATH", func(h *fakeHost) { delete(h.path, "nix") }, check.Absent, "nix is installed in /home/me/.nix-profile/bin, which is not on the PATH"},
	{"nix-present", "not on the PATH: its script", func(h *fakeHost) { delete(h.path, "nix") }, check.Absent, "profile script: /home/me/.nix-profile/etc/profile.d/nix.sh"},
	{"nix-present", "no USER", func(h *fakeHost) { delete(h.path, "nix"); h.environ = []string{"PATH=/usr/bin"} }, check.Absent, "USER is not set"},
	{"nix-present", "no HOME", func(h *fakeHost) { delete(h.path, "nix"); h.environ = nil }, check.Absent, "installed in /home/me/.nix-profile/bin"},
	{"nix-present", "not installed", noNix, check.Absent, "neither on the PATH nor in a profile's folder"},
	{"nix-present", "not executable", func(h *fakeHost) { noNix(h); h.pathErr = fs.ErrPermission }, check.Unknown, "cannot be executed"},
	{"nix-present", "the stand-in", standIn, check.NotNeeded, forStandIn},

	{"nix-version", "", nil, check.Holds, "2.8.0"},
	{"nix-version", "later", out("nix --version", says("nix (Nix) 2.31.1\n")), check.Holds, "2.31.1"},
	{"nix-version", "a fork", out("nix --version", says("nix (Lix, like Nix) 2.93.3\n")), check.Holds, "2.93.3"},
	{"nix-version", "older", out("nix --version", says("nix (Nix) 2.3.16\n")), check.Broken, "2.3.16 is older"},
	{"nix-version", "garbage", out("nix --version", says("nixpacks 1.0\n")), check.Broken, `it prints "nixpacks 1.0"`},
	{"nix-version", "fails", out("nix --version", fails("error: $HOME is not set")), check.Broken, "$HOME is not set"},
	{"nix-version", "not there", noNix, check.Unknown, "because nix-present is absent"},

	{"nix-login-shell", "", nil, check.Holds, "/home/me/.nix-profile/bin/nix"},
	{"nix-login-shell", "does not find it", out("bash -lc", fails("")), check.Broken, "does not find nix"},
	{"nix-login-shell", "hangs", out("bash -lc", hangs), check.Broken, "did not end in time"},
	{"nix-login-shell", "an ISO", iso, check.NotNeeded, forISO},

	{"nix-profile-script", "", nil, check.Holds, "/home/me/.nix-profile/etc/profile.d/nix.sh"},
	{"nix-profile-script", "fails", out("bash -c", fails("nix.sh: line 3: USER: unbound variable\n")), check.Broken, "nix.sh fails with only USER=me set"},
	{"nix-profile-script", "fails without USER", out("env -i PATH=/usr/bin:/bin HOME=/home/me bash -c '. ", fails("cannot\n")), check.Broken, "fails with only HOME=/home/me set: cannot"},
	{"nix-profile-script", "fails under set -u", out("set -u; ", fails("USER: unbound variable\n")), check.Risk, "fails under set -u"},
	{"nix-profile-script", "does nothing", out("env -i PATH=/usr/bin:/bin bash -c", says("/usr/bin:/bin\n")), check.Risk, "so nix is installed and not found"},
	{"nix-profile-script", "missing", func(h *fakeHost) { delete(h.files, "home/me/.nix-profile/etc/profile.d/nix.sh") }, check.Absent, "no profile script"},
	{"nix-profile-script", "of the distribution", func(h *fakeHost) {
		delete(h.files, "home/me/.nix-profile/etc/profile.d/nix.sh")
		h.path["nix"] = "/usr/bin/nix"
	}, check.NotNeeded, "needs no profile script"},
	{"nix-profile-script", "not to be seen", func(h *fakeHost) { h.errs["/etc/profile.d/nix.sh"] = fs.ErrPermission }, check.Unknown, "permission denied"},

	{"nix-features", "", nil, check.Holds, "enabled in nix's configuration"},
	{"nix-features", "by flags", out("nix eval --store", fails("experimental Nix feature 'nix-command' is disabled")), check.Holds, "switched on for our own calls"},
	{"nix-features", "nix-command only", out("nix eval --store", says("false\n")), check.Holds, "switched on for our own calls"},
	{"nix-features", "forbidden", func(h *fakeHost) {
		out("nix eval --store", fails("disabled"))(h)
		out("getFlake' --extra", says("false\n"))(h)
	}, check.Broken, "no flakes even with"},
	{"nix-features", "fails", func(h *fakeHost) {
		out("nix eval --store", fails("disabled"))(h)
		out("getFlake' --extra", fails("error: cannot open store"))(h)
	}, check.Broken, "cannot open store"},
	{"nix-features", "an ISO", iso, check.NotNeeded, forISO},

	{"nix-store", "", nil, check.Holds, "Store URL: daemon"},
	{"nix-store", "later nix's command", func(h *fakeHost) {
		out("store ping", fails("error: 'ping' is not a recognised command; did you mean store info"))(h)
		out("store info", says("Store URL: local\n"))(h)
	}, check.Holds, "Store URL: local"},
	{"nix-store", "no daemon, no root", out("store ping", fails("warning: x\nerror: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not permitted\n")), check.Broken, "could not set permissions"},
	{"nix-store", "hangs", out("store ping", hangs), check.Broken, "did not end in time"},
	{"nix-store", "an ISO", iso, check.NotNeeded, forISO},

	{"nix-temp", "", nil, check.Holds, "entered by anybody"},
	{"nix-temp", "0700, our own builds", func(h *fakeHost) { shutTemp(h) }, check.Holds, "builds run as this user"},
	{"nix-temp", "0700, daemon", func(h *fakeHost) { shutTemp(h); h.files["nix/var/nix/daemon-socket/socket"] = file("") }, check.Broken, "/tmp/nix-shell.x has mode 0700, so the build users cannot enter it"},
	{"nix-temp", "0700, root", func(h *fakeHost) { shutTemp(h); h.uid = 0 }, check.Broken, "mode 0700"},
	{"nix-temp", "0700, root without build users", func(h *fakeHost) { shutTemp(h); h.uid = 0; h.files["etc/group"] = file("root:x:0:\n") }, check.Holds, "builds run as this user"},
	{"nix-temp", "missing", func(h *fakeHost) { h.temp = "/tmp/gone" }, check.Broken, "/tmp/gone is not there"},
	{"nix-temp", "a file", func(h *fakeHost) { h.temp = "/tmp/file"; h.files["tmp/file"] = file("") }, check.Broken, "is not a folder"},
	{"nix-temp", "not to be seen", func(h *fakeHost) { h.errs["/tmp"] = fs.ErrPermission }, check.Unknown, "permission denied"},
	{"nix-temp", "an ISO", iso, check.NotNeeded, forISO},

	{"nix-build", "", nil, check.Holds, "built /nix/store/x-bootaudit-probe"},
	{"nix-build", "root without build users", func(h *fakeHost) { h.uid = 0; h.files["etc/group"] = file("root:x:0:\n") }, check.Risk, "root builds as root"},
	{"nix-build", "no namespaces", out("bootaudit-probe", fails("warning: x\nerror: cloning builder process: Operation not permitted\nerror: unable to start build process\n")), check.Broken, "nix cannot build it: unable to start build process"},
	{"nix-build", "hangs", out("bootaudit-probe", hangs), check.Broken, "did not end in time"},
	{"nix-build", "garbage", out("bootaudit-probe", says("ok")), check.Broken, `prints "ok"`},
	{"nix-build", "an ISO", iso, check.NotNeeded, forISO},

	{"flake-evaluates", "", nil, check.Holds, "shows its 2 outputs"},
	{"flake-evaluates", "undefined variable", out("flake show", fails("error: undefined variable 'foo'\n\n       at /nix/store/abc-source/flake.nix:1:51:\n")), check.Broken, "evaluation error: undefined variable 'foo', at flake.nix:1:51"},
	{"flake-evaluates", "later nix's words", out("flake show", fails("error:\n       … while calling the 'throw' builtin\n         at «github:a/b»/lib/x.nix:7:9:\n       error: hi there\n")), check.Broken, "evaluation error: hi there, at lib/x.nix:7:9"},
	{"flake-evaluates", "no network", out("flake show", fails("error: unable to download 'https://api.github.com/repos/NixOS/nixpkgs/commits/HEAD': Couldn't resolve host name (6)\n")), check.Absent, "no network for an input"},
	{"flake-evaluates", "missing input", out("flake show", fails("error: getting status of '/nowhere/x': No such file or directory\n")), check.Broken, "an input is missing"},
	{"flake-evaluates", "unknown input", out("flake show", fails("error: cannot find flake 'flake:foo' in the flake registries\n")), check.Broken, "an input is missing"},
	{"flake-evaluates", "no flake", out("flake show", fails("path '/x' does not contain a 'flake.nix', searching up\nerror: could not find a flake.nix file\n")), check.Broken, "there is no flake"},
	{"flake-evaluates", "garbage", out("flake show", says("git: 'flake'")), check.Broken, "instead of JSON"},
	{"flake-evaluates", "hangs", out("flake show", hangs), check.Broken, "did not end in time"},
	{"flake-evaluates", "an ISO", iso, check.NotNeeded, forISO},

	{"substituters", "", nil, check.Holds, "cache.example.org/nix-cache-info: HTTP 200, without a proxy"},
	{"substituters", "cache hit through a proxy", func(h *fakeHost) {
		h.servers[cache] = reply{Status: 200, Body: "StoreDir: /nix/store\n", Header: map[string][]string{"X-Cache": {"HIT, HIT"}, "Age": {"12"}}, Proxy: "http://p:1"}
	}, check.Holds, "HTTP 200, X-Cache: HIT, HIT, Age: 12, through the proxy http://p:1"},
	{"substituters", "offline", offline, check.Absent, "no such host"},
	{"substituters", "offline, no inputs", func(h *fakeHost) {
		offline(h)
		out("flake metadata", says(`{"locks":{"nodes":{"root":{}}}}`))(h)
	}, check.NotNeeded, "the flake has no inputs"},
	{"substituters", "offline, inputs not known", func(h *fakeHost) { offline(h); out("flake metadata", fails("error: x"))(h) }, check.Absent, "no such host"},
	{"substituters", "proxy says no", func(h *fakeHost) { h.servers[cache] = reply{Status: 403, Proxy: "http://p:1"} }, check.Broken, "HTTP 403, through the proxy http://p:1"},
	{"substituters", "something else answers", func(h *fakeHost) { h.servers[cache] = reply{Status: 200, Body: "<html>"} }, check.Broken, "is no binary cache"},
	{"substituters", "one of two", out("show-config --json", says(`{"substituters":{"value":["https://cache.example.org","https://gone.example.org"]}}`)), check.Absent, "gone.example.org"},
	{"substituters", "later nix's command", func(h *fakeHost) {
		h.outputs["config show --json"] = h.outputs["show-config --json"]
		out("show-config --json", fails("error: 'show-config' is not a recognised command"))(h)
	}, check.Holds, "HTTP 200"},
	{"substituters", "others only", out("show-config --json", says(`{"substituters":{"value":["s3://bucket"]}}`)), check.Unknown, "s3://bucket: not asked"},
	{"substituters", "none", out("show-config --json", says(`{"substituters":{"value":[]}}`)), check.Risk, "takes hours"},
	{"substituters", "garbage", out("show-config --json", says(`{`)), check.Unknown, "unexpected end of JSON"},
	{"substituters", "fails", func(h *fakeHost) { h.outputs["config show"] = fails("b"); out("show-config --json", fails("a"))(h) }, check.Broken, "exit status 1"},
	{"substituters", "an ISO", iso, check.NotNeeded, forISO},

	{"nix-fetch", "", nil, check.Holds, "y-nix-cache-info"},
	{"nix-fetch", "the daemon has no proxy", out("builtin:fetchurl", fails("error: unable to download 'x': Couldn't connect to server (7)\n")), check.Broken, "Couldn't connect to server"},
	{"nix-fetch", "offline", offline, check.Unknown, "because substituters is absent"},
	{"nix-fetch", "an ISO", iso, check.NotNeeded, forISO},
}

func out(pattern string, o output) func(*fakeHost) {
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
	seen := map[string][]check.Outcome{}
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
			all, err := check.NewTable(hostChecks(h.host(), h.subject))
			require.NoError(t, err)
			f := all.Resolve(t.Context(), c.id)
			assert.Equal(t, c.want, f.Outcome, "%+v", f)
			assert.Contains(t, strings.Join([]string{f.Detail, f.Evidence, f.Risk, f.FollowUp}, "\n"), c.says)
			if f.Outcome == check.Risk {
				assert.NotEmpty(t, f.Risk)
				assert.NotEmpty(t, f.FollowUp)
			}
			seen[c.id] = append(seen[c.id], f.Outcome)
		})
	}
	for _, c := range hostChecks(host{}, Subject{}) {
		assert.Contains(t, seen[c.ID], check.Holds, "%s: no case where it holds", c.ID)
		assert.True(t, slices.ContainsFunc(seen[c.ID], func(o check.Outcome) bool { return o != check.Holds }), "%s: no case where it does not hold", c.ID)
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
		{"memory", "v2: no limit", v2("user.slice/session.scope/memory.max", "max\n"), check.Holds, "the host has 12 GiB free"},
		{"memory", "v2: own limit", v2("user.slice/session.scope/memory.max", gib, "user.slice/session.scope/memory.current", "536870912"), check.Broken,
			"the control group /sys/fs/cgroup/user.slice/session.scope, limited to 1024 MiB, has 512 MiB free, and 2816 MiB are needed"},
		{"memory", "v2: an ancestor's limit", v2("user.slice/memory.max", gib, "user.slice/memory.current", "0", "user.slice/session.scope/memory.max", "max"), check.Broken, "user.slice, limited to 1024 MiB, has 1024 MiB free"},
		{"memory", "v2: the throttling limit", v2("user.slice/memory.high", gib, "user.slice/memory.current", "0", "user.slice/memory.max", "max"), check.Broken, "limited to 1024 MiB"},
		{"memory", "v2: in a container", both(v2("memory.max", gib, "memory.current", "0"), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("0::/\n") }), check.Broken, "group /sys/fs/cgroup, limited to 1024 MiB"},
		{"memory", "v2: outside of the mount", both(v2("memory.max", gib, "memory.current", "0"), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("0::/../other\n") }), check.Broken, "group /sys/fs/cgroup, limited to 1024 MiB"},
		{"memory", "v2: files not in use count as free", v2("user.slice/memory.max", "6442450944", "user.slice/memory.current", "6442450944", "user.slice/memory.stat", "anon 5\ninactive_file 5368709120\n"), check.Holds, "limited to 6144 MiB, has 5120 MiB free"},
		{"memory", "v2: more used than allowed", v2("user.slice/memory.max", gib, "user.slice/memory.current", "3147483648"), check.Broken, "has 0 MiB free"},
		{"memory", "v2: not to be read", both(v2(), func(h *fakeHost) { h.errs["/sys/fs/cgroup/user.slice/memory.max"] = fs.ErrPermission }), check.Unknown, "limit cannot be read"},
		{"memory", "v2: foreign", v2("user.slice/memory.max", "lots\n"), check.Unknown, `"lots" is not a number`},
		{"memory", "v1: no limit", v1("memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"), check.Holds, "the host has 12 GiB free"},
		{"memory", "v1: own limit", v1("memory/docker/abc/memory.limit_in_bytes", gib, "memory/docker/abc/memory.usage_in_bytes", "0"), check.Broken, "/sys/fs/cgroup/memory/docker/abc, limited to 1024 MiB"},
		{"memory", "v1: an ancestor's limit", v1("memory/docker/memory.limit_in_bytes", gib, "memory/docker/memory.usage_in_bytes", "1073741824", "memory/docker/memory.stat", "total_inactive_file 536870912\n"), check.Broken, "has 512 MiB free"},
		{"memory", "v1: in a container", both(v1("memory/memory.limit_in_bytes", gib, "memory/memory.usage_in_bytes", "0"), func(h *fakeHost) {
			h.files["proc/self/mountinfo"] = file(strings.Replace(v1mounts, "0:29 / ", "0:29 /docker/abc ", 1))
		}), check.Broken, "/sys/fs/cgroup/memory, limited to 1024 MiB"},
		{"memory", "no such mount", both(v1(), func(h *fakeHost) { h.files["proc/self/mountinfo"] = file("garbage - x\n\n - \n") }), check.Holds, "the host has"},
		{"memory", "foreign list of groups", both(v1(), func(h *fakeHost) { h.files["proc/self/cgroup"] = file("garbage\n::\n") }), check.Holds, "the host has"},

		{"cpus", "v2: no quota", v2("user.slice/cpu.max", "max 100000\n"), check.Holds, "4 CPUs"},
		{"cpus", "v2: an ancestor's quota", v2("user.slice/cpu.max", "150000 100000\n", "user.slice/session.scope/cpu.max", "300000 100000\n"), check.Broken, "4 CPUs, of which the control group /sys/fs/cgroup/user.slice lends us 1.50"},
		{"cpus", "v2: a quota that will do", v2("user.slice/cpu.max", "250000 100000\n"), check.Holds, "lends us 2.50"},
		{"cpus", "v2: not to be read", both(v2(), func(h *fakeHost) { h.errs["/sys/fs/cgroup/user.slice/cpu.max"] = fs.ErrPermission }), check.Unknown, "quota cannot be read"},
		{"cpus", "v1: no quota", v1("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n", "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"), check.Holds, "4 CPUs"},
		{"cpus", "v1: quota", v1("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "100000\n", "cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"), check.Broken, "lends us 1.00"},
	}
	for _, c := range cases {
		t.Run(c.id+" "+c.name, func(t *testing.T) {
			h := newFakeHost()
			h.kvm = fs.ErrNotExist
			c.spoil(h)
			all, err := check.NewTable(hostChecks(h.host(), h.subject))
			require.NoError(t, err)
			f := all.Resolve(t.Context(), c.id)
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
	h := thisHost()
	t.Run("output is bounded", func(t *testing.T) {
		got := h.Run(t.Context(), call{Args: []string{"sh", "-c", "head -c 9000000 /dev/zero"}})
		assert.NoError(t, got.Err)
		assert.Len(t, got.Stdout, maxOutput)
	})
	t.Run("children end too", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		pid := t.TempDir() + "/pid"
		got := h.Run(ctx, call{Args: []string{"sh", "-c", "sleep 60 & echo $! > " + pid + "; wait"}})
		assert.ErrorIs(t, got.Err, context.DeadlineExceeded)
		text, err := os.ReadFile(pid)
		require.NoError(t, err)
		assert.Eventually(t, func() bool {
			stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, 20*time.Millisecond)
	})
	t.Run("the command line as typed", func(t *testing.T) {
		assert.Equal(t, `echo 'a b' "it's" '' plain-1.2/x=y,z`, call{Args: []string{"echo", "a b", "it's", "", "plain-1.2/x=y,z"}}.String())
	})
}
