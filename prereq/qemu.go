package prereq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/microguest"
	"bootaudit/internal/tools"
)

const qemu = "qemu-system-x86_64"

// The lowest QEMU that bootaudit is tested with: Debian 12's.
const (
	qemuMajor = 7
	qemuMinor = 2
)

// The devices of our guests, and what they are there for.
var virtioDevices = []string{"virtio-net-pci", "virtio-blk-pci", "virtio-rng-pci", "virtio-serial-pci", "virtserialport"}

func (a auditor) qemuChecks() []check.Check {
	get := install(tools.Boot[0])
	return []check.Check{
		{
			ID: "qemu-present", Section: check.SectionHost,
			Condition: qemu + " is on the PATH",
			How:       "command -v " + qemu,
			Remedy:    get + "; or put its folder on the PATH",
			Probe:     a.qemuPresent,
		}, {
			ID: "qemu-version", Section: check.SectionHost, Needs: []string{"qemu-present"},
			Condition: fmt.Sprintf("QEMU is %d.%d or later, the oldest that bootaudit is tested with", qemuMajor, qemuMinor),
			How:       qemu + " --version",
			Remedy:    "a later QEMU: " + get + ", and see that no older one stands before it on the PATH",
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.qemuVersion,
		}, {
			ID: "qemu-img", Section: check.SectionHost,
			Condition: "qemu-img makes a guest's disk",
			How:       "qemu-img create -f qcow2 FILE 1M",
			Remedy:    install(tools.Boot[1]),
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.qemuImg,
		}, {
			ID: "virtio-devices", Section: check.SectionHost, Needs: []string{"qemu-version"},
			Condition: "QEMU has the virtio network, disk, entropy and serial devices",
			How:       qemu + " -device help",
			Remedy:    "a full QEMU: " + get,
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.virtioDevices,
		}, {
			ID: "accelerators", Section: check.SectionHost, Needs: []string{"qemu-version"},
			Condition: "QEMU can emulate by itself (TCG), so that it needs no KVM",
			How:       qemu + " -accel help",
			Remedy:    "a QEMU built with TCG: " + get,
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.accelerators,
		}, {
			ID: "micro-guest", Section: check.SectionHost, Needs: []string{"accelerators"},
			Condition: "a guest boots from a disk and executes 50 million instructions under TCG",
			How:       "boot internal/microguest: " + qemu + " -accel tcg, its serial port read",
			Remedy:    "see the evidence for what QEMU said; reinstall QEMU and its firmware (packages qemu-system-x86 and seabios)",
			Timeout:   8 * time.Second,
			Runs:      true,
			Probe:     a.microGuest,
		}, {
			ID: "kvm", Section: check.SectionHost, Needs: []string{"qemu-version"},
			Condition: "a guest runs on KVM, and in long mode too",
			How:       "open /dev/kvm; boot internal/microguest: " + qemu + " -accel kvm",
			Remedy:    "boot the host with virtualisation enabled, or run on a machine that has it; add the user to the group kvm",
			Timeout:   kvmLimit + time.Second,
			Runs:      true,
			Applies:   a.kvmApplies,
			Probe:     a.kvm,
		}, {
			ID: "user-networking", Section: check.SectionHost, Needs: []string{"virtio-devices", "micro-guest"},
			Condition: "a guest behind QEMU's user networking answers on a port forwarded to 127.0.0.1",
			How:       "boot internal/microguest with a virtio network card, connect to its forwarded port",
			Remedy:    "a QEMU built with slirp: " + get + "; and allow connections to 127.0.0.1",
			Timeout:   8 * time.Second,
			Runs:      true,
			Probe:     a.userNetworking,
		}, {
			ID: "ovmf", Section: check.SectionHost,
			Condition: "the UEFI firmware OVMF is there",
			How:       "look for " + tools.OVMFPlaces(false),
			Remedy:    install(tools.UEFI[0]),
			Probe:     a.ovmf,
		}, {
			ID: "ovmf-secure-boot", Section: check.SectionHost,
			Condition: "the UEFI firmware OVMF is there with Secure Boot and keys",
			How:       "look for " + tools.OVMFPlaces(true),
			Remedy:    install(tools.SecureBoot[0]),
			Applies: func(context.Context) string {
				if a.subject.Target.Firmware != contract.SecureBoot {
					return "no boot with Secure Boot is asked for"
				}
				return ""
			},
			Probe: a.ovmfSecureBoot,
		},
	}
}

func (a auditor) qemuPresent(context.Context) check.Result {
	path, err := a.LookPath(qemu)
	if err != nil {
		r := check.Miss(fmt.Sprintf("%s was not found", qemu))
		// What is there and may not be executed is not absent.
		if errors.Is(err, fs.ErrPermission) {
			r = check.Doubt(fmt.Sprintf("%s cannot be executed", qemu))
		}
		r.Evidence = fmt.Sprintf("%v\nPATH=%s", err, a.getenv("PATH"))
		return r
	}
	return check.Hold(path)
}

// ask runs QEMU for one of its lists. Its result is nil when QEMU answered.
func (a auditor) ask(ctx context.Context, args ...string) (output, *check.Result) {
	path, err := a.LookPath(qemu)
	if err != nil {
		r := check.Miss(err.Error())
		return output{}, &r
	}
	return a.answer(ctx, call{Args: append([]string{path}, args...)})
}

var qemuVersionLine = regexp.MustCompile(`^QEMU emulator version (\d+)\.(\d+)\S*`)

