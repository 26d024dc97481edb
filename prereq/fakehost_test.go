package prereq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing/fstest"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/microguest"
	"bootaudit/internal/mirror"
)

// fakeHost is a host as data. newFakeHost's is one where every check holds;
// each test case spoils something of it.
type fakeHost struct {
	subject  Subject
	files    fstest.MapFS
	errs     map[string]error // by path, for files that cannot be looked at
	environ  []string
	uid      int
	cpus     int
	temp     string
	path     map[string]string // program -> its path
	pathErr  error             // for what is not in path
	outputs  map[string]output // by what the command line contains; the longest match wins
	servers  map[string]reply  // by URL
	offline  error             // for what is not in servers
	free     map[string]uint64 // by path; else plenty
	freeErr  error
	write    error
	kvm      error         // of opening /dev/kvm
	onKVM    error         // of the micro-guest's run
	kvmHang  time.Duration // it does not end; QEMU's use of a CPU meanwhile
	onTCG    error
	network  error
	standIn  string
	cannot   error // why the stand-in cannot be built
	noMirror error // why no mirror is known
}

const cache, flakeDir = "https://cache.example.org/nix-cache-info", "/home/me/flake"

const mirrorOf = "http://mirror.example/debian"

func newFakeHost() *fakeHost {
	h := &fakeHost{
		subject: Subject{Target: flake(flakeDir), Cache: "/home/me/.cache/bootaudit"},
		files: fstest.MapFS{
			"proc/meminfo":                   file("MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 12582912 kB\n"),
			"proc/cpuinfo":                   file("processor\t: 0\nflags\t\t: fpu vmx sse2\n"),
			"etc/passwd":                     file("root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000:Me:/home/me:/bin/bash\n"),
			"etc/group":                      file("root:x:0:\nnixbld:x:30000:nixbld1\n"),
			"dev/kvm":                        file(""),
			"home/me/flake/.venv/bin/python": file(""),
			"home/me/flake/" + pexpect:       file(""),
			"home/me/.cache":                 dir(0o755),
			"tmp":                            dir(0o777 | fs.ModeSticky),
			"nix/store":                      dir(0o775),
			"home/me/.nix-profile/bin/nix":   file(""),
			"home/me/.nix-profile/etc/profile.d/nix.sh": file(""),
			"usr/share/OVMF/OVMF_CODE_4M.fd":            file(""),
			"usr/share/OVMF/OVMF_VARS_4M.fd":            file(""),
		},
		errs:    map[string]error{},
		environ: []string{"PATH=/usr/bin:/home/me/.nix-profile/bin", "HOME=/home/me", "USER=me"},
		uid:     1000,
		cpus:    4,
		temp:    "/tmp",
		path:    map[string]string{qemu: "/usr/bin/" + qemu, "qemu-img": "/usr/bin/qemu-img", "nix": "/home/me/.nix-profile/bin/nix", "go": "/usr/bin/go"},
		pathErr: exec.ErrNotFound,
		outputs: map[string]output{
			qemu + " --version":    says("QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright\n"),
			qemu + " -device help": says(`name "virtio-net-pci", bus PCI` + "\n" + `name "virtio-blk-pci", bus PCI` + "\n" + `name "virtio-rng-pci"` + "\n" + `name "virtio-serial-pci"` + "\n" + `name "virtserialport"` + "\n"),
			qemu + " -accel help":  says("Accelerators supported in QEMU binary:\ntcg\nkvm\n"),
			"sh -c":                says("1048576\n"),
			"go env":               says(`{"GOVERSION":"go1.26.8","GOMOD":"/src/bootaudit/go.mod","GOPROXY":"https://modules.example"}`),
			"go list":              says("fmt\n"),
			".venv/bin/python":     says("pytest 8.3 pexpect 4.9\n"),
			"nix --version":        says("nix (Nix) 2.8.0\n"),
			"bash -lc":             says("/home/me/.nix-profile/bin/nix\n"),
			"bash -c":              says("/home/me/.nix-profile/bin:/usr/bin:/bin\n"),
			"nix eval --store":     says("true\n"),
			"getFlake' --extra":    says("true\n"),
			"store ping":           says("Store URL: daemon\n"),
			"qemu-img create":      says("Formatting\n"),
			"bootaudit-probe":      says(`[{"drvPath":"/nix/store/x.drv","outputs":{"out":"/nix/store/x-bootaudit-probe"}}]`),
			"builtin:fetchurl":     says(`[{"drvPath":"/nix/store/y.drv","outputs":{"out":"/nix/store/y-nix-cache-info"}}]`),
			"flake show":           says(`{"packages":{"x86_64-linux":{}},"nixosConfigurations":{}}`),
			"flake metadata":       says(`{"locks":{"nodes":{"root":{},"nixpkgs":{}},"root":"root","version":7}}`),
			"show-config --json":   says(`{"substituters":{"value":["https://cache.example.org/?priority=3"]}}`),
		},
		servers: map[string]reply{
			cache:              {Status: 200, Body: "StoreDir: /nix/store\nPriority: 40\n"},
			mirrorOf + release: {Status: 200, Body: "Origin: Debian\nCodename: bookworm\n"},
		},
		offline: errors.New("dial tcp: lookup: no such host"),
		free:    map[string]uint64{},
	}
	return h
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }

