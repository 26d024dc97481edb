package iso

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	// runitFolders are those of the services that runit starts; those of
	// /etc/sv are started where one of these links to them.
	runitFolders = []string{"/etc/runit/runsvdir/default", "/etc/runit/runsvdir/current", "/etc/service", "/var/service", "/service"}
	s6Folders    = []string{"/etc/s6-linux-init/current/run-image/service", "/run/service", "/etc/s6/sv", "/etc/s6/adminsv", "/etc/s6-rc/source", "/service"}
)

// startLine is a command that a service of the console starts.
type startLine struct {
	command []string
	file    string
	line    int
}

// serviceLogin is what the first of the lines that logs somebody in does, else
// what the first one does.
func (r *Root) serviceLogin(device, kind string, lines []startLine) (consoleLogin, error) {
	var first consoleLogin
	for _, s := range lines {
		l, err := r.begins(s.command, s.file, s.line, false)
		if err != nil || l.user != "" {
			return l, err
		}
		if first.at == "" {
			first = l
		}
	}
	if first.at == "" {
		return first, fmt.Errorf("%s %w %s", kind, errNoGetty, device)
	}
	return first, nil
}

// openRC is what OpenRC's agetty services start on a terminal (agetty-guide.md
// of OpenRC: a link /etc/init.d/agetty.ttyS0 in a runlevel, and its options in
// /etc/conf.d).
func (r *Root) openRC(device string) (lines []startLine) {
	files := r.together()
	for _, level := range r.names("/etc/runlevels") {
		for _, service := range r.names("/etc/runlevels/" + level) {
			name, tty, ok := strings.Cut(service, ".")
			if !ok || tty != device || name != "agetty" && name != "getty" {
				continue
			}
			s := startLine{[]string{name, tty}, "/etc/runlevels/" + level + "/" + service, 1}
			for _, conf := range []string{"/etc/conf.d/" + service, "/etc/conf.d/" + name} {
				text, err := files.read(conf, maxScript)
				if err != nil {
					continue
				}
				if v, ok := readVariables(text)["agetty_options"]; ok {
					s = startLine{append([]string{name}, append(words(v.value), tty)...), conf, v.line}
				}
				break // the service's own file is read in place of the other
			}
			if lines = append(lines, s); len(lines) > maxScripts {
				return lines
			}
		}
	}
	return lines
}

// runScripts is what the run scripts of the folders' services start on a
// terminal.
func (r *Root) runScripts(device string, folders []string) (lines []startLine) {
	files := r.together()
	left := maxScripts
	for _, folder := range folders {
		for _, service := range r.names(folder) {
			dir := folder + "/" + service
			if left--; left < 0 || r.exists(dir+"/down") {
				continue
			}
			text, err := files.read(dir+"/run", maxScript)
			if err != nil {
				continue
			}
			conf, _ := files.read(dir+"/conf", maxScript)
			for _, s := range readRun(text, conf, service) {
				if tty := terminalOf(s.command); tty == device || tty == "" && strings.HasSuffix(service, "-"+device) {
					s.file = dir + "/run"
					lines = append(lines, s)
				}
			}
		}
	}
	return lines
}

// setting is a value that a script sets, and where.
type setting struct {
	value string
	line  int
}

// What is made of a script is bounded beside its text.
const (
	maxVariables = 200
	maxCommands  = 2000
)

var assignment = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// readVariables are what a shell script sets, the last of each name.
func readVariables(text string) map[string]setting {
	all := map[string]setting{}
	for _, c := range readCommands(text) {
		w := c.words
		if w[0] == "export" {
			w = w[1:]
		}
		if len(w) != 1 { // what is set before a command is set for that alone
			continue
		}
		if m := assignment.FindStringSubmatch(w[0]); m != nil && len(m[2]) <= maxWord && len(all) < maxVariables {
			all[m[1]] = setting{m[2], c.line}
		}
	}
	return all
}

var parameter = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=]([^{}]*))?\})`)

// readRun is the commands of a service's run script, with the variables that it
// and its conf set. One that is made of the folder's name, as Void's tty is, is
// what follows the last dash of the service.
func readRun(text, conf, service string) (lines []startLine) {
	vars := readVariables(text)
	for name, v := range readVariables(conf) {
		vars[name] = v
	}
	value := func(name string) (string, bool) {
		v, ok := vars[name]
		if strings.Contains(v.value, "PWD") {
			return service[strings.LastIndex(service, "-")+1:], true
		}
		return v.value, ok && !strings.Contains(v.value, "$")
	}
	size, most := 0, maxGrowth*(len(text)+len(conf))+slack
	for _, c := range readCommands(text) {
		var command []string
		for _, w := range c.words {
			if strings.Contains(w, "$") {
				w = parameter.ReplaceAllStringFunc(w[:min(len(w), maxWord)], func(p string) string {
					m := parameter.FindStringSubmatch(p)
					if v, ok := value(m[1] + m[2]); ok {
						return v
					}
					return m[3]
				})
				// What had no quotes falls into words.
				command = append(command, words(w)...)
			} else {
				command = append(command, w)
			}
			if size += wordCost + len(w); size > most {
				return lines
			}
		}
		lines = append(lines, startLine{command: command, line: c.line})
	}
	return lines
}

// shellCommand is a simple command of a script.
type shellCommand struct {
	words []string
	line  int
}

var shellWords = map[string]bool{"if": true, "then": true, "else": true, "elif": true, "do": true, "while": true, "until": true, "!": true, "{": true, "(": true}

// readCommands cuts a shell script into simple commands, as far as that goes
// without running it.
func readCommands(text string) (all []shellCommand) {
	n := 0
	joined, from := "", 1
	for line := range strings.Lines(text) {
		n++
		if joined == "" {
			from = n
		}
		line = strings.TrimSpace(line)
		if before, ok := strings.CutSuffix(line, `\`); ok && len(joined) < maxCommand {
			joined += before + " "
			continue
		}
		line, joined = joined+line, ""
		for _, part := range splitCommands(line) {
			w := words(part)
			for len(w) > 0 && shellWords[w[0]] {
				w = w[1:]
			}
			if len(w) > 0 && len(all) < maxCommands {
				all = append(all, shellCommand{w, from})
			}
		}
	}
	return all
}

// splitCommands cuts a line at what stands between commands, and before its
// comment.
func splitCommands(line string) (parts []string) {
	start, quote := 0, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\\':
			i++
		case c == '\'' || c == '"':
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t' || line[i-1] == ';'):
			return append(parts, line[start:i])
		case c == '&' && i > 0 && strings.IndexByte("<>", line[i-1]) >= 0: // 2>&1
		case c == ';' || c == '|' || c == '&':
			parts = append(parts, line[start:i])
			start = i + 1
		}
	}
	return append(parts, line[start:])
}

// scriptLogin is the login that a script comes to on a console, or on the one that
// it is started on; ok is false where it has none.
func scriptLogin(file, text, device string) (l consoleLogin, ok bool) {
	if !strings.HasPrefix(text, "#!") {
		return consoleLogin{}, false
	}
	for _, s := range readRun(text, "", path.Base(file)) {
		by, at := startedBy(s.command), terminalOf(s.command)
		if by.user == "" || device != "" && at != "" && at != "console" && at != device {
			continue
		}
		l = consoleLogin{user: by.user, shell: by.shell, at: fmt.Sprintf("%s:%d", file, s.line), file: file}
		return l, true
	}
	return consoleLogin{}, false
}
