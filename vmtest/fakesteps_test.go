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

	"bootaudit/contract/check"
	"bootaudit/internal/config"
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

// bootRow is a boot, and the steps that do not hold, or hold in another way.
type bootRow struct {
	name   string
	init   string
	change func(*fakeGuest, *session)
	says   map[string]string // by the step: its outcome and a pattern of its plain detail
}

var bootRows = []bootRow{
	{"another user", toLogin + "autologin guest 1001", nil, map[string]string{
		"login": `broken: logged in as guest \(uid 1001, by automatic login\); the contract promises nixos`}},
	{"another uid", toLogin + "autologin nixos 1001", nil, map[string]string{
		"login": `broken: logged in as nixos \(uid 1001, by automatic login\); the contract promises uid 1000`}},
	{"a login that asks", toLogin + "ask nixos 1000 secret", func(_ *fakeGuest, s *session) { s.account.Password = "secret" }, map[string]string{
		"login": `broken: logged in as nixos \(uid 1000, by login\); the contract promises an automatic login`}},
	{"nobody to log in as", toLogin + "ask nixos 1000 secret", func(_ *fakeGuest, s *session) { s.account.User = "" }, map[string]string{
		"login": `broken: no shell after login after N.*: the guest asks who logs in .* no user was given`}},
	{"root by su", toShell, set("sudo", "refuses"), map[string]string{
		"root": `broken: root by su -; the contract promises sudo -i without a password`}},
	{"no root", toShell, both(set("sudo", "refuses"), set("su", "refuses")), map[string]string{
		"root": `broken: no root shell after N.*: nixos \(uid 1000\) cannot become root: sudo -i: sudo asks for a password .*\n?su -: `}},
	{"no console for the kernel", "firmware\nmenu 8\nautologin nixos 1000", nil, map[string]string{
		"kernel":  `broken: nothing was heard of it: after the boot loader the console was silent until the login; the last console= `,
		"systemd": `broken: nothing was heard of it: after the boot loader the console was silent until the login; the last console= `}},
	{"no control line", toShell, func(_ *fakeGuest, s *session) { s.device = "/dev/no-such-port" }, map[string]string{
		"control-line": `risk: commands share the console`}},
	{"a machine without a port", toShell, func(_ *fakeGuest, s *session) { s.template.Control = None }, map[string]string{
		"control-line": `risk: commands share the console`}},
	{"panic", "firmware\nmenu 8\nkernel\nuntil_there systemd\nsay '[    2.000000] Kernel panic - not syncing: fake'\nhalt", nil, map[string]string{
		"systemd": `broken: kernel-panic: the kernel panicked \(stage reached: initrd\)`}},
	{"emergency", "firmware\nmenu 8\nkernel\nsystemd\nuntil_there login\nsay 'Press Enter for maintenance'\nhalt", nil, map[string]string{
		"login": `broken: emergency-mode: `}},
	{"nothing boots", "halt", set("firmware", "SeaBIOS\nNo bootable device.\n"), map[string]string{
		"bootloader": `broken: no-bootable-device: `}},
	{"nothing is said", "firmware\nhalt", func(_ *fakeGuest, s *session) { s.fleet.cfg.LoginTimeout = config.Seconds(2 * time.Second) }, map[string]string{
		"bootloader": `broken: (no stage "bootloader" after N.*|cont: not sent): 2s since the start are over \(BOOT_IMAGE_VM_LOGIN_TIMEOUT\)( \(stage reached: [a-z]+\))?$`}},
	{"the VM's time is over", "firmware\nhalt", func(_ *fakeGuest, s *session) { s.fleet.cfg.SpawnTimeout = config.Seconds(2 * time.Second) }, map[string]string{
		"bootloader": `broken: (no stage "bootloader" after N.*|cont: not sent): the VM's 2s are over \(BOOT_IMAGE_VM_SPAWN_TIMEOUT\)`}},
	{"power off", "firmware\nmenu 8\nkernel\nuntil_there systemd", nil, map[string]string{
		"systemd": `broken: no stage "init" after N.*: qemu has ended after Ns: exit status 0, after SHUTDOWN .*guest-shutdown`}},
	{"no QEMU", toShell, set("refuses-to-start", `-drive: Failed to get "write" lock`+"\n"), map[string]string{
		"qemu": `broken: machine clean-disk: qemu has ended after Ns: exit status 1; disk-image-locked: .*; its stderr: qemu-system-x86_64: -drive: Failed to get`}},
	{"no time", toShell, func(_ *fakeGuest, s *session) { s.fleet.deadline = time.Now().Add(30 * time.Second) }, map[string]string{
		"qemu": `unknown: not started: booting clean-disk and looking takes about 1m0s here`}},
}