func dir(mode fs.FileMode) *fstest.MapFile { return &fstest.MapFile{Mode: mode | fs.ModeDir} }

func says(stdout string) output { return output{Stdout: stdout} }

// fails is a program that ended with status 1.
func fails(stderr string) output { return output{Stderr: stderr, Err: exitStatus1} }

var (
	exitStatus1 = exec.Command("sh", "-c", "exit 1").Run()
	hangs       = output{Err: context.DeadlineExceeded}
)

// Open implements [fs.FS].
func (f *fakeHost) Open(name string) (fs.File, error) {
	if err := f.errs["/"+name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: err}
	}
	return f.files.Open(name)
}

func (f *fakeHost) host() host {
	return host{
		FS: f, Environ: f.environ, UID: f.uid, CPUs: f.cpus, TempDir: f.temp,
		LookPath: func(name string) (string, error) {
			if path, ok := f.path[name]; ok {
				return path, nil
			}
			return "", &exec.Error{Name: name, Err: f.pathErr}
		},
		Run: func(_ context.Context, cmd call) output {
			line, best := cmd.String(), ""
			if len(cmd.Env) > 0 && cmd.Env[len(cmd.Env)-1] == "GOPROXY=off" {
				line = "GOPROXY=off " + line
			}
			for pattern := range f.outputs {
				if strings.Contains(line, pattern) && len(pattern) > len(best) {
					best = pattern
				}
			}
			if best == "" {
				return output{Err: fmt.Errorf("the fake host has no %s", line)}
			}
			return f.outputs[best]
		},
		Boot: func(ctx context.Context, m microguest.Machine) (microguest.Report, error) {
			report := microguest.Report{Command: m.CommandLine("disk.raw", 7777), Console: "micro-guest: RAN\n"}
			switch {
			case m.Network:
				return report, f.network
			case m.Accelerator == "kvm" && f.kvmHang > 0:
				<-ctx.Done()
				report.CPU = f.kvmHang
				return report, errors.New("QEMU was stopped")
			case m.Accelerator == "kvm":
				return report, f.onKVM
			}
			return report, f.onTCG
		},
		Get: func(_ context.Context, url string) (reply, error) {
			if a, ok := f.servers[url]; ok {
				return a, nil
			}
			return reply{}, f.offline
		},
		Free: func(path string) (uint64, error) {
			if n, ok := f.free[path]; ok {
				return n, nil
			}
			return 100 * gib, f.freeErr
		},
		Open:     func(string) error { return f.kvm },
		Writable: func(string) error { return f.write },
		Mirror: func(ctx context.Context, configured string) (mirror.Mirror, error) {
			if configured != "" {
				return mirror.Find(ctx, configured)
			}
			return mirror.Mirror{Debian: mirrorOf, From: "apt's sources"}, f.noMirror
		},
		StandIn: func(Subject) (string, error) { return f.standIn, f.cannot },
	}
}

// pexpect is where a virtualenv of the flake has it.
const pexpect = ".venv/lib/python3.11/site-packages/pexpect/__init__.py"

// flake is a target that a flake builds.
func flake(ref string) contract.Target {
	return contract.Target{Kind: contract.KindFlake, Flake: ref, Attr: "bootImage", Config: "pre-installer"}
}
