package scenario

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/internal/cast"
	"bootaudit/internal/config"
	"bootaudit/internal/record"
	"bootaudit/internal/rootkey"
	"bootaudit/vmtest"
)

// TestEveryFaultIsTested: a knob that nobody turns shows nothing.
func TestEveryFaultIsTested(t *testing.T) {
	for name := range fixtures.Faults() {
		assert.True(t, slices.ContainsFunc(faultCases, func(c faultCase) bool {
			return slices.Contains(strings.Split(c.faults, ","), name)
		}), "fault %s has no case", name)
	}
}

// every asks for what is too slow for each run of the tests: all the cases of
// [TestVMFaults], not only those that show what no other test does, and more
// commands in noise.
var every = flag.Bool("every", false, "boot the stand-in with every one of its faults, and run more commands in noise")

// tableFile gets the table of verdicts, as a page.
var tableFile = flag.String("table", "", "write the verdicts on the faults, with their seconds, to this file")

// ranOut is what a verdict says whose wait had come to its limit. A fault that
// can be seen ends the wait that it spoils, however long that might have lasted.
var ranOut = regexp.MustCompile(`are over \(BOOT_IMAGE_|go test's -timeout|no prompt came back|after all the time for it|no answer within|deadline exceeded`)

// TestVMFaults boots the stand-in with its faults and asserts the cause that the
// audit names, how far the boot had come, and that the evidence, not a limit,
// ended the wait. It prints how long after the evidence each verdict came. All
// of its cases: make slow.
func TestVMFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the stand-in in QEMU with each of its faults; -short asks for no boot")
	}
	cfg := withoutImage(t)
	t.Parallel()
	table := faultTable{}
	t.Cleanup(func() {
		t.Logf("from the evidence to the verdict:\n%s", table.String())
		if *tableFile != "" {
			assert.NoError(t, os.WriteFile(*tableFile, []byte(table.page()), 0o644))
		}
	})
	for _, c := range faultCases {
		t.Run(c.faults, func(t *testing.T) {
			if !c.gate && !*every {
				t.Skip("is booted by make slow (go test ./vmtest/scenario -run TestVMFaults -every)")
			}
			// One CPU each: two of them use a small host better than one does.
			t.Parallel()
			h := vmtest.NewHarness(t)
			h.LoginTimeout = cmp.Or(c.limit, h.LoginTimeout)
			h.Patience *= cmp.Or(c.patience, 0.3)
			f := NewSuite(standIn(t, cfg), h).fleet
			m := vmtest.Machine{CPUs: 1, Network: true, Disks: []vmtest.Disk{{MiB: 512}}}
			if c.change != nil {
				c.change(&m)
			}
			s := f.boot("fault-"+record.Slug(c.faults), 60*time.Second, false, m)
			s.faults = c.faults
			if c.filled {
				s.prepare = s.fillDisk
			}
			defer func() {
				s.Settle(t.Failed()) // what was broken was meant to be
				s.Close(t.Attr)
			}()
			for i, find := range c.finds {
				began := time.Now()
				probe := looks[find.look].on(s)
				var r check.Result
				if slices.Contains(looksAtBoot, find.look) {
					r = probe(t.Context())
				} else {
					r = s.look(t.Context(), find.look, probe)
				}
				if r.Outcome == check.Unknown || r.Outcome == check.Absent {
					config.Lacking(t, r.Detail)
				}
				require.NotNil(t, s.VM(), r.Detail)
				at, kind := s.evidence(find, c.limit, i == 0, began)
				if find.shows != "" {
					require.Equal(t, "console", kind, "the console does not show %s", find.shows)
				}
				late := s.judged.Sub(at)
				stage := s.VM().Console.Stage()
				for _, trip := range s.Trips() {
					if i == 0 && trip.Fatal {
						stage = trip.Stage // the boot may have gone on
					}
				}
				table.add(c.faults, find.look, string(stage), late, kind, r)
				want := check.Broken
				if find.cause == "" || find.mayHold && r.Outcome == check.Holds {
					want, find.cause = check.Holds, ""
				}
				if r.Outcome == check.Risk {
					r.Outcome = check.Holds
				}
				require.Equal(t, want, r.Outcome, "%s\n%s", r.Detail, r.Evidence)
				assert.Regexp(t, regexp.MustCompile(cmp.Or(find.cause, find.says)), r.Detail)
				if i == 0 && !(c.orLater && stage.Reached(c.stage)) {
					assert.Equal(t, c.stage, stage)
				}
				if find.cause != "" && c.limit == 0 {
					assert.NotRegexp(t, ranOut, r.Detail, "the limit ended the wait, not the evidence (%s)", kind)
				}
			}
		})
	}
}

