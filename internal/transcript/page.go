package transcript

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"bootaudit/internal/plain"
	"bootaudit/internal/verdict"
)

// Page is the report for a person to read. What the guest printed is stripped
// of everything that a terminal would act on.
func (r Report) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.headline())
	if r.Verdict == verdict.Fails {
		fmt.Fprintf(&b, "What to do: %s\n", r.Remedy)
		if r.CauseLine > 0 {
			fmt.Fprintf(&b, "Shown by line %d: %s\n", r.CauseLine, plain.Line(r.CauseText))
		}
	}
	// The causes that have a name are of what the verdict does not look at.
	cause := r.explain()
	told := r.Verdict == verdict.Fails && (r.Cause == "none" || !slices.ContainsFunc(Causes, func(c Cause) bool { return c.ID == r.Cause }))
	if !told {
		fmt.Fprintf(&b, "%s\n", sentence(cause.Means))
	}
	if cause.Remedy != "" && !told {
		fmt.Fprintf(&b, "What to do: %s\n", cause.Remedy)
	}
	if shown, ok := r.evidence("cause"); ok && !told {
		fmt.Fprintf(&b, "Shown by byte %d: %s\n", shown.Offset, plain.Line(shown.Line))
	}
	if r.Problem != "" {
		fmt.Fprintf(&b, "The file could not be read to its end: %s\n", plain.Line(r.Problem))
	}
	fmt.Fprintf(&b, "\nStages reached\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, stage := range r.Stages {
		when := ""
		if at, ok := r.Moments[stage]; ok {
			when = time.Duration(at * float64(time.Second)).Round(100 * time.Millisecond).String()
		}
		shown, _ := r.evidence("stage " + stage)
		fmt.Fprintf(table, "  %s\t%s\tbyte %d\t%s\n", stage, when, shown.Offset, short(plain.Line(shown.Line)))
	}
	table.Flush()
	if len(r.Stages) == 0 {
		fmt.Fprintf(&b, "  none: nothing of a boot was recognised\n")
	}
	fmt.Fprintf(&b, "\nFacts\n")
	table = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	root := "no uid 0 shell was held"
	if r.Root {
		root = "a uid 0 shell was held"
	}
	for _, f := range []struct{ name, key, value string }{
		{"logged in by itself", "autologin_user", or(r.AutologinUser)},
		{"root", "root", root},
		{"storage status", "storage_state", strings.TrimSuffix(or(r.StorageState)+", "+or(r.StorageDetail), ", not shown")},
		{"address on lan", "lan_ipv4", or(r.LANIPv4)},
		{"announcements of it", "lan_announcements", fmt.Sprint(r.LANAnnouncements)},
		{"switched off", "shutdown", string(r.Shutdown)},
	} {
		where := ""
		if shown, ok := r.evidence(f.key); ok {
			where = fmt.Sprintf("byte %d\t%s", shown.Offset, short(plain.Line(shown.Line)))
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", f.name, plain.Line(f.value), where)
	}
	table.Flush()
	if len(r.Trips) > 0 {
		fmt.Fprintf(&b, "\nNoticed on the way\n")
		for _, t := range r.Trips {
			fmt.Fprintf(&b, "  %s (%s), byte %d: %s\n    %s\n", t.ID, t.Means, t.Offset, short(plain.Line(t.Line)), t.Remedy)
		}
	}
	fmt.Fprintf(&b, "\n%d bytes of console, format: %s\n", r.Bytes, r.Format)
	return b.String()
}

// headline is the verdict in one sentence.
func (r Report) headline() string {
	stage := r.Stage
	if stage == "" {
		stage = "no stage that is known"
	}
	switch r.Verdict {
	case verdict.Boots:
		return fmt.Sprintf("It boots: it came to %s.", stage)
	case verdict.Fails:
		return fmt.Sprintf("It fails, and came to %s (%s): %s", stage, r.Class, sentence(r.Means))
	default:
		return fmt.Sprintf("Unclear: the console ends in %s, and shows neither a login nor what would keep it from one.", stage)
	}
}

// explain is the cause in words.
func (r Report) explain() Cause {
	if r.Bytes == 0 && r.Cause == "none" {
		return Cause{Means: "the file is empty: no byte came from the console",
			Remedy: "see QEMU's own messages, and that the serial port is the one that was saved"}
	}
	if len(r.Stages) == 0 && r.Cause == "none" {
		return Cause{Means: "nothing of a boot was recognised in this file",
			Remedy: "check that it is a serial console's transcript or an asciicast of one"}
	}
	if i := slices.IndexFunc(Causes, func(c Cause) bool { return c.ID == r.Cause }); i >= 0 {
		return Causes[i]
	}
	for _, t := range r.Trips {
		if t.ID == r.Cause {
			return Cause{ID: t.ID, Means: t.Means, Remedy: t.Remedy}
		}
	}
	return Cause{ID: r.Cause, Means: r.Cause}
}

func (r Report) evidence(fact string) (Evidence, bool) {
	for _, e := range r.Evidence {
		if e.Fact == fact {
			return e, true
		}
	}
	return Evidence{}, false
}

func or(s *string) string {
	if s == nil {
		return "not shown"
	}
	return *s
}

func sentence(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r) + "."
}

// short cuts a line to what fits beside other columns.
func short(s string) string {
	const most = 90
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
