package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"bootaudit/contract/check"
)

type mdWriter struct {
	bytes.Buffer
	shown map[*Row]bool // evidence, once each
}

func (m *mdWriter) line(format string, args ...any) {
	fmt.Fprintf(m, format, args...)
	m.WriteByte('\n')
}

func mdOutcome(o check.Outcome) string {
	if bad(o) {
		return "**" + string(o) + "**"
	}
	return string(o)
}

// mdText escapes text so that Markdown shows it as it is, in a paragraph or a
// table's cell.
func mdText(s string) string {
	var b strings.Builder
	runes := []rune(strings.Join(strings.Fields(s), " "))
	for i, r := range runes {
		inWord := r == '_' && i > 0 && i+1 < len(runes) && isWord(runes[i-1]) && isWord(runes[i+1])
		if strings.ContainsRune("\\`*_[]<>&|#~$", r) && !inWord {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// mdIDs names rows.
func mdIDs(rows []*Row) string {
	var list []string
	for _, row := range rows {
		list = append(list, mdText(row.ID))
	}
	return strings.Join(list, ", ")
}

// mdLink is an address that ends where it ends: url.PathEscape leaves brackets.
func mdLink(address string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", "*", "%2A", "_", "%5F").Replace(address)
}

// mdCode is s as a code span whose fence is longer than any run of backticks
// in it.
func mdCode(s string) string {
	if s = strings.Join(strings.Fields(s), " "); s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// mdCell escapes a code span for a table, where a bar ends the cell even in code.
func mdCell(code string) string { return strings.ReplaceAll(code, "|", "\\|") }

func (m *mdWriter) fenced(language, text string) {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	m.line("%s%s\n%s\n%s", fence, language, strings.TrimRight(text, "\n"), fence)
	m.line("")
}

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