func (a auditor) qemuVersion(ctx context.Context) check.Result {
	out, bad := a.ask(ctx, "--version")
	if bad != nil {
		return *bad
	}
	m := qemuVersionLine.FindStringSubmatch(out.Stdout)
	if m == nil {
		r := check.Break(fmt.Sprintf("it prints %.60q instead of its version", firstLine(out.Stdout+out.Stderr)))
		r.Evidence = out.Stdout + out.Stderr
		return r
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	r := check.Hold(firstLine(out.Stdout))
	if major < qemuMajor || major == qemuMajor && minor < qemuMinor {
		r = check.Break(firstLine(out.Stdout) + " is older")
	}
	r.Evidence = out.Stdout
	return r
}

func (a auditor) qemuImg(ctx context.Context) check.Result {
	path, err := a.LookPath("qemu-img")
	if err != nil {
		return check.Miss(err.Error())
	}
	dir, err := os.MkdirTemp(a.TempDir, "bootaudit-disk-")
	if err != nil {
		return check.Doubt(err.Error())
	}
	defer os.RemoveAll(dir)
	out, bad := a.answer(ctx, call{Args: []string{path, "create", "-f", "qcow2", filepath.Join(dir, "disk.qcow2"), "1M"}})
	if bad != nil {
		return *bad
	}
	r := check.Hold(path)
	r.Evidence = out.Stdout
	return r
}

func (a auditor) virtioDevices(ctx context.Context) check.Result {
	out, bad := a.ask(ctx, "-device", "help")
	if bad != nil {
		return *bad
	}
	var missing, lines []string
	for _, device := range virtioDevices {
		if i := strings.Index(out.Stdout, fmt.Sprintf("name %q", device)); i >= 0 {
			lines = append(lines, firstLine(out.Stdout[i:]))
		} else {
			missing = append(missing, device)
		}
	}
	switch {
	case !strings.Contains(out.Stdout, "name \""):
		r := check.Break("QEMU lists no devices at all")
		r.Evidence = out.Stdout + out.Stderr
		return r
	case missing != nil:
		r := check.Miss("this QEMU has no " + strings.Join(missing, ", "))
		r.Evidence = strings.Join(lines, "\n")
		return r
	}
	r := check.Hold(strings.Join(virtioDevices, ", "))
	r.Evidence = strings.Join(lines, "\n")
	return r
}

func (a auditor) accelerators(ctx context.Context) check.Result {
	out, bad := a.ask(ctx, "-accel", "help")
	if bad != nil {
		return *bad
	}
	// "Accelerators supported in QEMU binary:", then one a line.
	has := strings.Fields(out.Stdout)
	r := check.Miss("this QEMU cannot emulate")
	switch tcg, kvm := slices.Contains(has, "tcg"), slices.Contains(has, "kvm"); {
	case tcg && kvm:
		r = check.Hold("tcg and kvm are compiled in")
	case tcg:
		r = check.Hold("tcg is compiled in, kvm is not")
	}
	r.Evidence = out.Stdout
	return r
}

func (a auditor) microGuest(ctx context.Context) check.Result {
	return a.boot(ctx, microguest.Machine{Accelerator: "tcg"}, "it booted in %.2f s and was done after %.2f s")
}

func (a auditor) userNetworking(ctx context.Context) check.Result {
	return a.boot(ctx, microguest.Machine{Accelerator: "tcg", Network: true}, "it booted in %.2f s and had answered after %.2f s")
}

// boot boots the micro-guest; done gets the seconds to its first word and to
// its end.
func (a auditor) boot(ctx context.Context, m microguest.Machine, done string) check.Result {
	path, err := a.LookPath(qemu)
	if err != nil {
		return check.Miss(err.Error())
	}
	m.QEMU = path
	// Its limit ends before the check's, so that it says how far it came.
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-time.Second/2))
		defer cancel()
	}
	report, err := a.Boot(ctx, m)
	var r check.Result
	if err == nil {
		r = check.Hold(fmt.Sprintf(done, report.Ran.Seconds(), report.Took.Seconds()))
	} else {
		r = check.Break(err.Error())
	}
	r.Command = call{Args: report.Command}.String()
	r.Evidence = report.Console + report.Stderr
	return r
}

func (a auditor) ovmf(context.Context) check.Result {
	found, err := a.findOVMF(false)
	switch {
	case err == nil:
		return check.Hold(found.Code)
	case !errors.Is(err, fs.ErrNotExist):
		return check.Doubt(err.Error())
	case a.subject.Target.Firmware == "uefi":
		return check.Miss(err.Error()) // without it nothing is booted
	}
	r := check.Warn("not found; boots by BIOS do without it",
		"an image that boots by BIOS and not by UEFI is not found out", install(tools.UEFI[0]))
	r.Evidence = err.Error()
	return r
}

func (a auditor) ovmfSecureBoot(context.Context) check.Result {
	found, err := a.findOVMF(true)
	switch {
	case err == nil:
		return check.Hold(found.Code + " with the keys in " + found.Vars)
	case !errors.Is(err, fs.ErrNotExist):
		return check.Doubt(err.Error())
	}
	return check.Miss(err.Error())
}

func (a auditor) findOVMF(secureBoot bool) (tools.Firmware, error) {
	return tools.FindOVMF(secureBoot, func(path string) error {
		_, err := a.stat(path)
		return err
	})
}
