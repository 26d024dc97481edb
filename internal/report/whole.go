package report

import (
	"fmt"
	"strings"
)

// End records that the stream is over, and judges whether it was whole.
func (r *Run) End() {
	say := func(format string, args ...any) { r.Damage = append(r.Damage, fmt.Sprintf(format, args...)) }
	switch {
	case r.events == 0 && len(r.Text) == 0:
		say("The stream (%s) is empty: go test said nothing. Give the output of go test -json.", r.Name)
		return
	case r.events == 0:
		say("The stream (%s) is not the output of go test -json; it begins with %q.", r.Name, cleanLine(r.Text[0], 80))
		return
	}
	if r.cut {
		say("The stream (%s) ends inside a line.", r.Name)
	} else if r.unread > 0 {
		say("%s of the stream (%s) could not be decoded.", plural(r.unread, "line"), r.Name)
	}
	if r.imitations > 0 {
		say("%s of the stream (%s) imitated go test's own lines by control characters in what a test printed, and were not believed.",
			plural(r.imitations, "line"), r.Name)
	}
	var open []string
	for _, p := range r.Packages {
		if p.Status == "" && p.Name != "" {
			open = append(open, cleanLine(p.Name, 80))
			for _, t := range p.Tests {
				if t.Status == "" && !t.Parent {
					open = append(open, cleanLine(t.Name, 80))
				}
			}
		}
	}
	if len(open) > 0 {
		const most = 6
		more := ""
		if len(open) > most {
			more = fmt.Sprintf(" and %d more", len(open)-most)
			open = open[:most]
		}
		say("The stream (%s) ends before these had ended: %s%s.", r.Name, strings.Join(open, ", "), more)
	}
}

// Interrupted records that a person or a signal ended the reading.
func (r *Run) Interrupted(why string) {
	r.Damage = append(r.Damage, fmt.Sprintf("Reading was ended by %s.", why))
}
