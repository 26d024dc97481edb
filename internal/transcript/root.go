package transcript

import (
	"bytes"
	"regexp"
	"strings"

	"bootaudit/internal/screen"
)

// questions are the commands that were typed, of which an answer is awaited.
type questions struct {
	uid    []string // commands with "id -u" in them, the last few
	status bool     // the storage status was asked for
	active bool     // whether the service is active was asked for
}

// note remembers a command. Commands that ask for logs are told by name when
// it matters, see forLog.
func (q *questions) note(command string) {
	if strings.Contains(command, "id -u") || command == "id" {
		if len(q.uid) >= 16 {
			q.uid = append(q.uid[:0], q.uid[1:]...)
		}
		if len(command) < 512 {
			q.uid = append(q.uid, command)
		}
	}
	q.status = q.status || strings.Contains(command, "storage-status")
	q.active = q.active || strings.Contains(command, "is-active") && strings.Contains(command, "pre-nixos")
}

func (q *questions) open() bool { return len(q.uid) > 0 || q.active }

// forLog is true of a command that prints what was printed before.
func (q *questions) forLog(command string) bool {
	return strings.Contains(command, "journalctl") || strings.Contains(command, "dmesg")
}

var rootPrompt = regexp.MustCompile(`^(?:\[?(?:\][0-2];[^$#\]]*)?root@[\w.-]+(?::| )[^$#\]]{0,200}\]?|[\w.-]*sh-\d[\d.]*)#(?: |$)`)

// rootPrompt takes a prompt of root's, which the guest has shown at the
// beginning of a line. The text of a prompt in somebody's command never stands
// there.
func (a *analyzer) rootPrompt(text []byte, l screen.Line) {
	if rootPrompt.Match(text) {
		a.isRoot(text, l)
	}
}

func (a *analyzer) isRoot(text []byte, l screen.Line) {
	a.stage("shell", l.Offset, string(text))
	if !a.out.Root {
		a.out.Root = true
		a.stage("root-shell", l.Offset, string(text))
		a.show("root", l.Offset, string(text))
	}
}

// uid takes the answer to a question for the uid. An answer is a whole line;
// the question, typed or echoed, has the same marks around "$(id -u)" instead
// of digits. A lone digit counts only behind "id -u" itself.
func (a *analyzer) uid(text []byte, l screen.Line) {
	if len(text) > 200 {
		return
	}
	line := string(text)
	for _, command := range a.asked.uid {
		switch {
		case line == "0" && a.command == "id -u" && command == "id -u",
			strings.HasPrefix(line, "uid=0(root)") && a.command == "id" && command == "id",
			testedAnswer(line, command):
			a.isRoot(text, l)
			return
		}
		if mark, uid, ok := marked(line); ok && uid == "0" && strings.Contains(command, mark) {
			a.isRoot(text, l)
			return
		}
	}
	// What is typed before there is a prompt is echoed as a line of its own.
	if strings.Contains(line, "$(id -u)") && !bytes.ContainsRune(text, '\x00') {
		a.asked.note(line)
	}
}

// marked splits an answer of the form MARK uid MARK.
func marked(line string) (mark, uid string, ok bool) {
	for digits := 1; digits <= 10 && digits < len(line); digits++ {
		half := (len(line) - digits) / 2
		if (len(line)-digits)%2 != 0 || half < 4 || line[:half] != line[half+digits:] {
			continue
		}
		uid = line[half : half+digits]
		if strings.Trim(uid, "0123456789") == "" && strings.Trim(line[:half], "0123456789") != "" {
			return line[:half], uid, true
		}
	}
	return "", "", false
}

var uidTest = regexp.MustCompile(`\$\(id -u\)"? (?:-eq|==?) "?0"? \]{1,2}; then echo "?([\w-]{3,})"?; else echo "?([\w-]{3,})"?`)

// testedAnswer is true when line is what the command prints for uid 0.
func testedAnswer(line, command string) bool {
	m := uidTest.FindStringSubmatch(command)
	return m != nil && line == m[1] && m[1] != m[2]
}
