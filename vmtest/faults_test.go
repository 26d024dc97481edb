package vmtest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/prereq"
	"bootaudit/serial"
)

// look is how a fault is looked for; it ends with what was found.
type look func(*session, context.Context) prereq.Result

// looks are named as the checks that they are.
var looks = map[string]look{
	"boot": func(s *session, ctx context.Context) prereq.Result {
		for i, step := range steps {
			if r := s.reach(ctx, step.id); r.Outcome != prereq.Holds && s.taken <= i {
				return r
			}
		}
		return prereq.Hold("a root shell")
	},
	// On a fast host the shell comes before the fault does.
	"tripwire": func(s *session, ctx context.Context) prereq.Result {
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			r := s.reach(ctx, "bootloader")
			if r.Outcome != prereq.Holds {
				return r
			}
			for _, trip := range s.seen() {
				if trip.Fatal {
					return prereq.Break(trip.ID + ": " + trip.Means)
				}
			}
		}
		return prereq.Hold("no fatal tripwire in two minutes")
	},
	"kernel": func(s *session, ctx context.Context) prereq.Result { return s.reach(ctx, "kernel") },
	"login":  func(s *session, ctx context.Context) prereq.Result { return s.reach(ctx, "login") },
	"root":   func(s *session, ctx context.Context) prereq.Result { return s.reach(ctx, "root") },
	"storage-status": func(s *session, ctx context.Context) prereq.Result {
		return s.storageStatus(ctx, "clean")
	},
	"unit": func(s *session, ctx context.Context) prereq.Result {
		return s.unitEnds(ctx, s.fleet.subject.Contract.Units[0])
	},
	"address":  (*session).address,
	"ssh":      (*session).ssh,
	"commands": func(s *session, ctx context.Context) prereq.Result { return s.commands(ctx) },
}

// find is a check that looks for a fault, and the cause that it must name, as a
// regular expression. Cause "" is a fault that must do no harm.
type find struct{ look, cause string }

// faultCase is a boot with one fault, or with several that do not touch each
// other, and what must be found, in this order.
type faultCase struct {
	faults string
	stage  serial.Stage // that the boot has reached at the first verdict
	finds  []find
	change func(*Machine)
	limit  time.Duration // since the start, in place of the login limit
}

