package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bootaudit/contract/check"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contradictions are what a report says of a VM and of a cause that cannot both be
// true.
func contradictions(a *Audit) []string {
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	rows := a.rows()
	for _, vm := range a.VMs {
		var own []*Row
		for _, row := range a.Runtime.rows() {
			if row.On == vm.on && slices.Contains(vm.tests, row.test) {
				own = append(own, row)
			}
		}
		broken := with(own, check.Broken)
		switch {
		case !vm.Failed() && vm.Outcome != "" && len(broken) > 0:
			say("%s %s, and %s is broken", vm.Name, vm.Outcome, names(broken))
		case vm.Failed() && vm.Cause == nil && len(broken) > 0:
			say("%s failed, and no cause is named", vm.Name)
		}
		reached := func(stage string) bool {
			return slices.ContainsFunc(vm.Stages, func(s Reached) bool { return s.Name == stage })
		}
		for _, row := range own {
			for step, stage := range map[string]string{"kernel": "initrd", "systemd": "init", "login": "shell"} {
				if row.ID == step && row.Outcome == check.Holds && len(vm.Stages) > 0 && !vm.LoggedIn() && !reached(stage) {
					say("%s: %s holds, and the stage %s was not reached", vm.Name, row.ID, stage)
				}
				if row.ID == step && bad(row.Outcome) && row.Because == nil && reached("shell") && step != "login" {
					say("%s: %s is %s, and a shell was reached", vm.Name, row.ID, row.Outcome)
				}
			}
			for _, trip := range vm.Trips {
				if row.ID == "tripwires" && row.Outcome == check.Holds && trip.Fatal {
					say("%s: no tripwire was touched, and %s was fatal", vm.Name, trip.ID)
				}
			}
		}
		for _, trip := range vm.Trips {
			if vm.Went(trip) && trip.Fatal {
				say("%s: %s was fatal, and the boot went on", vm.Name, trip.ID)
			}
		}
	}
	var seen []string
	for _, f := range a.FollowUps {
		for _, id := range f.IDs {
			if slices.Contains(seen, f.Kind+id) {
				say("%s is told twice", id)
			}
			seen = append(seen, f.Kind+id)
		}
	}
	total := a.Folded
	for _, c := range a.Outcomes {
		total += c.N
	}
	if total != len(rows) {
		say("%d findings are counted, and there are %d", total, len(rows))
	}
	if strings.HasPrefix(a.Verdict, "Passed") != (a.Status() == StatusGood) {
		say("%q, and the status is %d", a.Verdict, a.Status())
	}
	if strings.HasPrefix(a.Verdict, "Does not boot") &&
		!slices.ContainsFunc(a.VMs, func(vm Boot) bool { return vm.Failed() && !vm.LoggedIn() }) {
		say("%q, and no boot failed before its login", a.Verdict)
	}
	return list
}

func TestNothingContradicts(t *testing.T) {
	for name, files := range streams {
		if name == "hostile" {
			continue // it contradicts by intent
		}
		assert.Empty(t, contradictions(audit(t, files...)), name)
	}
}

// The first lines have the cause, its place, what to do, and the command on the
// same target.
func TestOneCauseInImageAndBoots(t *testing.T) {
	a := audit(t, "silent.json")
	assert.Equal(t, `Does not boot: "Installer" has no console=ttyS0 (it has tty0), isolinux/isolinux.cfg:20`, a.Verdict)
	require.Len(t, a.Failed(), 1)
	f := a.Failed()[0]
	assert.Equal(t, "failed by it: 5 more checks (clean-disk, network, existing-storage, uefi, residue); not tried because of it: 14 checks", f.Folded())
	assert.Equal(t, 19, a.Folded)
	md := written(t, a.Markdown)
	first := strings.Join(strings.SplitN(md, "\n", 11)[:10], "\n")
	assert.Contains(t, first, "isolinux/isolinux.cfg:20")
	assert.Contains(t, first, "BOOT_IMAGE_FILE=/srv/images/installer.iso BOOT_IMAGE_CONTRACT=pre-nixos bootaudit audit -run")
	for _, vm := range a.VMs {
		require.NotNil(t, vm.Cause, vm.Name)
		assert.Equal(t, "image-console", vm.Because().ID, vm.Name)
	}
}

