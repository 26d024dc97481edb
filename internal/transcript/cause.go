package transcript

import (
	"slices"
)

// Cause is something that was wrong in the guest or with QEMU.
type Cause struct {
	ID, Means, Remedy string
}

// Causes are those that have a name of their own. Others are a tripwire's.
var Causes = []Cause{
	{"none", "nothing was seen to be wrong", ""},
	{"host-port-taken", "QEMU did not start: the host port that is forwarded to the guest is in use",
		"find who listens on it (ss -ltnp), or let each VM choose a free port of its own"},
	{"disk-image-locked", "QEMU did not start: another process holds the disk image's lock",
		"stop the other VM (fuser -v IMAGE), or give each VM an overlay of its own"},
	{"no-kernel-console", "the bootloader talks to the serial port and loaded the kernel; after that nothing came",
		"put console=ttyS0,115200n8 last on the kernel command line of the image, and read it out of the ISO before the next boot"},
	{"storage-detection-error", "the provisioner could not tell whether the disks hold data, and touched nothing",
		"read journalctl -u pre-nixos -b; a floppy drive (/dev/fd0) is a known cause: take it out of the machine"},
	{"provisioning-failed", "the provisioner failed; the status file's detail is what it had meant to do",
		"read journalctl -u pre-nixos -b: the traceback or the exit status of the last command before \"Failed with result\""},
	{"provisioning-unfinished", "the provisioner had not ended when the console was saved, and there was no status file",
		"look at systemctl list-jobs and at the child that the unit runs (systemctl status pre-nixos): does it wait for a job that waits for it?"},
	{"applied-without-effect", "the status says applied, and the plan had no devices: nothing was provisioned",
		"check the effect, not the word: volume group, logical volume and partition table on the disk; then see why the plan was empty"},
}

// cause decides what was wrong.
func (a *analyzer) cause() string {
	reached := func(stage string) bool { return slices.Contains(a.out.Stages, stage) }
	last := ""
	if n := len(a.out.Stages); n > 0 {
		last = a.out.Stages[n-1]
	}
	switch {
	case a.storage.state == "failed":
		a.show("cause", a.storage.offset, a.storage.line1)
		return "provisioning-failed"
	case a.storage.state == "plan-only" && a.storage.detail == "detection-error":
		a.show("cause", a.storage.offset, a.storage.line1)
		return "storage-detection-error"
	case a.storage.state == "applied" && a.storage.empty:
		a.show("cause", a.storage.emptyAt.Offset, a.storage.emptyAt.Line)
		return "applied-without-effect"
	}
	// A fatal trip that is about the end of the file names what ended it.
	for _, t := range a.out.Trips {
		if t.Fatal {
			a.show("cause", t.Offset, t.Line)
			return t.ID
		}
	}
	switch {
	case last == "kernel-load" && a.loaded && !a.kernel:
		a.copyEvidence("stage kernel-load", "cause")
		return "no-kernel-console"
	case a.storage.state != "" || !reached("shell"):
	case a.unit.state == "failed":
		a.show("cause", a.unit.offset, a.unit.line1)
		return "provisioning-failed"
	case a.unit.state == "activating", a.asked.status && a.unit.state != "inactive":
		switch {
		case a.unit.child.Line != "":
			a.show("cause", a.unit.child.Offset, a.unit.child.Line)
		case a.unit.state != "":
			a.show("cause", a.unit.offset, a.unit.line1)
		}
		return "provisioning-unfinished"
	}
	return "none"
}

func (a *analyzer) copyEvidence(from, to string) {
	for _, e := range a.out.Evidence {
		if e.Fact == from {
			a.show(to, e.Offset, e.Line)
			return
		}
	}
}