var faultCases = []faultCase{
	{faults: "no-kernel-console", stage: serial.KernelLoad, finds: []find{{"boot", `no-kernel-console: `}}},
	{faults: "silence", stage: serial.KernelLoad, finds: []find{{"boot", `(no-kernel-console|initrd-hangs|init-hangs): `}}},
	// On a slow host the silence is over its limit before the login comes.
	{faults: "tty0-last", stage: serial.KernelLoad, finds: []find{{"kernel", `silent until the (login|shell); the last console= |no-kernel-console: `}}},
	{faults: "initrd-panic", stage: serial.KernelLoad, finds: []find{{"boot", `kernel-panic: `}}},
	{faults: "initrd-shell", stage: serial.KernelLoad, finds: []find{{"boot", `initrd-shell: `}}},
	{faults: "stage-1-error", stage: serial.Initrd, finds: []find{{"boot", `(root-device-missing|root-not-mounted|initrd-shell): `}}},
	{faults: "panic", stage: serial.Init, finds: []find{{"boot", `kernel-panic: `}}},
	{faults: "emergency", stage: serial.Init, finds: []find{{"boot", `emergency-mode: `}}},
	{faults: "oom", stage: serial.Init, finds: []find{{"tripwire", `out-of-memory: `}}},
	{faults: "oops", stage: serial.Init, finds: []find{{"tripwire", `kernel-oops: `}}},
	{faults: "boot-hang", stage: serial.Init, finds: []find{{"boot", `A start job is running for Fault boot-hang \(`}}, limit: 90 * time.Second},
	{faults: "reboot-loop", stage: serial.Bootloader, finds: []find{{"boot", `reboot-loop: `}}, change: func(m *Machine) { m.Reboot = true }},
	{faults: "login-loop", stage: serial.Login, finds: []find{{"boot", `login-loop: `}}},
	{faults: "root-refused", stage: serial.Shell, finds: []find{{"root", `(?s)cannot become root: sudo -i: .*su -: `}}},
	{faults: "autologin-root", stage: serial.Shell, finds: []find{{"login", `logged in as root .*; the contract promises nixos`}}},
	{faults: "no-autologin", stage: serial.Shell, finds: []find{
		{"login", `by login\); the contract promises an automatic login`}}},
	{faults: "sudo-refused", stage: serial.Shell, finds: []find{{"root", `sudo -i`}}},
	{faults: "sudo-password", stage: serial.Shell, finds: []find{{"root", `sudo -i`}}},
	{faults: "killed-pass", stage: serial.Shell, finds: []find{
		{"boot", ``},
		{"storage-status", `^there is no \S+ and will be none: pre-nixos.service failed`}}},
	{faults: "service-failed", stage: serial.Shell, finds: []find{
		{"boot", ``},
		{"storage-status", `^the status is failed/auto-applied; `}}},
	{faults: "status-without-detail", stage: serial.Shell, finds: []find{
		{"boot", ``},
		{"storage-status", `has STATE="applied" and DETAIL="", and will not have more: pre-nixos.service has ended`}}},
	{faults: "flood", stage: serial.Login, finds: []find{{"boot", `no (shell after login|root shell) .*the console was flooded: \d+ bytes`}}, limit: 60 * time.Second},
	{faults: "hang-activating", stage: serial.Shell, finds: []find{{"boot", ``},
		{"unit", `pre-nixos.service waits for sshd.service, and sshd.service waits for pre-nixos.service`}}},
	{faults: "noise", stage: serial.Shell, finds: []find{{"boot", ``}, {"storage-status", ``}}},
	{faults: "pager", stage: serial.Shell, finds: []find{{"boot", ``}, {"storage-status", ``}}},
	{faults: "bare-prompt", stage: serial.Shell, finds: []find{{"boot", ``}, {"storage-status", ``}}},
	{faults: "missing-command,status-unknown,sshd-refuses-first", stage: serial.Shell, finds: []find{{"boot", ``},
		{"commands", `^missing: findmnt$`},
		{"storage-status", `^the status is confused/`},
		{"ssh", ``}}},
	{faults: "no-nic", stage: serial.Shell, finds: []find{{"boot", ``},
		{"address", `^there is no interface lan and will be none: pre-nixos.service has ended`}}},
	{faults: "no-carrier", stage: serial.Shell, finds: []find{{"boot", ``},
		{"address", `^there is no interface lan and will be none: pre-nixos.service has ended`}}},
	{faults: "no-networkd", stage: serial.Shell, finds: []find{{"boot", ``},
		{"address", `^lan is there, but no DHCP client runs`}}},
	{faults: "network-unit-missing", stage: serial.Shell, finds: []find{{"boot", ``},
		{"storage-status", `^the status is failed/`}}},
}

// elsewhere are the faults that other tests show.
var elsewhere = map[string]string{
	"applied-without-effect": "the scenario applied-without-effect",
	"detection-error":        "the scenario detection-error",
	"force-cleanup":          "the scenario residue forces the clean-up in the way the contract names",
	"cleanup-ineffective":    "the check marker-gone of residue; contains is tested by itself",
	"root-shell-lost":        "serial's tests of the console fallback",
}

// TestEveryFaultIsTested: a knob that nobody turns shows nothing.
func TestEveryFaultIsTested(t *testing.T) {
	for _, f := range fixtures.Faults {
		tested := slices.ContainsFunc(faultCases, func(c faultCase) bool {
			return slices.Contains(strings.Split(c.faults, ","), f.Name)
		})
		assert.True(t, tested || elsewhere[f.Name] != "", "fault %s has no case", f.Name)
	}
}