// TestStepsOnAFake boots guests that each do one thing wrong. The steps say which,
// go on where that is no obstacle, and are not tried where it is.
func TestStepsOnAFake(t *testing.T) {
	beside(t)
	said, blocked := make([]map[string]check.Result, len(bootRows)), make([]map[string]string, len(bootRows))
	guests, sessions := make([]*fakeGuest, len(bootRows)), make([]*session, len(bootRows))
	for i, row := range bootRows {
		guests[i] = newFakeGuest(t, row.init)
		sessions[i] = guests[i].session(guests[i].config())
		if row.change != nil {
			row.change(guests[i], sessions[i])
		}
	}
	together(len(bootRows), func(i int) {
		said[i], blocked[i] = map[string]check.Result{}, map[string]string{}
		for _, step := range steps {
			guests[i].set(step.id, "") // what the guest's init may wait for
			said[i][step.id], blocked[i][step.id] = reach(t.Context(), sessions[i].bootChecks(), step.id)
		}
		sessions[i].close(nil)
	})
	for i, row := range bootRows {
		t.Run(row.name, func(t *testing.T) {
			stopped := ""
			for at, step := range steps {
				r := said[i][step.id]
				words := fmt.Sprintf("%s: %s", r.Outcome, guests[i].plain(blocked[i][step.id]+r.Detail))
				switch pattern, ok := row.says[step.id]; {
				case stopped != "":
					assert.Regexp(t, "^[a-z]+: the boot did not come so far: "+regexp.QuoteMeta(stopped), words, step.id)
				case ok:
					assert.Regexp(t, "(?s)^"+pattern, words, step.id)
				default:
					assert.Equal(t, check.Holds, r.Outcome, "%s: %s", step.id, r.Detail)
				}
				if stopped == "" && at+1 < len(steps) && blocked[i][steps[at+1].id] != "" {
					stopped = step.condition
				}
			}
			if pressed := guests[i].get("menu-key"); strings.Contains(row.init, "menu") && said[i]["kernel"].Outcome == check.Holds {
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
	{"at the login", toLogin + "say '\\nnixos login: nixos (automatic login)'\nuntil_there login" + die, "", "login"},
	{"who it is", toShell, "id", "login"},
	{"becoming root", toShell, "sudo", "root"},
	{"after it", toShell, "dmesg", "root"},
	{"the control line", toShell, "setsid", "control-line"},
	{"a command", toShell, "vgs", "volume-group"},
	{"a wait", toShell, "systemctl", "storage-status"},
	{"diagnostics", toShell, "lsblk", "diagnose"},
}

// TestQEMUDies kills QEMU in the middle of each step and of checks: it is named,
// with how it ended, and nobody says that something was cancelled.
func TestQEMUDies(t *testing.T) {
	beside(t)
	said := make([]check.Result, len(deathRows))
	sessions, guests := make([]*session, len(deathRows)), make([]*fakeGuest, len(deathRows))
	for i, row := range deathRows {
		g := newFakeGuest(t, row.init)
		switch row.program {
		case "":
		case "setsid":
			g.unset("bin/setsid")
			g.link("real", "setsid")
			g.program("setsid", fakeHook+`exec "$GUEST/real/setsid" "$@"`)
			fallthrough
		default:
			require.NoError(t, os.WriteFile(filepath.Join(g.dir, "kills-qemu", row.program), nil, 0o644))
		}
		sessions[i], guests[i] = g.session(g.config()), g
	}
	together(len(deathRows), func(i int) {
		s := sessions[i]
		defer s.close(nil)
		if at := stepAt(deathRows[i].step); at >= 0 {
			if at > 0 {
				reach(t.Context(), s.steps, steps[at-1].id)
			}
			guests[i].set(deathRows[i].step, "")
			said[i], _ = reach(t.Context(), s.steps, deathRows[i].step)
			return
		}
		if r := s.booted(t.Context()); r.Outcome != check.Holds {
			said[i] = r
			return
		}
		look := map[string]func(context.Context) check.Result{
			"volume-group":   s.volumeGroup,
			"storage-status": func(ctx context.Context) check.Result { return s.storageStatus(ctx, "clean") },
			"diagnose":       func(context.Context) check.Result { return check.Break("something else") },
		}[deathRows[i].step]
		said[i] = s.do(t.Context(), "storage", look)
	})
	for i, row := range deathRows {
		t.Run(row.name, func(t *testing.T) {
			s, r := sessions[i], said[i]
			assert.Equal(t, check.Broken, r.Outcome)
			if row.step == "diagnose" {
				assert.Equal(t, "something else", r.Detail, "what fails in diagnostics changes nothing")
			} else {
				assert.Regexp(t, `qemu has ended after [\d.]+s: signal: killed, not by us`, r.Detail)
				assert.Equal(t, 1, strings.Count(r.Detail, ErrEnded.Error()), r.Detail)
			}
			assert.NotContains(t, r.Detail+r.Evidence, context.Canceled.Error())
			assert.NotContains(t, r.Detail, "did not come so far")
			meta := s.record.now()
			assert.Equal(t, "failed", meta.Outcome)
			assert.Contains(t, meta.Ending, "signal: killed, not by us")
		})
	}
}

// stepAt is the step's place, or -1.
func stepAt(id string) int {
	return slices.IndexFunc(steps, func(s step) bool { return s.id == id })
}
