package vmtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/fakevm"
	"bootaudit/serial"
)

// together runs work(0) to work(n-1), some at a time: what takes a boot's time is
// mostly waiting.
func together(n int, work func(int)) {
	var all sync.WaitGroup
	some := make(chan struct{}, 6)
	for i := range n {
		all.Go(func() {
			some <- struct{}{}
			defer func() { <-some }()
			work(i)
		})
	}
	all.Wait()
}

// fake is a VM that is to be booted, and can still be changed.
type fake struct {
	guest   *fakevm.Guest
	harness *Harness
	plan    *Plan
	machine *Machine
}

// set is a change of the guest's state.
func set(name, text string) func(fake) {
	return func(f fake) { f.guest.Set(name, text) }
}

// little promises a login or a shell, and nothing of who logs in.
func little(f fake) {
	f.plan.Contract = contract.Contract{Name: "little", Console: contract.Console{Device: "ttyS0"}}
	f.machine.Account = serial.Account{}
}

func pattern(text string) contract.Pattern { return contract.Pattern{Regexp: regexp.MustCompile(text)} }

// expects promises a line of the console alone.
func expects(line string) func(fake) {
	return func(f fake) {
		f.plan.Contract = contract.Contract{Name: "expects", Console: contract.Console{Device: "ttyS0", Expect: pattern(line)}}
		f.machine.Account = serial.Account{}
	}
}

func both(changes ...func(fake)) func(fake) {
	return func(f fake) {
		for _, change := range changes {
			change(f)
		}
	}
}

// bootRow is a boot, and the steps that do not hold, or hold in another way.
type bootRow struct {
	name   string
	init   string
	change func(fake)
	says   map[string]string // by the step: its outcome and a pattern of its plain detail
}

