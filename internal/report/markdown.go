package report

import (
	"fmt"
	"html"
	"io"
	"strings"

	"bootaudit/contract/check"
)

// Markdown writes report.md: GitHub-flavoured Markdown whose tables stay
// short, with the evidence in fenced blocks below them.
func (a *Audit) Markdown(w io.Writer) error {
	m := &mdWriter{}
	m.first(a)
	for i, why := range a.Partial {
		if i == 0 {
			m.line("> **This report is partial.**")
			m.line(">")
		}
		m.line("> - %s", mdText(why))
	}
	if len(a.Partial) > 0 {
		m.line("")
	}

	m.section(1, a.Host)
	m.section(2, a.Image)
	m.line("### %s", a.Gaps.Title)
	m.line("")
	m.groups(a.Gaps)
	if len(a.Risks) == 0 {
		m.line("No finding names a risk.")
	}
	for _, row := range a.Risks {
		m.line("- **%s:** %s", mdText(row.Title), mdText(row.Detail))
		if row.Risk != "" {
			m.line("  - What follows: %s", mdText(row.Risk))
		}
		if row.FollowUp != "" {
			m.line("  - What to do: %s", mdText(row.FollowUp))
		}
	}
	m.line("")
	m.section(3, a.Runtime)
	for _, vm := range a.VMs {
		m.boot(vm)
	}
	m.summary(a)
	m.followUps(a)
	_, err := w.Write(m.Bytes())
	return err
}

// first is what is read first.
func (m *mdWriter) first(a *Audit) {
	m.line("# %s", mdText(a.Verdict))
	m.line("")
	failed := a.Failed()
	if len(failed) > 0 {
		f := failed[0]
		if f.Do != "" {
			m.line("- **What to do:** %s", mdText(f.Do))
		}
		if f.Again != "" {
			m.line("- **Try it again:** %s", mdCode(f.Again))
		}
		if words := f.Folded(); words != "" {
			m.line("- **With it:** %s", mdText(words))
		}
		if n := len(failed) - 1; n > 0 {
			m.line("- **Besides:** [%s](#follow-ups)", plural(n, "other cause"))
		}
	}
	m.line("- **Result:** %s", mdText(a.Result()))
	m.line("")
	for _, fact := range a.Facts {
		m.line("- **%s:** %s", mdText(fact.Name), mdText(fact.Value))
	}
	m.line("")
	for _, vm := range a.VMs {
		m.line("- Boot of **%s** %s", mdText(vm.Name), mdText(vm.Line()))
	}
	m.line("")
}

func (m *mdWriter) section(number int, s Section) {
	m.line("## %d. %s", number, s.Title)
	m.line("")
	m.line("%s", mdText(s.Verdict))
	m.line("")
	m.groups(s)
}

func (m *mdWriter) groups(s Section) {
	for _, g := range s.Groups {
		if g.Title != "" {
			m.line("### %s", mdText(g.Title))
			m.line("")
		}
		if looked := g.Looked(); len(looked) > 0 {
			m.table(looked)
		}
		if untried := g.Untried(); len(untried) > 0 {
			m.line("Not tried, because %s: %s.", mdText(g.Blamed()), mdIDs(untried))
			m.line("")
		}
		if needless := g.Needless(); len(needless) > 0 {
			m.line("<details><summary>%s not needed: %s</summary>", plural(len(needless), "check"), html.EscapeString(ids(needless)))
			m.line("")
			m.table(needless)
			m.line("</details>")
			m.line("")
		}
		m.evidence(g.Looked())
	}
}

func (m *mdWriter) table(rows []*Row) {
	m.line("| Check | Condition | Command | Outcome | Evidence |")
	m.line("|---|---|---|---|---|")
	for _, row := range rows {
		seen := mdText(cleanLine(row.Detail, 200))
		if row.hasMore() {
			seen += fmt.Sprintf(" [more](#%s)", row.Anchor)
		}
		id := row.ID
		if row.On != "" {
			id += " on " + row.On
		}
		m.line("| %s | %s | %s | %s | %s |", mdText(id), mdText(row.Condition),
			mdCell(mdCode(cleanLine(row.Command, 120))), mdOutcome(row.Outcome), seen)
	}
	m.line("")
}

// hasMore tells whether a row has something that its table cannot hold.
func (r *Row) hasMore() bool {
	return r.Evidence != "" || len(r.Command) > 120 || len(r.Detail) > 200 ||
		r.Outcome != check.Holds && r.Outcome != check.NotNeeded
}