// A verdict says no more than was seen.
func TestWhatIsNotSeenIsNotCalledBroken(t *testing.T) {
	for _, c := range []struct {
		name, verdict string
		findings      []check.Finding
	}{
		{"nothing was booted", "Not booted, for the image is not what was promised: the file ends before the volume does",
			[]check.Finding{{ID: "image-opens", Section: "image", Outcome: check.Broken, Detail: "the file ends before the volume does"}}},
		{"the host", "Not tried, for this host is not ready: qemu-system-x86_64 is not on the PATH",
			[]check.Finding{{ID: "qemu-present", Section: "host", Outcome: check.Broken, Detail: "qemu-system-x86_64 is not on the PATH"}}},
		{"a promise", "Boots, and does not keep a promise: STATE=applied, but there is no volume group",
			[]check.Finding{{ID: "storage-status", Section: "runtime", Outcome: check.Broken, Detail: "STATE=applied, but there is no volume group"}}},
		{"no login", "Boots, and does not log in as promised: the console asks for a name, etc/getty.service:7",
			[]check.Finding{{ID: "login", Section: "runtime", Outcome: check.Broken, Detail: "the console asks for a name", Evidence: "etc/getty.service:7: agetty"}}},
		{"the boot", "Does not boot: there is no init that can run, or it died (init-missing)",
			[]check.Finding{{ID: "kernel", Section: "runtime", Outcome: check.Broken, Detail: "init-missing: there is no init that can run, or it died (stage reached: kernel-load)"}}},
		{"the same in two places", "Not booted, for the image is not what was promised: no console, a.cfg:1 and b.cfg:2",
			[]check.Finding{{ID: "image-console", Section: "image", Outcome: check.Broken, Detail: "a.cfg:1: no console; b.cfg:2: no console; c.cfg:3: other"}}},
		{"a dead QEMU", "QEMU does not start it: machine clean-disk: qemu has ended: exit status 1; its stderr: could not load firmware",
			[]check.Finding{{ID: "qemu", Section: "runtime", Outcome: check.Broken,
				Detail: "machine clean-disk: qemu has ended: exit status 1; its stderr: could not load firmware; the console had shown oops: BUG: x"}}},
		{"all is well", "Passed, without a boot: all 2 conditions that were tested hold; 1 could not be told, and is not required",
			[]check.Finding{{ID: "a", Section: "image", Outcome: check.Holds}, {ID: "b", Section: "image", Outcome: check.Holds}, {ID: "c", Section: "image", Outcome: check.Unknown}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.verdict, found(t, c.findings...).Verdict)
		})
	}
}

// A kernel without a console may boot to its login.
func TestBootsUnheard(t *testing.T) {
	a := audit(t, "silent.json")
	row := a.Image.rows()[3]
	require.Equal(t, "image-console", row.ID)
	assert.Equal(t, "Does not boot", lead(a, row))
	a.VMs[0].Stages = append(a.VMs[0].Stages, Reached{Name: "login", Seconds: 42})
	assert.Equal(t, "Boots to a login, and not all of it is heard", lead(a, row))
}

// What repeats another's words was not begun because of it.
func TestWhatWasNotBegunIsFolded(t *testing.T) {
	const why = "the file ends before the volume does"
	a := found(t,
		check.Finding{ID: "image-opens", Section: "image", Outcome: check.Broken, Detail: why},
		check.Finding{ID: "qemu", Section: "runtime", Outcome: check.Unknown, Detail: "what the image promises is unknown: " + why},
		check.Finding{ID: "kernel", Section: "runtime", Outcome: check.Unknown, Because: "qemu"})
	assert.Equal(t, "not tried because of it: 2 checks", a.FollowUps[0].Folded())
	assert.Len(t, a.FollowUps, 1)
	assert.Equal(t, "image-opens is broken", a.Runtime.Groups[0].Blamed())
}

// What is named on the console is its own cause, whatever console= says.
func TestACauseThatWasHeardIsNotTheConsoles(t *testing.T) {
	for detail, because := range map[string]bool{
		"init-missing: there is no init (stage reached: kernel-load)":          false,
		"no-kernel-console: nothing came after it":                             true,
		"no stage \"initrd\" after 5m0s: silence (stage reached: kernel-load)": true,
	} {
		a := found(t,
			check.Finding{ID: "image-console", Section: "image", Outcome: check.Broken, Detail: "no console=ttyS0"},
			check.Finding{ID: "kernel", Section: "runtime", Outcome: check.Broken, Detail: detail})
		assert.Equal(t, because, a.Runtime.rows()[0].Because != nil, detail)
	}
}
