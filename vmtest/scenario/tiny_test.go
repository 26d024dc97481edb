package scenario

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/fixtures/tinyimage"
	"bootaudit/internal/config"
	"bootaudit/vmtest"
)

// tinyCase is a tiny image, what it is held against, and what clean-disk has to
// say of it.
type tinyCase struct {
	image tinyimage.Image
	terms string // a contract; "" is the default
	gate  bool   // it is booted by every run of the tests
	// make, when set, makes another kind of target of the image than an ISO.
	make func(i tinyimage.Image, dir, standIn string) (contract.Target, error)
	// change, when set, makes another machine of the one that clean-disk has.
	change func(*vmtest.Machine)
	// breaks is what is to be broken; what needs it is unknown.
	breaks string
	// says are findings that must be there, as "id: outcome: detail".
	says []string
}

var tinyCases = map[string]tinyCase{
	"shell": {image: tinyimage.Shell(), terms: "[login]\nuser = 'root'\nautomatic = true\n", says: []string{
		"login: holds: root (uid 0, by automatic login)", "root: holds: root (uid 0, by login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"login": {image: tinyimage.Login(), terms: "[login]\nuser = 'root'\nautomatic = true\n", says: []string{
		"login: holds: root (uid 0, by automatic login)", "root: holds: root (uid 0, by login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"askfirst": {image: tinyimage.AskFirst(), gate: true, says: []string{
		"login: holds: root (uid 0, by automatic login)", "root: holds: root (uid 0, by login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"getty": {image: tinyimage.Getty(), terms: "[console]\ndevice = 'ttyS0'\n[login]\nuser = 'root'\npassword = '" + tinyimage.Password + "'\n", says: []string{
		"kernel: holds: ", "login: holds: root (uid 0, by login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"a kernel": {image: tinyimage.Shell(), gate: true, make: kernelOf, says: []string{
		"bootloader: holds: the machine loads the kernel itself", "login: holds: root (uid 0, by automatic login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"a UKI on a disk": {image: tinyimage.Shell(), make: ukiOf, says: []string{
		"kernel: holds: ", "login: holds: root (uid 0, by automatic login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"a second serial port": {image: tinyimage.AskFirst(), change: func(m *vmtest.Machine) { m.Control = vmtest.UART }, says: []string{
		"control-line: holds: root's commands go over a port of their own",
	}},
	"one port, and no terminal": {image: tinyimage.Shell(), change: func(m *vmtest.Machine) { m.Control = vmtest.None }, says: []string{
		"control-line: risk: commands share the console",
	}},
	"asks": {image: tinyimage.Asks(), terms: "answers = [{ prompt = 'passphrase for disk', send = '" + tinyimage.Password + "' }, { prompt = '^Go on', send = 'y' }]\n", says: []string{
		"login: holds: root (uid 0, by automatic login)", "control-line: holds: root's commands go over a port of their own",
	}},
	"asks in vain": {image: tinyimage.Asks(), breaks: "systemd", says: []string{
		"systemd: broken: passphrase: the boot waits for a passphrase",
	}},
	"an installer": {image: tinyimage.Installer(), terms: "[console]\nexpect = 'Select a language'\n", says: []string{
		"expected: holds: it does after ", "login: not needed: the contract promises what the console shows", "tripwires: holds: ",
	}},
	"an installer in vain": {image: tinyimage.Installer(), breaks: "systemd", says: []string{
		"systemd: broken: waits-for-person: the console asks something, and waits for a person's answer: [!!] Select a language Choose the language to be used. <Go Back>",
	}},
	"getty without a name": {image: tinyimage.Getty(), says: []string{
		"login: holds: the console asks who logs in", "root: not needed: ",
	}},
}

func isoOf(i tinyimage.Image, dir, standIn string) (contract.Target, error) {
	file := filepath.Join(dir, "tiny.iso")
	return contract.Target{Kind: contract.KindFile, File: file, MemoryMiB: contract.StandInMemoryMiB}, i.Write(file, standIn)
}

func kernelOf(i tinyimage.Image, dir, standIn string) (contract.Target, error) {
	kernel, initrd, err := i.WriteKernel(dir, standIn)
	return contract.Target{Kind: contract.KindKernel, Kernel: kernel, Initrd: initrd, Cmdline: i.Args, MemoryMiB: contract.StandInMemoryMiB}, err
}

// stub is what systemd starts the kernel of a UKI with.
const stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

func ukiOf(i tinyimage.Image, dir, standIn string) (contract.Target, error) {
	file := filepath.Join(dir, "uki.raw")
	return contract.Target{Kind: contract.KindFile, File: file, MemoryMiB: contract.StandInMemoryMiB}, i.WriteUKI(file, standIn, stub)
}

// TestVMTiny boots images that have neither systemd nor udev: in each, all of
// clean-disk holds that is promised. All of its cases: make slow.
func TestVMTiny(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a tiny image in QEMU; -short asks for no boot")
	}
	cfg, err := config.Load()
	require.NoError(t, err)
	if cfg.Target().Kind != contract.KindStandIn {
		t.Skip("another image is audited")
	}
	t.Parallel()
	for name, c := range tinyCases {
		t.Run(name, func(t *testing.T) {
			if !c.gate && !*every {
				t.Skip("is booted by make slow (go test ./vmtest/scenario -run TestVMTiny -every)")
			}
			t.Parallel()
			standIn, err := fixtures.StandIn(t.Context(), t.Output())
			if err != nil {
				config.Lacking(t, fmt.Sprintf("the stand-in, whose kernel and busybox are used: %v", err))
			}
			if c.make == nil {
				c.make = isoOf
			}
			target, err := c.make(c.image, t.TempDir(), standIn)
			require.NoError(t, err)
			terms := contract.Default()
			if c.terms != "" {
				terms, err = contract.Parse("tiny.toml", []byte("name = 'tiny'\n"+c.terms))
				require.NoError(t, err)
			}
			suite := NewSuite(Subject{Contract: terms, Target: target}, vmtest.NewHarness(t))
			t.Cleanup(suite.Close)
			machine := &suite.fleet.cleanVM().template
			machine.CPUs = 1 // as all that run side by side
			if c.change != nil {
				c.change(machine)
			}
			var said string
			clean := suite.Scenarios[0]
			table, err := check.NewTable(clean.Checks)
			require.NoError(t, err)
			for _, row := range clean.Checks {
				f := table.Resolve(t.Context(), row.ID)
				said += fmt.Sprintf("%s: %s: %s\n", row.ID, f.Outcome, f.Detail)
				if row.ID == c.breaks || f.Because == c.breaks && c.breaks != "" {
					continue
				}
				assert.Contains(t, []check.Outcome{check.Holds, check.Risk, check.NotNeeded}, f.Outcome, "%s: %s\n%s", row.ID, f.Detail, f.Evidence)
			}
			suite.End(clean, t.Attr)
			t.Log(said)
			for _, want := range c.says {
				assert.Contains(t, said, want)
			}
		})
	}
}
