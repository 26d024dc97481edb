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
	"root": func(s *session, ctx context.Context) prereq.Result {
		for _, step := range steps {
			if r := s.reach(ctx, step.id); r.Outcome != prereq.Holds {
				return r
			}
		}
		return prereq.Hold("a root shell")
	},
	"storage-status": func(s *session, ctx context.Context) prereq.Result { return s.storageStatus(ctx, "clean") },
	"volume-group":   (*session).volumeGroup,
	"unit": func(s *session, ctx context.Context) prereq.Result {
		return s.unitEnds(ctx, s.fleet.subject.Contract.Units[0])
	},
	"address":  (*session).address,
	"ssh":      (*session).ssh,
	"commands": func(s *session, ctx context.Context) prereq.Result { return s.commandsCheck("").Probe(ctx) },
	"tripwires": func(s *session, ctx context.Context) prereq.Result {
		_, _ = s.vm.Output(ctx, "while systemctl list-jobs | grep -q running; do sleep 1; done")
		return s.tripwireCheck("").Probe(ctx)
	},
}

type faultCase struct {
	fault, look, cause string
	stage              serial.Stage // that the boot has reached then
	change             func(*Machine)
	limit              time.Duration // since the start, in place of the login limit
}

// faultCases are the stand-in's faults: which check finds each, and the cause
// that it must name. Cause "" is a fault that must do no harm.
var faultCases = []faultCase{
	{"no-kernel-console", "root", `^no-kernel-console: `, serial.KernelLoad, nil, 0},
	{"silence", "root", `^(no-kernel-console|initrd-hangs|init-hangs): `, serial.KernelLoad, nil, 0},
	// On a slow host the silence is over its limit before the login comes.
	{"tty0-last", "root", `silent until the (login|shell); the last console= |^no-kernel-console: `, serial.KernelLoad, nil, 0},
	{"initrd-panic", "root", `^kernel-panic: `, serial.KernelLoad, nil, 0},
	{"initrd-shell", "root", `^initrd-shell: `, serial.KernelLoad, nil, 0},
	{"stage-1-error", "root", `^root-(device-missing|not-mounted): `, serial.Initrd, nil, 0},
	{"panic", "root", `^kernel-panic: `, serial.Init, nil, 0},
	{"emergency", "root", `^emergency-mode: `, serial.Init, nil, 0},
	{"oom", "root", `^out-of-memory: `, serial.Init, nil, 0},
	{"boot-hang", "root", `job-waits: .*A start job is running`, serial.Init, nil, 75 * time.Second},
	{"reboot-loop", "root", `^reboot-loop: `, serial.KernelLoad, func(m *Machine) { m.Reboot = true }, 0},
	{"login-loop", "root", `^login-loop: `, serial.Login, nil, 0},
	{"oops", "root", `^kernel-oops: `, serial.Init, nil, 0},
	{"no-autologin", "root", `by login; the contract promises an automatic login`, serial.Login, nil, 0},
	{"autologin-root", "root", `logged in as root .*; the contract promises nixos`, serial.Login, nil, 0},
	{"sudo-password", "root", `root by su -; the contract promises sudo -i without a password`, serial.Shell, nil, 0},
	{"sudo-refused", "root", `root by su -; the contract promises sudo -i without a password`, serial.Shell, nil, 0},
	{"root-refused", "root", `cannot become root: sudo -i: .*(?s:.*)su -: `, serial.Shell, nil, 0},
	{"pager,bare-prompt,noise", "root", ``, serial.Shell, nil, 0},
	{"flood", "root", ``, serial.Shell, nil, 0},
	{"missing-command", "commands", `^missing: findmnt$`, serial.Shell, nil, 0},
	{"hang-activating", "unit", `pre-nixos.service waits for sshd.service, and sshd.service waits for pre-nixos.service`, serial.Shell, nil, 0},
	{"killed-pass", "storage-status", `^there is no \S+ and will be none: pre-nixos.service failed`, serial.Shell, nil, 0},
	{"service-failed", "storage-status", `^the status is failed/auto-applied; `, serial.Shell, nil, 0},
	{"detection-error", "storage-status", `^the status is plan-only/detection-error; `, serial.Shell, nil, 0},
	{"status-unknown", "storage-status", `^the status is confused/`, serial.Shell, nil, 0},
	{"status-without-detail", "storage-status", `has STATE="applied" and DETAIL="", and will not have more: pre-nixos.service has ended`, serial.Shell, nil, 0},
	{"applied-without-effect", "volume-group", `^there is no volume group main`, serial.Shell, nil, 0},
	{"no-nic", "address", `^there is no interface lan and will be none: pre-nixos.service has ended`, serial.Shell, nil, 0},
	{"no-carrier", "address", `^there is no interface lan and will be none: pre-nixos.service has ended`, serial.Shell, nil, 0},
	{"no-networkd", "address", `^lan is there, but no DHCP client runs`, serial.Shell, nil, 0},
	{"network-unit-missing", "address", `^(there is no interface lan|lan is there, but no DHCP client)`, serial.Shell, nil, 0},
	{"sshd-refuses-first", "ssh", ``, serial.Shell, nil, 0},
}

