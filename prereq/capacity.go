package prereq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

const (
	// What QEMU takes beside the guest's RAM and the translation buffer, with
	// go test and our own tools.
	ourMemory = 512 << 20
	// A boot holds some 50 files open, nix some hundreds.
	openFiles = 1024
)

func (a auditor) capacityChecks() []check.Check {
	checks := []check.Check{
		{
			ID: "memory", Section: check.SectionHost,
			Condition: fmt.Sprintf("a guest's RAM (BOOT_IMAGE_VM_MEMORY, or %d MiB, and %d MiB where the image is not the stand-in), %d MiB of QEMU's translations and %d MiB of our own fit the host's memory and every control group's limit",
				contract.StandInMemoryMiB, contract.ImageMemoryMiB, GuestTranslationsMiB, ourMemory>>20),
			How:    "/proc/meminfo; memory limits of /proc/self/cgroup's groups and their ancestors (v1, v2)",
			Remedy: "stop what takes the memory, raise the container's limit, or give the machine more",
			Probe:  a.memory,
		}, {
			ID: "cpus", Section: check.SectionHost,
			Condition: fmt.Sprintf("the host lends us the CPUs of a guest (BOOT_IMAGE_VM_CPUS, or %d): with fewer, an emulated guest's clocks stall", contract.GuestCPUs),
			How:       "sched_getaffinity; CPU quota of the control groups (v1, v2)",
			Remedy:    "give the machine or the container more CPUs",
			Probe:     a.cpus,
		}, {
			ID: "open-files", Section: check.SectionHost,
			Condition: fmt.Sprintf("a program started here may open %d files", openFiles),
			How:       "sh -c 'ulimit -n'",
			Remedy:    fmt.Sprintf("ulimit -n %d, or raise nofile in /etc/security/limits.conf or the service's LimitNOFILE", openFiles),
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.openFiles,
		},
	}
	return append(checks, a.diskChecks()...)
}

// GuestNeeds is the memory, in bytes, of an emulated guest with so much RAM and
// so large a translation buffer, QEMU itself and our tools included.
func GuestNeeds(memoryMiB, translationsMiB int) uint64 {
	return uint64(memoryMiB+translationsMiB)<<20 + ourMemory
}

// Room is how much memory, in bytes, this process and what it starts may still
// take: the least that the host and its control groups have left.
func Room() (uint64, error) {
	least, _, _, err := thisHost().memoryLeft()
	return least.free, err
}

// memoryLeft is what the host and each control group have left; doubts are of
// groups that cannot be read.
func (h host) memoryLeft() (least room, rooms []room, doubts []error, err error) {
	available, err := h.available()
	if err != nil {
		return room{}, nil, nil, err
	}
	groups, doubts := h.memoryGroups()
	rooms = append([]room{{what: "the host has", free: available}}, groups...)
	least = slices.MinFunc(rooms, func(a, b room) int { return cmp.Compare(a.free, b.free) })
	return least, rooms, doubts, nil
}

// memory compares with the tightest of the host's and its control groups'.
func (a auditor) memory(context.Context) check.Result {
	least, rooms, doubts, err := a.memoryLeft()
	if err != nil {
		return check.Doubt(err.Error())
	}
	need := GuestNeeds(a.subject.Target.Memory(), GuestTranslationsMiB)
	words := fmt.Sprintf("%s, and %s are needed", least, mib(need))
	var r check.Result
	switch {
	case least.free < need:
		r = check.Break(words)
	case doubts != nil:
		r = check.Doubt(fmt.Sprintf("a control group's limit cannot be read: %v", errors.Join(doubts...)))
	default:
		r = check.Hold(words)
	}
	for _, room := range rooms {
		r.Evidence += room.String() + "\n"
	}
	return r
}

// room is what somebody still has free.
type room struct {
	what string
	free uint64
}

func (r room) String() string { return fmt.Sprintf("%s %s free", r.what, mib(r.free)) }

// available is what can be had of the host's memory without swapping.
func (h host) available() (uint64, error) {
	text, err := h.readFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			kib, err := strconv.ParseUint(f[1], 10, 54)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}

