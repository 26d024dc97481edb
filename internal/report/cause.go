package report

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// The steps of a boot, by their checks, in order. A scenario that is about
// something else has them all in one, "booted".
var steps = []string{"qemu", "bootloader", "kernel", "systemd", "expected", "login", "root", "control-line"}

const booted = "booted"

// explains lists, for checks that need no boot, which steps of a boot fail by what
// they found: "seen to fail by the same cause" is then one cause, not many.
var explains = map[string][]string{
	"qemu-present":          {"qemu"},
	"accelerators":          {"qemu"},
	"micro-guest":           {"qemu"},
	"image-opens":           {"bootloader", "kernel", "systemd", "expected", "login"},
	"image-boot-catalog":    {"bootloader", "kernel"},
	"image-boot-menu":       {"bootloader", "kernel"},
	"image-boot-files":      {"kernel", "systemd"},
	"image-console":         {"kernel", "systemd", "expected", "login"},
	"flake-console":         {"kernel", "systemd", "expected", "login"},
	"image-secure-boot":     {"bootloader", "kernel"},
	"image-initrd":          {"systemd", "expected", "login"},
	"image-initrd-modules":  {"systemd", "expected", "login"},
	"image-init":            {"systemd", "expected", "login"},
	"image-root-label":      {"systemd", "expected", "login"},
	"image-root-filesystem": {"systemd", "expected", "login"},
	"image-architecture":    {"kernel", "systemd", "expected", "login"},
	"image-autologin":       {"login"},
	"flake-autologin":       {"login"},
	"image-sudo":            {"root"},
	"flake-sudo":            {"root"},
	"image-commands":        {"commands"},
	"image-status-file":     {"storage-status"},
}

// quiet are the causes that come by nobody hearing the console: another that was
// named there is no matter of console=.
var quiet = regexp.MustCompile(`^(no-kernel-console|[a-z]+-silent|[a-z]+-hangs)$`)

// cameNotSoFar begins what a scenario says of a boot that is not its own subject.
const cameNotSoFar = "the boot did not come so far: "

// causes finds the one cause of what is broken in several places: of boots that
// failed at a step that the image's own check explains, and of boots that failed
// in the same way.
func causes(a *Audit) {
	conditions := map[string]string{} // of the steps, and which they are
	for _, row := range a.Runtime.rows() {
		if slices.Contains(steps, row.ID) {
			conditions[row.Condition] = row.ID
		}
	}
	without := slices.Concat(a.Host.rows(), a.Image.rows())
	var first []*Row // of each cause that a boot showed
	for _, row := range a.Runtime.rows() {
		row.Step, row.Cause = row.ID, row.Detail
		if rest, is := strings.CutPrefix(row.Detail, cameNotSoFar); is && row.ID == booted {
			for condition, step := range conditions {
				if cause, is := strings.CutPrefix(rest, condition+": "); is {
					row.Step, row.Cause = step, cause
				}
			}
			if row.Step == booted {
				_, row.Cause, _ = strings.Cut(rest, ": ")
			}
		}
		if !bad(row.Outcome) || row.Because != nil {
			continue
		}
		if because := explanation(without, row); because != nil {
			row.Because = because
			continue
		}
		if because := quoted(without, row); because != nil {
			row.Because, row.notBegun = because, true
			continue
		}
		same := slices.IndexFunc(first, func(other *Row) bool {
			return other.On == row.On && other.test != row.test && other.Outcome == row.Outcome && alike(other) == alike(row)
		})
		if same >= 0 && len(row.Cause) > 20 {
			row.Because, row.notBegun = first[same], first[same].notBegun
			continue
		}
		first = append(first, row)
	}
}

// explanation is the row, of those that need no boot, by which a step failed.
func explanation(rows []*Row, row *Row) *Row {
	trip := tripID(row.Cause)
	for _, other := range rows {
		if other.On != row.On || other.Because != nil || other.Outcome != check.Broken && other.Outcome != check.Absent ||
			!slices.Contains(explains[other.ID], row.Step) {
			continue
		}
		if strings.HasSuffix(other.ID, "-console") && trip != "" && !quiet.MatchString(trip) {
			continue
		}
		return other
	}
	return nil
}

// quoted is the row whose words another's repeat: what kept it from being begun.
func quoted(rows []*Row, row *Row) *Row {
	for _, other := range rows {
		if row.Outcome == check.Unknown && other.On == row.On && bad(other.Outcome) && other.Because == nil &&
			len(other.Detail) > 20 && strings.Contains(row.Detail, other.Detail) {
			return other
		}
	}
	return nil
}

var tripwire = regexp.MustCompile(`^([a-z][a-z0-9]*(?:-[a-z0-9]+)+): `)

// tripID is the tripwire that names a cause, or "".
func tripID(cause string) string {
	if m := tripwire.FindStringSubmatch(cause); m != nil {
		return m[1]
	}
	return ""
}

var number = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// alike is a cause without its times, its counts and its VM's name.
func alike(row *Row) string {
	return number.ReplaceAllString(strings.ReplaceAll(row.Cause, path.Base(row.test), "VM"), "0")
}

// Root is the row to blame in the end; a row that nothing is to blame for is its
// own.
func (r *Row) Root() *Row {
	for range 10 {
		if r.Because == nil {
			break
		}
		r = r.Because
	}
	return r
}

// folded are the rows that have root for their cause: those that were not tried,
// and those that were seen to fail by it.
func folded(rows []*Row, root *Row) (untried, failed []*Row) {
	for _, row := range rows {
		switch {
		case row == root || row.Root() != root:
		case row.untried():
			untried = append(untried, row)
		default:
			failed = append(failed, row)
		}
	}
	return untried, failed
}