// elsewhere are the faults that other tests show.
var elsewhere = map[string]string{
	"force-cleanup":       "the scenario residue forces the clean-up in the way the contract names",
	"cleanup-ineffective": "TestResidueIsFound",
	"root-shell-lost":     "serial's tests of the console fallback",
	"noise":               "together with pager and bare-prompt",
	"bare-prompt":         "together with pager and noise",
	"pager":               "together with noise and bare-prompt",
}

// TestEveryFaultIsTested: a knob that nobody turns shows nothing.
func TestEveryFaultIsTested(t *testing.T) {
	for _, f := range fixtures.Faults {
		tested := slices.ContainsFunc(faultCases, func(c faultCase) bool {
			return slices.Contains(strings.Split(c.fault, ","), f.Name)
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
		t.Run(c.fault, func(t *testing.T) {
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
			s := f.boot("fault-"+slug(c.fault), 60*time.Second, false, m)
			s.faults = c.fault
			defer s.close(t.Attr)

			var began, verdict time.Time
			r := s.do(t.Context(), "boot", looks["root"].on(s))
			if c.look != "root" {
				require.Equal(t, prereq.Holds, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
				began = time.Now()
				r = s.do(t.Context(), "storage", looks[c.look].on(s))
			}
			verdict = s.judged
			if r.Outcome == prereq.Unknown || r.Outcome == prereq.Absent {
				if cfg.Require {
					t.Fatal(r.Detail)
				}
				t.Skip(r.Detail)
			}
			require.NotNil(t, s.vm, r.Detail)
			late, kind := s.lateness(began, verdict)
			table.add(c.fault, c.look, string(s.vm.Console.Stage()), late, kind, r)
			want := prereq.Broken
			if c.cause == "" {
				want = prereq.Holds
			}
			assert.Equal(t, want, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
			assert.Regexp(t, regexp.MustCompile(c.cause), r.Detail)
			assert.True(t, s.vm.Console.Stage().Reached(c.stage), "stage %q, want %q", s.vm.Console.Stage(), c.stage)
			if kind == "console" {
				assert.Less(t, late, verdictLimit)
			}
		})
	}
}

func (l look) on(s *session) func(context.Context) prereq.Result {
	return func(ctx context.Context) prereq.Result { return l(s, ctx) }
}

// lateness is the time from the evidence to the verdict, and where the evidence
// was: on the console, in the guest, or, for a silence or a wait, its limit.
func (s *session) lateness(began, verdict time.Time) (time.Duration, string) {
	for _, trip := range s.seen() {
		if trip.Fatal && strings.HasPrefix(trip.Line, "nothing for ") {
			return 0, "silence"
		}
		if trip.Fatal {
			return verdict.Sub(trip.At), "console"
		}
	}
	if !began.IsZero() {
		if looked := verdict.Sub(began); s.since == 0 || s.since > looked {
			return looked, "check" // it was there before anybody looked
		}
		return s.since, "guest"
	}
	return 0, "step"
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
