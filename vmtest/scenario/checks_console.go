package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/serial/watch"
)

// tripwireCheck looks for warnings on the console that ended no wait.
func (s *session) tripwireCheck(need string) check.Check {
	return s.seen(need, "tripwires", "the console shows no sign of trouble", "the table of tripwires on every line",
		"see what each line means in bootaudit explain serial.log", "boot",
		func(context.Context) check.Result {
			alarms := s.fleet.subject.Contract.Alarms
			seen := slices.DeleteFunc(s.Trips(), func(t watch.Trip) bool {
				// Without a root key an image may promise just this.
				return !s.keyed && slices.ContainsFunc(alarms, func(a contract.Alarm) bool { return a.ID == t.ID && a.NeedsRootKey })
			})
			if len(seen) == 0 {
				return check.Hold(fmt.Sprintf("none of %d tripwires was touched", len(watch.Tripwires())+len(alarms)))
			}
			var words, lines []string
			for _, t := range seen {
				words = append(words, fmt.Sprintf("%s: %s", t.ID, t.Means))
				lines = append(lines, t.Line)
			}
			r := check.Break(strings.Join(words, "; ")).With(strings.Join(lines, "\n"))
			r.FollowUp = seen[0].Remedy
			return r
		})
}
