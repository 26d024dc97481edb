package vmtest

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
	"bootaudit/internal/plain"
)

// Harness is what the VMs of a run share: where their files go, how long they may
// take, and who is told. The zero value has no limits and tells nobody.
type Harness struct {
	// Artifacts is the folder in which each VM gets a folder by its name, LogRoot
	// one in which each run of a VM gets one by its time. Without both the folder
	// is a temporary one, removed when the VM has passed.
	Artifacts, LogRoot string
	// Cache is the folder where processes queue for the host's CPUs, and where
	// VMs that were kept can be found.
	Cache string
	// Ledger is the file that gets a line for each VM. Default
	// vm-run-ledger.jsonl beside the VMs' folders; NoLedger is none.
	Ledger   string
	NoLedger bool
	// Keep leaves the VM of a failed check running, for bootaudit attach.
	Keep bool
	// Require makes [Start] fail a test, instead of skipping it, where something
	// is not here or cannot be told.
	Require bool
	// LoginTimeout is how long a VM may take from its start to its root shell,
	// SpawnTimeout to its end; 0 is no limit.
	LoginTimeout, SpawnTimeout time.Duration
	// Patience multiplies the limits of a console's silences and of waits in the
	// guest; 0 is 1, which is for an emulated CPU.
	Patience float64
	// Out gets a line for each stage of a boot, and every ten seconds.
	Out io.Writer
	// Attr gets the `vm` attribute of each VM, as JSON, when it ends.
	Attr func(name, value string)
	// Deadline is when go test ends the process, which began Timeout before; the
	// zero time is never.
	Deadline time.Time
	Timeout  time.Duration

	mu   sync.Mutex
	cost time.Duration // of all sessions
	pace float64       // how much slower than its cost the slowest boot was
	// Limits of what is collected after a failure, of one collector and of all; 0
	// is collectLimit and diagnoseLimit.
	collect, diagnosis time.Duration
}

// harnessFor is the harness that cfg asks for.
func harnessFor(cfg config.Config) *Harness {
	return &Harness{
		Artifacts: string(cfg.Artifacts), LogRoot: string(cfg.LogRoot), Cache: string(cfg.CacheDir),
		Ledger: string(cfg.LedgerPath), NoLedger: cfg.DisableLedger, Keep: cfg.Debug, Require: cfg.Require,
		LoginTimeout: cfg.LoginTimeout.Duration(), SpawnTimeout: cfg.SpawnTimeout.Duration(), Patience: cfg.Patience(),
	}
}

// evidenceTime is kept back from go test's deadline to save what a VM leaves
// behind: half of it to look into a failure, half to end QEMU and to complete the
// record. A short -timeout leaves less for both.
const evidenceTime = 20 * time.Second

func (h *Harness) evidence() time.Duration { return min(evidenceTime, h.Timeout/5) }

// deadline is when checks must have ended; the zero time is never.
func (h *Harness) deadline() time.Time {
	if h.Deadline.IsZero() {
		return h.Deadline
	}
	return h.Deadline.Add(-h.evidence())
}

// patience is Patience, or 1.
func (h *Harness) patience() float64 { return cmp.Or(h.Patience, 1) }

// patient is a limit as this run has it. Less than an emulated CPU needs is for
// tests of silences, and makes no command any faster.
func (h *Harness) patient(limit time.Duration) time.Duration {
	return time.Duration(float64(limit) * max(1, h.patience()))
}

// grace is how long each way of ending QEMU may take: less when go test's own
// deadline is near.
func (h *Harness) grace() time.Duration {
	if h.Deadline.IsZero() {
		return stopGrace
	}
	return max(stopGrace/20, min(stopGrace, time.Until(h.Deadline)/5))
}

// price is how long a boot of this cost takes on this host.
func (h *Harness) price(cost time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Duration(float64(cost) * max(h.pace, 1))
}

// paced learns from a boot how slow this host is.
func (h *Harness) paced(cost, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cost > 0 {
		h.pace = max(h.pace, took.Seconds()/cost.Seconds())
	}
}

// noTime is the result of a boot for which go test leaves too little time.
func (h *Harness) noTime(name string, cost time.Duration) check.Result {
	h.mu.Lock()
	all := h.cost
	h.mu.Unlock()
	want := h.price(all)*3/2/time.Minute*time.Minute + 5*time.Minute
	return check.Doubt(fmt.Sprintf("not started: booting %s and looking takes about %s here, and go test's -timeout %s leaves %s; give -timeout %.0fm",
		name, cost.Round(time.Second), h.Timeout, max(0, time.Until(h.deadline())).Round(time.Second), want.Minutes()))
}

// tell prints a line about a VM for whoever watches.
func (h *Harness) tell(name, format string, args ...any) {
	if h.Out == nil {
		return
	}
	text := plain.Text(fmt.Sprintf(format, args...))
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(h.Out, "vm %s: %s\n", name, strings.ReplaceAll(text, "\n", " "))
}

// ledger is the file that gets the line of a VM whose files are in folder.
func (h *Harness) ledger(folder string) string {
	return cmp.Or(h.Ledger, filepath.Join(cmp.Or(h.Artifacts, h.LogRoot, folder), "vm-run-ledger.jsonl"))
}
