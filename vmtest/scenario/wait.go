package scenario

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"bootaudit/internal/plain"
	"bootaudit/internal/quote"
	"bootaudit/vmtest"
)

// why is [Wait.Why], with what the unit's own programs said last.
func (s *session) why(ctx context.Context, w vmtest.Wait, unit string) string {
	why := w.Why(unit)
	if cmp.Or(w.Values["cause"], w.Verdict) != "deadlock" {
		why += s.lastWords(ctx, unit)
	}
	return why
}

// lastWords are the last lines in the journal of what unit ran, as the end of a
// sentence; "" when there are none to be had.
func (s *session) lastWords(ctx context.Context, unit string) string {
	if unit == "" {
		return ""
	}
	// What is known already does not wait long for it.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := s.VM().Output(ctx, "journalctl --no-pager -q -b -o cat -n 4 _SYSTEMD_UNIT="+quote.Word(unit))
	if err != nil {
		return ""
	}
	var words []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(plain.Text(line)); line != "" {
			words = append(words, fmt.Sprintf("%.200q", line))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf("; the last words of %s: %s", unit, strings.Join(words, ", "))
}

// noted keeps when what a wait's verdict rests on had happened in the guest.
func (s *session) noted(w vmtest.Wait, err error) (vmtest.Wait, error) {
	s.happened = time.Now().Add(-w.Since)
	return w, err
}

// passLimit bounds a wait of the audit's: the slowest pass that is known took
// three minutes, emulated.
const passLimit = 7 * time.Minute

func (s *session) waitUnit(ctx context.Context, unit, state string) (vmtest.Wait, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patient(passLimit))
	defer cancel()
	return s.noted(s.VM().WaitUnit(ctx, unit, state))
}

// waitStatus waits for the status file that unit writes.
func (s *session) waitStatus(ctx context.Context, file, unit string) (vmtest.Wait, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patient(passLimit))
	defer cancel()
	return s.noted(s.VM().WaitStatus(ctx, file, unit))
}

// waitAddress waits for an IPv4 address on an interface that unit sets up.
func (s *session) waitAddress(ctx context.Context, iface, unit string) (vmtest.Wait, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patient(passLimit))
	defer cancel()
	return s.noted(s.VM().WaitAddress(ctx, iface, unit))
}
