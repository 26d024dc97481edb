package vmtest

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bootaudit/internal/quote"
)

//go:embed guest/wait.sh
var waitScript string

// Wait is how a wait in the guest ended.
type Wait struct {
	// Verdict is "ok", or what makes the awaited thing impossible: "failed",
	// "deadlock", "never-started", "not-found" and so on.
	Verdict string
	// Values are what the guest printed as key=value, such as "address".
	Values map[string]string
	// Since is how long before the verdict the unit had come to its state, or
	// the file that was waited for had been written.
	Since time.Duration
	// Report says who waits for whom: jobs, ordering, processes, journal.
	Report string
}

// wait runs one of the functions of guest/wait.sh. Shortly before ctx's deadline
// the guest gives up by itself, and still says who waits for whom.
func (vm *VM) wait(ctx context.Context, call ...string) (Wait, error) {
	for i, word := range call {
		call[i] = quote.Word(word)
	}
	limit := ""
	if deadline, ok := ctx.Deadline(); ok {
		// Less the time by which a command is ended before its deadline, and what
		// a report takes.
		left := time.Until(deadline)
		left -= max(2*time.Second, left/10) + min(20*time.Second, left/4)
		limit = fmt.Sprintf("read -r now rest </proc/uptime; limit=$((${now%%.*} + %.0f))\n", max(1, left.Seconds()))
	}
	result, err := vm.Run(ctx, waitScript+"\n"+limit+strings.Join(call, " "))
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		return Wait{}, fmt.Errorf("%s: %w", strings.Join(call, " "), err)
	}
	w, err := parseWait(string(result.Stdout))
	if w.Verdict == "timeout" {
		vm.ranOut(ctx)
	}
	return w, err
}

func parseWait(out string) (Wait, error) {
	head, report, _ := strings.Cut(out, "--- ")
	w := Wait{Values: map[string]string{}, Report: report}
	if report != "" {
		w.Report = "--- " + report
	}
	for line := range strings.Lines(head) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok {
			w.Values[key] = value
		}
	}
	w.Verdict = w.Values["verdict"]
	if w.Verdict == "" {
		return w, fmt.Errorf("the guest gave no verdict: %q", out)
	}
	uptime, err1 := strconv.ParseFloat(w.Values["uptime"], 64)
	changed, err2 := strconv.ParseFloat(w.Values["StateChangeTimestampMonotonic"], 64)
	if err1 == nil && err2 == nil && changed > 0 {
		w.Since = time.Duration(uptime*float64(time.Second)) - time.Duration(changed*float64(time.Microsecond))
	}
	var written, now float64
	if n, _ := fmt.Sscan(w.Values["written"], &written, &now); n == 2 {
		w.Since = time.Duration((now - written) * float64(time.Second))
	}
	return w, nil
}

// Why says in words what made a wait for unit end, when it did not end well.
func (w Wait) Why(unit string) string {
	switch word := cmp.Or(w.Values["cause"], w.Verdict); word {
	case "failed":
		return fmt.Sprintf("%s failed (%s)", unit, w.Values["unit"])
	case "deadlock":
		return fmt.Sprintf("%s waits for %s, and %s waits for %s: a process of %s starts %s and waits for it, while %s is ordered after %s",
			unit, w.Values["knot"], w.Values["knot"], unit, unit, w.Values["knot"], w.Values["knot"], unit)
	case "never-started":
		return fmt.Sprintf("%s was never started, and no job is left that would", unit)
	case "ended":
		return fmt.Sprintf("%s has ended (%s)", unit, w.Values["unit"])
	case "not-found", "masked":
		return fmt.Sprintf("%s is %s", unit, word)
	case "timeout":
		return fmt.Sprintf("%s is still under way after all the time for it (%s)", unit, w.Values["unit"])
	case "settled":
		return "the boot has settled"
	default:
		return word
	}
}

// WaitUnit waits in the guest until unit has run and is in state ("active" or
// "inactive"), or never will be.
func (vm *VM) WaitUnit(ctx context.Context, unit, state string) (Wait, error) {
	return vm.wait(ctx, "await_unit", unit, state)
}

// WaitStatus waits in the guest for a file of KEY=value lines that unit writes,
// or for what makes it impossible.
func (vm *VM) WaitStatus(ctx context.Context, file, unit string) (Wait, error) {
	return vm.wait(ctx, "await_status", file, unit)
}

// WaitAddress waits in the guest for an IPv4 address on an interface that unit
// sets up; "" is none. [Wait.Values] has it as "address".
func (vm *VM) WaitAddress(ctx context.Context, iface, unit string) (Wait, error) {
	return vm.wait(ctx, "await_address", iface, unit)
}

// Status are the KEY=value lines of the file that [VM.WaitStatus] waited for.
func (w Wait) Status() map[string]string {
	values := map[string]string{}
	for key, value := range w.Values {
		if name, ok := strings.CutPrefix(key, "status."); ok {
			values[name] = value
		}
	}
	return values
}