func (m *mdWriter) evidence(rows []*Row) {
	if m.shown == nil {
		m.shown = map[*Row]bool{}
	}
	for _, row := range rows {
		if !row.hasMore() || m.shown[row] {
			continue
		}
		m.shown[row] = true
		fold := !bad(row.Outcome)
		m.line(`<a id="%s"></a>`, row.Anchor)
		m.line("")
		if fold {
			// Markdown is not read inside a line of HTML.
			m.line("<details><summary>%s: %s</summary>", html.EscapeString(row.Title), html.EscapeString(cleanLine(row.Detail, 100)))
		} else {
			m.line("**%s** is %s: %s", mdText(row.Title), mdOutcome(row.Outcome), mdText(row.Detail))
		}
		m.line("")
		if because := row.Because; because != nil {
			m.line("By the same cause as [%s](#%s).", mdText(because.Title), because.Anchor)
			m.line("")
		} else if row.Remedy != "" && row.Outcome != check.NotNeeded {
			m.line("*Remedy:* %s", mdText(row.Remedy))
			m.line("")
		}
		var text []string
		if row.Ran {
			text = append(text, "$ "+row.Command)
		}
		if row.Evidence != "" {
			text = append(text, row.Evidence)
		}
		if len(text) > 0 {
			m.fenced("text", strings.Join(text, "\n"))
		}
		if fold {
			m.line("</details>")
			m.line("")
		}
	}
}

func (m *mdWriter) summary(a *Audit) {
	m.line("## 4. Summary of findings")
	m.line("")
	var head, rule, row strings.Builder
	for _, c := range a.Outcomes {
		fmt.Fprintf(&head, "| %s ", c.Outcome)
		rule.WriteString("|--:")
		fmt.Fprintf(&row, "| %d ", c.N)
	}
	m.line("%s|\n%s|\n%s|", head.String(), rule.String(), row.String())
	m.line("")
	for _, s := range []Section{a.Host, a.Image, a.Runtime} {
		m.line("- **%s.** %s", s.Title, mdText(s.Verdict))
	}
	for _, vm := range a.VMs {
		m.line("- Boot of %s: %s.", mdText(vm.Name), mdText(vm.Brief()))
	}
	m.line("")
	for _, p := range a.Problems {
		m.line("**%s**", mdText(p.Title))
		m.line("")
		if p.Output != "" {
			m.fenced("text", p.Output)
		}
	}
	if len(a.Slowest) > 0 {
		m.line("The slowest: %s.", mdText(a.slowest()))
		m.line("")
	}
	if a.Passed+len(a.Skipped) > 0 {
		m.line("Tests that are no checks: %d passed, %d skipped.", a.Passed, len(a.Skipped))
		m.line("")
	}
	for _, s := range a.Skipped {
		m.line("- skipped: %s: %s", mdText(s.Name), mdText(s.Why))
	}
	m.line("")
	if a.GoSaid != "" {
		m.line("<details><summary>What the go command said besides</summary>")
		m.line("")
		m.fenced("text", a.GoSaid)
		m.line("</details>")
		m.line("")
	}
}

func (a *Audit) slowest() string {
	var list []string
	for _, s := range a.Slowest {
		list = append(list, s.Name+" "+seconds(s.Seconds))
	}
	return strings.Join(list, ", ")
}

func (m *mdWriter) followUps(a *Audit) {
	m.line(`<a id="follow-ups"></a>`)
	m.line("")
	m.line("## 5. Recommended follow-ups")
	m.line("")
	if len(a.FollowUps) == 0 {
		m.line("Nothing is left to do.")
	}
	for i, f := range a.FollowUps {
		m.line("%d. **%s:** %s", i+1, f.Kind, mdText(f.Head()))
		if f.Do != "" {
			m.line("   → %s", mdText(f.Do))
		}
		if f.Again != "" {
			m.line("   again: %s", mdCode(f.Again))
		}
	}
}

// Result is the counts in a line.
func (a *Audit) Result() string {
	var parts []string
	for _, c := range a.Outcomes {
		if c.N == 0 && c.Outcome != check.Holds {
			continue
		}
		word := string(c.Outcome)
		if c.Outcome == check.Holds {
			word = "hold"
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.N, word))
	}
	if a.Folded > 0 {
		parts = append(parts, fmt.Sprintf("%d more by the same causes", a.Folded))
	}
	if n := len(a.Problems); n > 0 {
		parts = append(parts, plural(n, "other failure"))
	}
	return strings.Join(parts, ", ")
}