func (a auditor) cpus(context.Context) check.Result {
	quota, group, err := a.cpuQuota()
	need := cmp.Or(a.subject.Target.CPUs, contract.GuestCPUs)
	r := check.Hold(fmt.Sprintf("%d CPUs", a.CPUs))
	switch {
	case a.CPUs < need:
		r = check.Break(fmt.Sprintf("%d CPU", a.CPUs))
	case err != nil:
		r = check.Doubt(fmt.Sprintf("a control group's quota cannot be read: %v", err))
	case group != "" && quota < float64(need):
		r = check.Break(fmt.Sprintf("%d CPUs, of which the control group %s lends us %.2f", a.CPUs, group, quota))
	case group != "":
		r = check.Hold(fmt.Sprintf("%d CPUs, of which the control group %s lends us %.2f", a.CPUs, group, quota))
	}
	return r
}

func (a auditor) openFiles(ctx context.Context) check.Result {
	// Go raises its own limit; what it starts gets the one it was given.
	out, bad := a.answer(ctx, call{Args: []string{"sh", "-c", "ulimit -n"}})
	if bad != nil {
		bad.Outcome = check.Unknown
		return *bad
	}
	word := strings.TrimSpace(out.Stdout)
	n, err := strconv.Atoi(word)
	switch {
	case word == "unlimited":
		return check.Hold("no limit")
	case err != nil:
		return check.Doubt(fmt.Sprintf("ulimit -n prints %.40q", word))
	case n < openFiles:
		return check.Break(fmt.Sprintf("only %d", n))
	}
	return check.Hold(word)
}

const (
	gib = 1 << 30
	// What a NixOS image takes of the store, with all that it is built from;
	// and a flake that has no inputs to fetch.
	imageClosure = 12 * gib
	ownClosure   = 2 * gib
)

func (a auditor) diskChecks() []check.Check {
	artifacts := cmp.Or(a.subject.Artifacts, a.TempDir)
	return append([]check.Check{
		a.disk("disk-cache", "the cache folder, for the stand-in image and keys,", "BOOT_IMAGE_CACHE", a.subject.Cache, 2*gib),
		a.disk("disk-temp", "the temporary folder, for what is being built,", "TMPDIR", a.TempDir, 2*gib),
		a.disk("disk-artifacts", "the folder of this run's files, for the guests' disks, logs, recordings and reports,", "BOOT_IMAGE_ARTIFACTS", artifacts, 2*gib),
	}, onlyFor(contract.KindFlake, a.subject, []check.Check{{
		ID: "disk-nix-store", Section: check.SectionHost,
		Condition: fmt.Sprintf("nix's store has %s free for the image and all that it is built from; %s where the flake has no inputs", mib(imageClosure), mib(ownClosure)),
		How:       "statfs /nix/store",
		Remedy:    "free space there (nix-collect-garbage), or mount a larger file system at /nix",
		Timeout:   8 * time.Second,
		Runs:      true,
		Probe:     a.diskNixStore,
	}})...)
}

// disk is the check that a folder has room for need bytes and can be written to.
func (a auditor) disk(id, what, named, path string, need uint64) check.Check {
	return check.Check{
		ID: id, Section: check.SectionHost,
		Condition: fmt.Sprintf("%s has %s free, and can be written to", what, mib(need)),
		How:       "statfs, and make a file there (" + named + ")",
		Remedy:    "free space there, or name another folder in " + named,
		Timeout:   5 * time.Second,
		Probe: func(context.Context) check.Result {
			dir, r := a.roomFor(path, need)
			if r.Outcome != check.Holds {
				return r
			}
			if err := a.Writable(dir); err != nil {
				return check.Break(fmt.Sprintf("%s, and a file cannot be made there: %v", r.Detail, err))
			}
			return r
		},
	}
}

// diskNixStore asks for no file there: the store is nix's to write to.
func (a auditor) diskNixStore(ctx context.Context) check.Result {
	need := uint64(imageClosure)
	if alone, err := a.flakeHasNoInputs(ctx); err == nil && alone {
		need = ownClosure
	}
	_, r := a.roomFor("/nix/store", need)
	return r
}

// roomFor says whether path, or the nearest folder above it that is there, has
// need bytes free.
func (a auditor) roomFor(path string, need uint64) (dir string, r check.Result) {
	dir, err := a.existing(path)
	if err != nil {
		return "", check.Doubt(err.Error())
	}
	free, err := a.Free(dir)
	if err != nil {
		return "", check.Doubt(err.Error())
	}
	words := fmt.Sprintf("%s has %s free", dir, mib(free))
	if dir != path {
		words = fmt.Sprintf("%s, for %s is not there yet", words, path)
	}
	if free < need {
		return dir, check.Break(words)
	}
	return dir, check.Hold(words)
}