var bootRows = []bootRow{
	{"another user", fakevm.ToLogin + "autologin guest 1001", nil, map[string]string{
		"login": `broken: logged in as guest \(uid 1001, by automatic login\); the contract promises nixos`}},
	{"another uid", fakevm.ToLogin + "autologin nixos 1001", nil, map[string]string{
		"login": `broken: logged in as nixos \(uid 1001, by automatic login\); the contract promises uid 1000`}},
	{"a login that asks", fakevm.ToLogin + "ask nixos 1000 secret", func(f fake) { f.machine.Account = serial.Account{User: "nixos", Password: "secret"} }, map[string]string{
		"login": `broken: logged in as nixos \(uid 1000, by login\); the contract promises an automatic login`}},
	{"nobody to log in as", fakevm.ToLogin + "ask nixos 1000 secret", nil, map[string]string{
		"login": `broken: no shell after login after N.*: the guest asks who logs in .* no user was given`}},
	{"root by su", fakevm.ToShell, set("sudo", "refuses"), map[string]string{
		"root": `broken: root by su -; the contract promises sudo -i without a password`}},
	{"no root", fakevm.ToShell, both(set("sudo", "refuses"), set("su", "refuses")), map[string]string{
		"root": `broken: no root shell after N.*: nixos \(uid 1000\) cannot become root: sudo -i: sudo asks for a password .*\n?su -: `}},
	{"no console for the kernel", "firmware\nmenu 8\nautologin nixos 1000", nil, map[string]string{
		"kernel":  `broken: nothing was heard of it: after the boot loader the console was silent until the login; the last console= `,
		"systemd": `broken: nothing was heard of it: after the boot loader the console was silent until the login; the last console= `}},
	{"quiet", "firmware\nmenu 8\nautologin nixos 1000", func(f fake) {
		f.plan.KernelArgs = func() []string { return []string{"console=tty0", "quiet", "console=ttyS0,115200n8"} }
	}, map[string]string{
		"kernel":  `holds: login after N s, and nothing of the kernel before: its command line says quiet$`,
		"systemd": `holds: login after N s, and nothing of the kernel before: its command line says quiet$`}},
	{"quiet on another console", "firmware\nmenu 8\nautologin nixos 1000", func(f fake) {
		f.plan.KernelArgs = func() []string { return []string{"console=ttyS0", "quiet", "console=tty0"} }
	}, map[string]string{
		"kernel":  `broken: nothing was heard of it: `,
		"systemd": `broken: nothing was heard of it: `}},
	{"an init that nobody knows", "firmware\nmenu 8\nkernel\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do say \"service $i is up\"; done\nautologin nixos 1000", nil, map[string]string{
		"systemd": `holds: login after N s; what came after the kernel is of an init that is not known$`}},
	{"a long issue, and no kernel", "firmware\nmenu 8\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do say \"welcome $i\"; done\nautologin nixos 1000", nil, map[string]string{
		"kernel":  `broken: nothing was heard of it: `,
		"systemd": `broken: nothing was heard of it: `}},
	{"a shell right after the kernel", "firmware\nmenu 8\nkernel\nautologin root 0", func(f fake) {
		little(f)
		f.plan.Contract.Console.Device = ""
		f.plan.KernelArgs = func() []string { return []string{"console=tty0", "console=ttyS0,115200n8"} }
	}, map[string]string{
		"systemd": `holds: login after N s; what came after the kernel is of an init that is not known$`}},
	{"silence, and no console is promised", "firmware\nmenu 8\nautologin nixos 1000", func(f fake) {
		little(f)
		f.plan.Contract.Console.Device = ""
	}, map[string]string{
		"kernel":  `risk: login after N s, and nothing was heard before it$`,
		"systemd": `risk: login after N s, and nothing was heard before it$`}},
	{"no login, but a line", "firmware\nmenu 8\nkernel\nsay 'The installer is ready.'\nhalt", expects("installer is ready"), map[string]string{
		"systemd":      `holds: not heard of; the console has shown what the contract expects$`,
		expectedStep:   `holds: it does after N s$`,
		"login":        `not needed: the contract promises what the console shows, and no login$`,
		"root":         `not needed: the contract promises what the console shows, and no login$`,
		"control-line": `not needed: the contract promises what the console shows, and no login$`}},
	{"no kernel, but a screen", "firmware\nsay 'ISOLINUX 6.04'\nprintf '\\033[2J\\033[10;20HTest of the memory\\033[12;20H[ Start ]'\nhalt", expects("^ *Test of the memory$"), map[string]string{
		"kernel":       `holds: not heard of; the console has shown what the contract expects$`,
		"systemd":      `holds: not heard of; the console has shown what the contract expects$`,
		expectedStep:   `holds: it does after N s$`,
		"login":        `not needed: `,
		"root":         `not needed: `,
		"control-line": `not needed: `}},
	{"a line, and a login", fakevm.ToLogin + "say 'All is ready.'\nautologin nixos 1000", func(f fake) {
		f.plan.Contract.Console.Expect = pattern("All is ready")
	}, map[string]string{expectedStep: `holds: it does after N s$`}},
	{"another line", "firmware\nmenu 8\nkernel\nsystemd\nsay 'The installer is broken.'\nuntil_there expected", expects("installer is ready"), map[string]string{
		expectedStep:   `broken: no line that matches "installer is ready" after N.*: qemu has ended`,
		"login":        `not needed: `,
		"root":         `not needed: `,
		"control-line": `not needed: `}},
	{"questions that are answered", "firmware\nmenu 8\nkernel\nstty sane\nprintf 'Please enter passphrase for disk root: '\nstty -echo\nread -r word\nstty echo\n" +
		"[ \"$word\" = abcd ] || { printf '\\nWrong. Please enter passphrase for disk root: '; read -r word; }\nprintf '\\nGo on? [y/N] '\nread -r go\n[ \"$word$go\" = abcdy ] && say '\\nWelcome to NixOS 25.05!' && autologin nixos 1000\nhalt", func(f fake) {
		f.plan.Contract.Answers = []contract.Answer{{Prompt: pattern("passphrase for disk root: *$"), Send: "abcd"}, {Prompt: pattern(`^Go on\?`), Send: "y"}}
	}, nil},
	{"nobody is promised", fakevm.ToLogin + "ask nixos 1000 secret", little, map[string]string{
		"login":        `holds: the console asks who logs in after N s$`,
		"root":         `not needed: the console asks who logs in, and nobody is named to log in as$`,
		"control-line": `not needed: the console asks who logs in, and nobody is named to log in as$`}},
	{"root is not promised", fakevm.ToShell, both(little, set("sudo", "refuses"), set("su", "refuses")), map[string]string{
		"root":         `risk: the login user does not become root$`,
		"control-line": `not needed: nobody becomes root here, which the contract does not promise$`}},
	{"root comes without a promise", fakevm.ToShell, little, nil},
	{"no control line", fakevm.ToShell, func(f fake) { f.machine.ControlDevice = "/dev/no-such-port" }, map[string]string{
		"control-line": `risk: commands share the console`}},
	{"a machine without a port", fakevm.ToShell, func(f fake) { f.machine.Control = None }, map[string]string{
		"control-line": `risk: commands share the console`}},
	{"panic", "firmware\nmenu 8\nkernel\nuntil_there systemd\nsay '[    2.000000] Kernel panic - not syncing: fake'\nhalt", nil, map[string]string{
		"systemd": `broken: kernel-panic: the kernel panicked \(stage reached: initrd\)`}},
	{"emergency", "firmware\nmenu 8\nkernel\nsystemd\nuntil_there login\nsay 'Press Enter for maintenance'; printf '(or press Control-D to continue): '\nhalt", nil, map[string]string{
		"login": `broken: emergency-mode: `}},
	{"nothing boots", "halt", set("firmware", "SeaBIOS\nNo bootable device.\n"), map[string]string{
		"bootloader": `broken: no-bootable-device: `}},
	{"nothing is said", "firmware\nhalt", func(f fake) { f.harness.LoginTimeout = 2 * time.Second }, map[string]string{
		"bootloader": `broken: (no stage "bootloader" after N.*|cont: not sent): 2s since the start are over \(BOOT_IMAGE_VM_LOGIN_TIMEOUT\)( \(stage reached: [a-z]+\))?$`}},
	{"the VM's time is over", "firmware\nhalt", func(f fake) { f.harness.SpawnTimeout = 2 * time.Second }, map[string]string{
		"bootloader": `broken: (no stage "bootloader" after N.*|cont: not sent): the VM's 2s are over \(BOOT_IMAGE_VM_SPAWN_TIMEOUT\)`}},
	{"power off", "firmware\nmenu 8\nkernel\nuntil_there systemd", nil, map[string]string{
		"systemd": `broken: no stage "init" after N.*: qemu has ended after Ns: exit status 0, after SHUTDOWN .*guest-shutdown`}},
	{"no QEMU", fakevm.ToShell, set("refuses-to-start", `-drive: Failed to get "write" lock`+"\n"), map[string]string{
		"qemu": `broken: machine fake: qemu has ended after Ns: exit status 1; disk-image-locked: .*; its stderr: qemu-system-x86_64: -drive: Failed to get`}},
	{"no time", fakevm.ToShell, func(f fake) { f.harness.Deadline = time.Now().Add(30 * time.Second) }, map[string]string{
		"qemu": `unknown: not started: booting fake and looking takes about 1m0s here`}},
}

