package iso

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// option is an assignment of a unit file.
type option struct {
	section, name, value string
	file, line           int32 // which of the unit's, and its last line
}

// parseUnit reads the text of a unit file or a drop-in, as systemd.syntax(7)
// has it: comments may stand between the lines that a backslash joins, and
// what is no assignment is ignored.
func parseUnit(text string) ([]option, error) {
	var options []option
	section, n := "", 0
	var whole strings.Builder // of the lines that are joined
	text = strings.TrimPrefix(text, "\uFEFF")
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if start := strings.TrimLeft(line, " \t"); start != "" && strings.ContainsRune("#;", rune(start[0])) {
			continue
		}
		before := strings.TrimRight(line, `\`)
		if (len(line)-len(before))%2 == 1 { // an odd one is not escaped
			whole.WriteString(line[:len(line)-1] + " ")
			continue
		}
		if whole.Len() > 0 {
			line = whole.String() + line
			whole.Reset()
		}
		next, o, err := parseLine(section, line)
		if err != nil {
			return options, fmt.Errorf("line %d: %w", n, err)
		}
		if section = next; o.name != "" {
			o.line = int32(n)
			options = append(options, o)
		}
	}
	if whole.Len() > 0 {
		if _, o, err := parseLine(section, whole.String()); err == nil && o.name != "" {
			o.line = int32(n)
			options = append(options, o)
		}
	}
	return options, nil
}

// parseLine is the section after a line, and the assignment that it is.
func parseLine(section, line string) (string, option, error) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "[") {
		if !strings.HasSuffix(line, "]") {
			return section, option{}, fmt.Errorf("a section's name without its end: %.60q", line)
		}
		return line[1 : len(line)-1], option{}, nil
	}
	name, value, ok := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" || section == "" || !utf8.ValidString(line) {
		return section, option{}, nil
	}
	return section, option{section: section, name: name, value: strings.TrimSpace(value)}, nil
}

// dependencies cannot be reset to an empty list: what a unit file has, its
// drop-ins can only add to (systemd.unit(5), Example 2).
var dependencies = []string{
	"Requires", "Requisite", "Wants", "BindsTo", "PartOf", "Upholds", "Conflicts", "Before", "After", "OnFailure", "OnSuccess",
	"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom", "JoinsNamespaceOf",
}

// All is every value of a setting that may be repeated; an empty one clears
// those before it, except where the setting is a dependency.
func (u Unit) All(section, name string) []string {
	var all []string
	for _, o := range u.options {
		switch {
		case o.section != section || o.name != name:
		case o.value != "":
			all = append(all, o.value)
		case section != "Unit" || !slices.Contains(dependencies, name):
			all = nil
		}
	}
	return all
}

// Last is the value of a setting that counts once.
func (u Unit) Last(section, name string) string {
	if all := u.All(section, name); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// Words is the words of all values of a setting that lists them.
func (u Unit) Words(section, name string) []string {
	var all []string
	for _, value := range u.All(section, name) {
		all = append(all, words(value)...)
	}
	return all
}

// Environment is the variables that the unit sets for its programs.
func (u Unit) Environment() map[string]string {
	env := map[string]string{}
	for _, w := range u.Words("Service", "Environment") {
		if name, value, ok := strings.Cut(w, "="); ok {
			env[name] = value
		}
	}
	return env
}

// words splits a value as systemd does: at blanks outside quotes.
func words(s string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	started, escaped := false, false
	for _, c := range s {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '"' || c == '\'':
			quote, started = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if started {
				all = append(all, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if started {
		all = append(all, word.String())
	}
	return all
}
