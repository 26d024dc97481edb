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
func (r Report) Page() string { return r.page(false) }

// ColorPage is the same for a terminal, where the verdict, the remedy and the line
// itself stand out.
func (r Report) ColorPage() string { return r.page(true) }

func (r Report) page(p paint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.headline(p))
	r.cause(&b, p)
	if r.Problem != "" {
		fmt.Fprintf(&b, "The file could not be read to its end: %s\n", plain.Line(r.Problem))
	}
	if r.Verdict == verdict.Unclear && r.Last != nil {
		fmt.Fprintf(&b, "Its last line is line %d: %s\nThe open question: %s\n", r.Last.Number, short(plain.Line(r.Last.Line)), r.Question)
	}
	if len(r.Reached) > 0 {
		fmt.Fprintf(&b, "\nStages of the boot\n")
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, s := range r.Reached {
			when := ""
			if s.Seconds != nil {
				when = time.Duration(*s.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
			}
			fmt.Fprintf(table, "  %s\t%s\tline %d\t%s\n", s.Stage, when, s.Number, short(plain.Line(s.Line)))
		}
		table.Flush()
	}
	if len(r.Stages) > 0 {
		r.facts(&b)
	}
	if len(r.Noticed) > 0 {
		fmt.Fprintf(&b, "\nNoticed\n")
		for _, t := range r.Noticed {
			fmt.Fprintf(&b, "  %s (%s), line %d: %s\n    %s\n", t.ID, t.Means, t.Number, short(plain.Line(t.Line)), t.Remedy)
		}
	}
	fmt.Fprintf(&b, "\n%d bytes of console, format: %s\n", r.Bytes, r.Format)
	return b.String()
}

// cause says what ended the boot, or what was wrong in one that came to its end:
// that is of what the verdict does not look at.
func (r Report) cause(b *strings.Builder, p paint) {
	if r.Verdict == verdict.Fails {
		fmt.Fprintf(b, "%s %s\n", p.in(bold, "What to do:"), r.Remedy)
		if r.CauseLine > 0 {
			b.WriteByte('\n')
		}
		around := r.Around
		if len(around) == 0 && r.CauseLine > 0 {
			around = []Numbered{{r.CauseLine, r.CauseText}}
		}
		for _, line := range around {
			mark, text := ' ', plain.Line(line.Line)
			if line.Number == r.CauseLine {
				mark, text = '>', p.in(bold, text)
			}
			fmt.Fprintf(b, "%c %6d  %s\n", mark, line.Number, text)
		}
	}
	i := slices.IndexFunc(Causes, func(c Cause) bool { return c.ID == r.Cause })
	if i < 0 || r.Cause == "none" || r.Verdict == verdict.Fails && slices.ContainsFunc(verdict.Rows(), func(row verdict.Row) bool { return row.ID == r.Cause }) {
		return
	}
	fmt.Fprintf(b, "%s\n%s %s\n", p.in(red, sentence(Causes[i].Means)), p.in(bold, "What to do:"), Causes[i].Remedy)
	if shown, ok := r.evidence("cause"); ok {
		fmt.Fprintf(b, "Shown by line %d: %s\n", shown.Number, p.in(bold, plain.Line(shown.Line)))
	}
}

// facts are what a shell, the network and the disks had to say.
func (r Report) facts(b *strings.Builder) {
	var facts strings.Builder
	table := tabwriter.NewWriter(&facts, 0, 0, 2, ' ', 0)
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
		shown, ok := r.evidence(f.key)
		if !ok && (f.key != "root" || !slices.Contains(r.Stages, "shell")) {
			continue
		}
		if ok {
			where = fmt.Sprintf("line %d\t%s", shown.Number, short(plain.Line(shown.Line)))
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", f.name, plain.Line(f.value), where)
	}
	table.Flush()
	if facts.Len() > 0 {
		fmt.Fprintf(b, "\nFacts\n%s", facts.String())
	}
}

// headline is the verdict in one sentence.
func (r Report) headline(p paint) string {
	stage := r.Stage
	if stage == "" {
		stage = "no stage that is known"
	}
	say := func(verdict, rest string) string { return p.in(verdicts[r.Verdict], verdict) + rest }
	switch {
	case r.Bytes == 0:
		return say("The file is empty", ": no byte came from the console. See QEMU's own messages, and that the serial port is the one that was saved.")
	case r.Verdict == verdict.Boots:
		return say("It boots", fmt.Sprintf(": it came to %s.", stage))
	case r.Verdict == verdict.Fails:
		return say("It fails", fmt.Sprintf(", and came to %s (%s): %s", stage, r.Class, p.in(bold, sentence(r.Means))))
	case r.Stage == "" && len(r.Trips) == 0:
		return say("Unclear", ": nothing of a boot was recognised in this file. Check that it is a serial console's transcript or an asciicast of one.")
	default:
		return say("Unclear", fmt.Sprintf(": the console ends in %s, and shows neither a login nor what would keep it from one.", stage))
	}
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