// TestStepsOnAFake boots guests that each do one thing wrong. The steps say which,
// go on where that is no obstacle, and are not tried where it is.
func TestStepsOnAFake(t *testing.T) {
	fakevm.Beside(t)
	said, blocked := make([]map[string]check.Result, len(bootRows)), make([]map[string]string, len(bootRows))
	guests, sessions := make([]*fakevm.Guest, len(bootRows)), make([]*Session, len(bootRows))
	for i, row := range bootRows {
		guests[i] = fakevm.New(t, row.init)
		h := fakeHarness(t, guests[i])
		sessions[i] = fakeSession(t, guests[i], h, func(p *Plan, m *Machine) {
			m.Account.RootBy = p.Contract.Root.Methods
			if row.change != nil {
				row.change(fake{guests[i], h, p, m})
			}
		})
	}
	together(len(bootRows), func(i int) {
		said[i], blocked[i] = map[string]check.Result{}, map[string]string{}
		for _, step := range steps {
			guests[i].Set(step.id, "") // what the guest's init may wait for
			said[i][step.id], blocked[i][step.id] = reach(t.Context(), sessions[i].Boot(), step.id)
		}
		sessions[i].Close(nil)
	})
	for i, row := range bootRows {
		t.Run(row.name, func(t *testing.T) {
			stopped := ""
			for at, step := range steps {
				r := said[i][step.id]
				words := fmt.Sprintf("%s: %s", r.Outcome, guests[i].Plain(blocked[i][step.id]+r.Detail))
				pattern, ok := row.says[step.id]
				switch {
				case step.id == expectedStep && !ok:
					assert.Equal(t, "not needed: the contract expects no line of the console", words)
				case stopped != "":
					assert.Regexp(t, "^[a-z]+: the boot did not come so far: "+regexp.QuoteMeta(stopped), words, step.id)
				case ok:
					assert.Regexp(t, "(?s)^"+pattern, words, step.id)
				default:
					assert.Equal(t, check.Holds, r.Outcome, "%s: %s", step.id, r.Detail)
				}
				if stopped == "" && at+1 < len(steps) && steps[at+1].id != expectedStep && step.id != expectedStep && blocked[i][steps[at+1].id] != "" ||
					stopped == "" && step.id == "systemd" && blocked[i]["login"] != "" {
					stopped = step.condition
				}
			}
			if pressed := guests[i].Get("menu-key"); strings.Contains(row.init, "menu") && said[i]["kernel"].Outcome == check.Holds {
				assert.Equal(t, "Enter\n", pressed)
			}
		})
	}
}

