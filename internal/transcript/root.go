package transcript

import (
	"bytes"
	"regexp"
	"strings"

	"bootaudit/internal/screen"
)

// questions are the commands that were typed, of which an answer is awaited.
type questions struct {
	uid    []question // for the uid, the last few
	status bool       // the storage status was asked for
	active bool       // whether the service is active was asked for
}

// question is a command that asks for the uid.
type question struct {
	command string
	zero    string // what it prints for uid 0, when that is a word
}

// note remembers a command.
func (q *questions) note(command string) {
	// What runs as root for one command holds no shell.
	if len(command) < 512 && (strings.Contains(command, "id -u") || command == "id") && !asOther.MatchString(command) {
		if len(q.uid) >= 16 {
			q.uid = append(q.uid[:0], q.uid[1:]...)
		}
		q.uid = append(q.uid, question{command, wordForZero(command)})
	}
	q.status = q.status || strings.Contains(command, "storage-status")
	q.active = q.active || strings.Contains(command, "is-active") && strings.Contains(command, "pre-nixos")
}

var asOther = regexp.MustCompile(`\b(?:sudo|ssh|su|doas|runuser|pkexec)\b.*\bid\b`)

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
func (a *analyzer) uid(text []byte, l screen.Line, in wordSet) {
	if len(text) > 200 || len(a.asked.uid) == 0 && !in.has(wordID) {
		return
	}
	mark, uid, ok := marked(text)
	if !ok && len(text) > 64 && !in.has(wordID) {
		return // no answer, and no question
	}
	for _, q := range a.asked.uid {
		switch {
		// A file may end amid a line: "0" may be the beginning of "004l".
		case string(text) == "0" && l.End != screen.Open && a.command == "id -u" && q.command == "id -u",
			in.has(wordUID) && bytes.HasPrefix(text, []byte("uid=0(root)")) && a.command == "id" && q.command == "id",
			q.zero != "" && string(text) == q.zero,
			ok && uid == "0" && strings.Contains(q.command, mark):
			a.isRoot(text, l)
			return
		}
	}
	// What is typed before there is a prompt is echoed as a line of its own.
	if in.has(wordID) {
		a.asked.note(string(text))
	}
}

// marked splits an answer of the form MARK uid MARK.
func marked(line []byte) (mark, uid string, ok bool) {
	for digits := 2 - len(line)%2; digits <= 10 && digits < len(line); digits += 2 {
		half := (len(line) - digits) / 2
		if half < 4 || line[0] != line[half+digits] || !bytes.Equal(line[:half], line[half+digits:]) {
			continue
		}
		mark, uid = string(line[:half]), string(line[half:half+digits])
		if strings.Trim(uid, "0123456789") == "" && strings.Trim(mark, "0123456789") != "" {
			return mark, uid, true
		}
	}
	return "", "", false
}

var uidTest = regexp.MustCompile(`\$\(id -u\)"? (?:-eq|==?) "?0"? \]{1,2}; then echo "?([\w-]{3,})"?; else echo "?([\w-]{3,})"?`)

// wordForZero is what a command of the form "if uid is 0 then echo A else echo
// B" prints for uid 0.
func wordForZero(command string) string {
	m := uidTest.FindStringSubmatch(command)
	if m == nil || m[1] == m[2] {
		return ""
	}
	return m[1]
}