func (l look) on(s *session) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result { return l(s, ctx) }
}

// evidence says when, before the verdict, all was there that the verdict of a
// look that began then rests on, and where: on the console (what the find shows,
// or a tripwire's line); in the guest (a unit's last change); where somebody
// waited for nothing to come, at the end of the wait; else when the look began.
func (s *session) evidence(f find, limit time.Duration, first bool, began time.Time) (at time.Time, kind string) {
	if f.shows != "" {
		if at := s.seenOnConsole(f.shows); !at.IsZero() {
			return at, "console"
		}
	}
	for _, trip := range s.Trips() {
		quiet := quietFor.FindStringSubmatch(trip.Line)
		switch {
		case !trip.Fatal || !first:
		case quiet != nil:
			d, _ := time.ParseDuration(quiet[1])
			return trip.At.Add(d), "silence"
		default:
			return trip.At, "console"
		}
	}
	switch {
	case limit != 0 && first:
		return s.VM().Started.Add(limit), "limit"
	case s.happened.Before(began):
		return began, "check" // it was there before anybody looked
	default:
		return s.happened, "guest"
	}
}

var quietFor = regexp.MustCompile(`^(?:nothing|no progress) for (\S+);`)

// seenOnConsole is when the recording of the console first had a match of
// pattern.
func (s *session) seenOnConsole(pattern string) (at time.Time) {
	f, err := os.Open(filepath.Join(s.VM().Machine.Folder, record.CastFile))
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	re := regexp.MustCompile(pattern)
	text, first := "", time.Duration(-1)
	_, _ = cast.Read(f, func(e cast.Event) error {
		switch {
		case e.Code == 'm' && first < 0:
			first = e.At // the first stage: its moment is known
		case e.Code == 'o' && first >= 0 && at.IsZero():
			if text += e.Data; re.MatchString(text) {
				at = s.VM().Stages()[0].At.Add(e.At - first)
			}
		}
		return nil
	})
	return at
}

// faultTable is what was found of the faults, a row for each look.
type faultTable struct {
	mu   sync.Mutex
	rows [][]string
}

var faultColumns = []string{"fault", "check", "stage", "after", "evidence", "verdict"}

func (f *faultTable) add(fault, look, stage string, late time.Duration, kind string, r check.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	detail, _, _ := strings.Cut(r.Detail, "\n")
	f.rows = append(f.rows, []string{fault, look, stage, fmt.Sprintf("%.1f s", late.Seconds()), kind, fmt.Sprintf("%s: %.100s", r.Outcome, detail)})
}

// sorted are the rows by fault, in the order of the looks.
func (f *faultTable) sorted() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(f.rows), func(a, b []string) int { return strings.Compare(a[0], b[0]) })
}

func (f *faultTable) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{faultColumns}, f.sorted()...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	return b.String()
}

// page is the table as docs/faults.md.
func (f *faultTable) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Faults, and what is said of them

Each fault is a knob of the stand-in image, booted for real (TCG, %d CPUs of the
host's, two guests beside each other). *After* is the time from the evidence to
the verdict: from the line on the console, from the unit's last change in the
guest, from the end of a silence or, where it was there before anybody looked,
from the look. Made by `+"`make slow`"+`; a figure of one run on one host.

| %s |
|%s
`, runtime.NumCPU(), strings.Join(faultColumns, " | "), strings.Repeat("---|", len(faultColumns)))
	for _, row := range f.sorted() {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", "\\|")
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

// standIn is the stand-in, as TestVM boots it.
func standIn(t *testing.T, cfg config.Config) Subject {
	key, err := rootkey.InImage(cfg)
	require.NoError(t, err)
	return Subject{
		Contract: contract.PreNixOS(), Target: cfg.Target(), RootKey: key,
		KeyAtBoot: fixtures.RootKeyFile, FaultAtBoot: fixtures.FaultFile,
		ISO: func(ctx context.Context) (string, error) {
			image, err := fixtures.StandIn(ctx, t.Output())
			if err != nil {
				return "", &check.Lack{Outcome: check.Unknown, Err: err}
			}
			return image, nil
		},
	}
}