// verdictLimit is the longest that the audit may take from the evidence, on the
// console or in the guest, to the verdict that names the cause.
const verdictLimit = 5 * time.Second

// TestVMFaults boots the stand-in with each of its faults and asserts the cause
// that the audit names, and how far the boot had come. It prints how long after
// the evidence each verdict came.
func TestVMFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the stand-in in QEMU with each of its faults; -short asks for no boot")
	}
	cfg := loadConfig(t)
	if cfg.Target() != config.StandIn {
		t.Skip("the faults are the stand-in's, and another image is audited")
	}
	table := faultTable{}
	t.Cleanup(func() { t.Logf("from the evidence to the verdict:\n%s", table.String()) })
	for _, c := range faultCases {
		t.Run(c.faults, func(t *testing.T) {
			// One CPU each: two of them use a small host better than one does.
			t.Parallel()
			cfg := cfg
			if c.limit != 0 {
				cfg.LoginTimeout = config.Seconds(c.limit)
			}
			sub := subject(t)
			sub.Patience = 0.3 // an idle host boots the stand-in in 15 s
			f := newFleet(sub, cfg, watch(t))
			m := Machine{CPUs: 1, Network: true, Disks: []Disk{{MiB: 512}}}
			if c.change != nil {
				c.change(&m)
			}
			s := f.boot("fault-"+slug(c.faults), 60*time.Second, false, m)
			s.faults = c.faults
			defer func() {
				s.failed = t.Failed() // what was broken was meant to be
				s.close(t.Attr)
			}()
			for i, find := range c.finds {
				began := time.Now()
				r := s.do(t.Context(), find.look, looks[find.look].on(s))
				if r.Outcome == prereq.Unknown || r.Outcome == prereq.Absent {
					if cfg.Require {
						t.Fatal(r.Detail)
					}
					t.Skip(r.Detail)
				}
				require.NotNil(t, s.vm, r.Detail)
				late, kind := s.lateness(i, began)
				table.add(c.faults, find.look, string(s.vm.Console.Stage()), late, kind, r)
				want := prereq.Broken
				if find.cause == "" {
					want = prereq.Holds
				}
				require.Equal(t, want, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
				assert.Regexp(t, regexp.MustCompile(find.cause), r.Detail)
				assert.True(t, s.vm.Console.Stage().Reached(c.stage), "stage %q, want %q", s.vm.Console.Stage(), c.stage)
				if kind == "console" {
					assert.Less(t, late, verdictLimit)
				}
			}
		})
	}
}

func (l look) on(s *session) func(context.Context) prereq.Result {
	return func(ctx context.Context) prereq.Result { return l(s, ctx) }
}

// lateness is the time from the evidence to the verdict, and where the evidence
// was: on the console; in the guest; for a silence, its limit's end; else when
// the check began to look.
func (s *session) lateness(look int, began time.Time) (time.Duration, string) {
	for _, trip := range s.seen() {
		switch {
		case !trip.Fatal || look > 0:
		case strings.HasPrefix(trip.Line, "nothing for "):
			return 0, "silence"
		default:
			return s.judged.Sub(trip.At), "console"
		}
	}
	looked := s.judged.Sub(began)
	if s.since == 0 || s.since > looked {
		return looked, "check" // it was there before anybody looked
	}
	return s.since, "guest"
}

type faultTable struct {
	mu   sync.Mutex
	rows []string
}

func (f *faultTable) add(fault, look, stage string, late time.Duration, kind string, r prereq.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	detail, _, _ := strings.Cut(r.Detail, "\n")
	f.rows = append(f.rows, fmt.Sprintf("%s\t%s\t%s\t%.1f s\t%s\t%s: %.100s", fault, look, stage, late.Seconds(), kind, r.Outcome, detail))
}

func (f *faultTable) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.rows)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tcheck\tstage\tafter\tevidence\tverdict")
	for _, row := range f.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
	return b.String()
}