// deathRow is a boot in which QEMU is killed, by init or by a program of the
// guest's, and what is under way then.
type deathRow struct {
	name    string
	init    string
	program string
	step    string
}

// die ends QEMU, as the host's kernel would that has no memory left.
const die = "\nkill -KILL $QEMU; halt\n"

var deathRows = []deathRow{
	{"before the boot loader", "firmware" + die, "", "bootloader"},
	{"at the menu", "firmware\nmenu 1" + die, "", "kernel"},
	{"in the initrd", "firmware\nmenu 1\nkernel\nuntil_there systemd" + die, "", "systemd"},
	{"at the login", fakevm.ToLogin + "say '\\nnixos login: nixos (automatic login)'\nuntil_there login" + die, "", "login"},
	{"who it is", fakevm.ToShell, "id", "login"},
	{"becoming root", fakevm.ToShell, "sudo", "root"},
	{"after it", fakevm.ToShell, "dmesg", "root"},
	{"the control line", fakevm.ToShell, "setsid", "control-line"},
	{"a command", fakevm.ToShell, "vgs", "command"},
	{"a wait", fakevm.ToShell, "systemctl", "wait"},
	{"diagnostics", fakevm.ToShell, "lsblk", "diagnose"},
}

// TestQEMUDies kills QEMU in the middle of each step and of checks: it is named,
// with how it ended, and nobody says that something was cancelled.
func TestQEMUDies(t *testing.T) {
	fakevm.Beside(t)
	said := make([]check.Result, len(deathRows))
	sessions, guests := make([]*Session, len(deathRows)), make([]*fakevm.Guest, len(deathRows))
	for i, row := range deathRows {
		g := fakevm.New(t, row.init)
		switch row.program {
		case "":
		case "setsid":
			g.Unset("bin/setsid")
			g.Link("real", "setsid")
			g.Program("setsid", fakevm.Hook+`exec "$GUEST/real/setsid" "$@"`)
			fallthrough
		default:
			require.NoError(t, os.WriteFile(filepath.Join(g.Dir, "kills-qemu", row.program), nil, 0o644))
		}
		sessions[i], guests[i] = fakeSession(t, g, fakeHarness(t, g), nil), g
	}
	together(len(deathRows), func(i int) {
		s := sessions[i]
		defer s.Close(nil)
		if at := stepAt(deathRows[i].step); at >= 0 {
			if at > 0 {
				reach(t.Context(), s.steps, steps[at-1].id)
			}
			guests[i].Set(deathRows[i].step, "")
			said[i], _ = reach(t.Context(), s.steps, deathRows[i].step)
			return
		}
		if r := s.Booted(t.Context()); r.Outcome != check.Holds {
			said[i] = r
			return
		}
		look := map[string]func(context.Context) check.Result{
			"command": func(ctx context.Context) check.Result {
				_, err := s.vm.Output(ctx, "vgs")
				return s.Broke(err)
			},
			"wait": func(ctx context.Context) check.Result {
				_, err := s.vm.WaitUnit(ctx, "pre-nixos.service", "inactive")
				return s.Broke(err)
			},
			"diagnose": func(context.Context) check.Result { return check.Break("something else") },
		}[deathRows[i].step]
		said[i] = s.Do(t.Context(), "storage", look)
	})
	for i, row := range deathRows {
		t.Run(row.name, func(t *testing.T) {
			s, r := sessions[i], said[i]
			want, record := check.Unknown, "unknown" // it was the host's doing
			if row.step == "diagnose" {
				want, record = check.Broken, "failed"
			}
			assert.Equal(t, want, r.Outcome)
			if row.step == "diagnose" {
				assert.Equal(t, "something else", r.Detail, "what fails in diagnostics changes nothing")
			} else {
				assert.Regexp(t, `qemu has ended after [\d.]+s: signal: killed, not by us`, r.Detail)
				assert.Equal(t, 1, strings.Count(r.Detail, ErrEnded.Error()), r.Detail)
			}
			assert.NotContains(t, r.Detail+r.Evidence, context.Canceled.Error())
			assert.NotContains(t, r.Detail, "did not come so far")
			meta := s.record.Now()
			assert.Equal(t, record, meta.Outcome)
			assert.Contains(t, meta.Ending, "signal: killed, not by us")
		})
	}
}

// stepAt is the step's place, or -1.
func stepAt(id string) int {
	return slices.IndexFunc(steps, func(s step) bool { return s.id == id })
}
