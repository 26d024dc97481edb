package contract

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/internal/near"
)

// Check is a check of the contract's own: a command that root runs in the guest,
// and what must come of it.
type Check struct {
	ID        string  `toml:"id"`        // names the check, in small letters and digits joined by -
	Condition string  `toml:"condition"` // what must hold, as a statement
	Command   string  `toml:"command"`   // what root's shell runs
	Status    int     `toml:"status"`    // the exit status that it must have
	Output    Pattern `toml:"output"`    // what its output must match as well; left out, anything will do
	Remedy    string  `toml:"remedy"`    // what to do where it does not hold
}

// Allow is a waiver: a finding that is known and allowed, why, and until when.
// What it covers is a risk instead of broken. It covers nothing else: what is
// absent, or could not be told, stays so.
type Allow struct {
	// Check is the one check that is allowed to be broken: an image check's id
	// (image-boot-menu), or a scenario's (clean-disk/login).
	Check string `toml:"check"`
	// Tripwire is the one tripwire that may be touched, instead of a check.
	Tripwire string  `toml:"tripwire"`
	Line     Pattern `toml:"line"`   // of the line that may touch the tripwire, which needs one
	Reason   string  `toml:"reason"` // why it is allowed
	Link     string  `toml:"link"`   // where more is said of it: an address that begins with https:// or http://
	// Until is the last day on which it counts, YYYY-MM-DD: none lives for ever.
	Until Date `toml:"until"`
}

// Date is a day as YYYY-MM-DD.
type Date string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil {
		return fmt.Errorf("%q is no day such as 2026-12-31", text)
	}
	*d = Date(text)
	return nil
}

// name is what a waiver is about.
func (a Allow) name() string {
	if a.Tripwire != "" {
		return "the tripwire " + a.Tripwire
	}
	return a.Check
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ownFaults are what is wrong with the own checks and the waivers, by themselves.
func (c Contract) ownFaults(add func(key, says string, args ...any)) {
	required := func(key, value string) {
		if strings.TrimSpace(value) == "" {
			add(key, "is missing")
		}
	}
	first := map[string]int{}
	for i, own := range c.Checks {
		key := fmt.Sprintf("checks.%d.", i+1)
		required(key+"id", own.ID)
		required(key+"condition", own.Condition)
		required(key+"command", own.Command)
		required(key+"remedy", own.Remedy)
		switch n := first[own.ID]; {
		case own.ID == "":
		case !kebab.MatchString(own.ID):
			add(key+"id", "%s is not an id: small letters and digits, joined by -", quoted(own.ID))
		case n > 0:
			add(key+"id", "%s is the id of checks.%d already", own.ID, n)
		default:
			first[own.ID] = i + 1
		}
		if own.Status < 0 || own.Status > 255 {
			add(key+"status", "%d is no exit status: 0 to 255", own.Status)
		}
	}
	for i, a := range c.Allow {
		key := fmt.Sprintf("allow.%d.", i+1)
		switch {
		case a.Check == "" && a.Tripwire == "":
			add(key+"check", "is missing: a waiver names one check, or one tripwire")
		case a.Check != "" && a.Tripwire != "":
			add(key+"tripwire", "stands beside check: a waiver names one check, or one tripwire")
		case a.Check != "" && a.Line.Regexp != nil:
			add(key+"line", "is a tripwire's: a check is allowed as a whole")
		case a.Tripwire != "" && a.Line.Regexp == nil:
			add(key+"line", "is missing: a tripwire is allowed for a line, never as a whole")
		case a.Tripwire != "" && a.Line.MatchString(""):
			add(key+"line", "%s matches any line; say what is in the one that is allowed", quoted(a.Line.String()))
		}
		required(key+"reason", a.Reason)
		required(key+"until", string(a.Until))
		if at, err := url.Parse(a.Link); a.Link != "" && (err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http") {
			add(key+"link", "%s is no address that begins with https:// or http://", quoted(a.Link))
		}
	}
}

// ownScenario is the scenario that the own checks are steps of.
const ownScenario = "clean-disk"

// Faults are what is wrong with the contract's own checks and waivers where these
// are the checks of image and boot (image-boot-menu, clean-disk/login) and the
// tripwires: the names that may be allowed, and that an own check must not have.
// A contract's alarms are tripwires, and its own checks checks, without being
// given. The error is as [Parse]'s.
func (c Contract) Faults(checks, tripwires []string) error {
	source := c.source
	if source == nil {
		source = &origin{file: c.Name, root: table(1)}
	}
	var faults []fault
	add := func(key, says string, args ...any) {
		faults = append(faults, fault{source.root.lineOf(key), key, fmt.Sprintf(says, args...)})
	}
	known := slices.Clone(checks)
	for i, own := range c.Checks {
		taken := slices.IndexFunc(checks, func(name string) bool { return name[strings.LastIndex(name, "/")+1:] == own.ID })
		if taken >= 0 {
			add(fmt.Sprintf("checks.%d.id", i+1), "%s is the id of %s already", own.ID, checks[taken])
		}
		known = append(known, ownScenario+"/"+own.ID)
	}
	tripwires = slices.Clone(tripwires)
	for _, a := range c.Alarms {
		tripwires = append(tripwires, a.ID)
	}
	for i, a := range c.Allow {
		key := fmt.Sprintf("allow.%d.", i+1)
		switch {
		case a.Check == "qemu" || strings.HasSuffix(a.Check, "/qemu"):
			add(key+"check", "%s cannot be allowed: without QEMU nothing was looked at", a.Check)
		case a.Check != "" && !slices.Contains(known, a.Check):
			hint := "; there are the image's, such as image-boot-menu, and the scenarios', such as clean-disk/login; the host's cannot be allowed"
			if meant := near.Name(a.Check, known); meant != "" {
				hint = "; did you mean " + meant + "?"
			}
			add(key+"check", "%s is no check that can be allowed%s", quoted(a.Check), hint)
		case a.Tripwire != "" && !slices.Contains(tripwires, a.Tripwire):
			add(key+"tripwire", "%s is no tripwire that can be allowed%s", quoted(a.Tripwire), near.Hint(a.Tripwire, tripwires))
		}
	}
	return source.errorOf(faults)
}
