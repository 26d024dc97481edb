package prereq

import (
	"testing"

	"bootaudit/contract/check"
)

// FuzzHostFiles: whatever the kernel's files say, and whatever is mounted over
// them, memory and CPUs have an outcome.
func FuzzHostFiles(f *testing.F) {
	f.Add("0::/a/b\n", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "MemAvailable: 5 kB\n", "max\n", "inactive_file 7\n")
	f.Add("5:memory:/x\n4:cpu,cpuacct:/x\n", "33 30 0:29 /x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "", "-1", "total_inactive_file -9")
	f.Add("0::/../..\n", "1 1 0:1 /a/b / rw - cgroup2 x y\n", "MemAvailable: 99999999999999999999 kB", "99999999999999999999", "")
	f.Fuzz(func(t *testing.T, cgroup, mounts, meminfo, number, stat string) {
		h := newFakeHost()
		h.files["proc/self/cgroup"], h.files["proc/self/mountinfo"], h.files["proc/meminfo"] = file(cgroup), file(mounts), file(meminfo)
		for _, dir := range []string{"sys/fs/cgroup/", "sys/fs/cgroup/a/", "sys/fs/cgroup/memory/", "sys/fs/cgroup/cpu,cpuacct/"} {
			for _, name := range []string{"memory.max", "memory.high", "memory.current", "memory.limit_in_bytes", "memory.usage_in_bytes", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"} {
				h.files[dir+name] = file(number)
			}
			h.files[dir+"memory.stat"] = file(stat)
		}
		a := auditor{host: h.host(), subject: h.subject}
		for _, r := range []check.Result{a.memory(t.Context()), a.cpus(t.Context())} {
			if r.Outcome == "" || r.Detail == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

// FuzzPrograms: whatever a program prints, the check that reads it concludes.
func FuzzPrograms(f *testing.F) {
	f.Add("QEMU emulator version 7.2.22\n", "error: undefined variable 'x'\n at /nix/store/a-source/flake.nix:1:2:\n", false)
	f.Add(`{"GOVERSION":"go1.26","GOMOD":"/x/go.mod","substituters":{"value":["https://a/","x://"]},"locks":{"nodes":{"root":{}}}}`, "", false)
	f.Add(`[{"outputs":{"out":"/nix/store/x"}}]`, "error:\n error: \n", true)
	f.Add("nix (Nix) 99999999999999999999.1\n", "\x00\xff", true)
	f.Fuzz(func(t *testing.T, stdout, stderr string, fail bool) {
		h := newFakeHost()
		for pattern := range h.outputs {
			o := output{Stdout: stdout, Stderr: stderr}
			if fail {
				o.Err = exitStatus1
			}
			h.outputs[pattern] = o
		}
		a := auditor{host: h.host(), subject: h.subject}
		for _, c := range hostChecks(a.host, a.subject) {
			if c.ID == "nix-build" || c.ID == "qemu-img" {
				continue // they write real files
			}
			if r := c.Probe(t.Context()); r.Outcome == "" || r.Detail == "" && r.Outcome != check.Holds {
				t.Errorf("%s: %+v", c.ID, r)
			}
		}
	})
}
