package scenario

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/serial/watch"
)

// tripwires is the row about what the console warned of.
const tripwires = "tripwires"

// starved says that what was seen is what a kernel says whose CPU does not get to
// run: of an emulated one that is as likely the host's doing as the image's.
func starved(t watch.Trip, accelerator string) bool {
	return accelerator == "tcg" && slices.Contains([]string{"soft-lockup", "rcu-stall", "hung-task", "clock-unstable"}, t.ID)
}

// tripwireCheck looks for warnings on the console that ended no wait.
func (s *session) tripwireCheck(need string) check.Check {
	return s.seen(need, tripwires, "the console shows no sign of trouble", "the table of tripwires on every line",
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
			var words, lines, known []string
			r := check.Result{Outcome: check.Risk}
			for _, t := range seen {
				words = append(words, fmt.Sprintf("%s: %s", t.ID, t.Means))
				lines = append(lines, t.Line)
				if why, allowed := s.waivers.Trip(t.ID, t.Line); allowed {
					known = append(known, why)
				} else if s.VM() != nil && starved(t, s.VM().Machine.Accelerator) {
					known = append(known, t.ID+": a guest that is emulated on a busy host shows it, too")
					r.FollowUp = cmp.Or(r.FollowUp, t.Remedy)
				} else {
					r.Outcome, r.FollowUp = check.Broken, cmp.Or(r.FollowUp, t.Remedy)
				}
			}
			r.Detail, r.Risk = strings.Join(words, "; "), strings.Join(known, "; ")
			return r.With(strings.Join(lines, "\n"))
		})
}
