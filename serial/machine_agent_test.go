package serial

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// agent is agent.sh as the machine's shell runs it: the same requests and
// frames. dead is true when a command has killed it and its shell.
func (m *machine) agent(key string, uid int) (dead bool) {
	m.mode(false, true)
	defer m.mode(true, false)
	readLine := func() string {
		var line []byte
		for key := m.readKey(); key != '\n' && key != '\r'; key = m.readKey() {
			line = append(line, key)
		}
		return string(line)
	}
	say := func(job, kind, arg, data string) {
		m.print(fmt.Sprintf("@%s.%s.%s.%s.%s.%d;\r\n", key, job, kind, arg, data, len(data)))
	}
	arrived := 0
	for say("0", "b", "0", ""); ; say("0", "b", strconv.Itoa(arrived), "") {
		line := readLine()
		if strings.HasPrefix(line, ".") {
			break
		}
		if part := strings.Fields(line); len(part) == 3 && part[0] == strconv.Itoa(arrived) && part[1] == strconv.Itoa(len(part[2])) {
			arrived++
		}
	}
	say("0", "h", strconv.Itoa(uid), "")
	type output struct {
		lines [2][]string // of stdout and stderr
		meta  string
	}
	jobs := map[string]output{}
	send := func(job string, stream, from, to int) {
		for n, line := range jobs[job].lines[stream] {
			if n >= from && n < to {
				say(job, "oe"[stream:stream+1], strconv.Itoa(n), line)
			}
		}
	}
	for {
		line, ok := strings.CutPrefix(readLine(), key+" ")
		size, line, _ := strings.Cut(line, " ")
		if !ok || size != strconv.Itoa(len(line)) {
			continue
		}
		part := strings.SplitN(line, " ", 4)
		switch job := part[1]; part[0] {
		case "h":
			say(job, "h", strconv.Itoa(uid), "")
		case "r":
			if _, ran := jobs[job]; !ran {
				r := m.command("f=" + filepath.Join(m.files, job) + "\n" + unescape(part[3]))
				if r.Status < 0 {
					return true
				}
				var o output
				var sums [2]uint32
				for stream, text := range [][]byte{r.Stdout, r.Stderr} {
					var b bytes.Buffer
					for piece := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(text)), consoleLine) {
						o.lines[stream] = append(o.lines[stream], string(piece))
						fmt.Fprintf(&b, "%s\n", piece)
					}
					sums[stream] = cksum(b.Bytes())
				}
				o.meta = fmt.Sprintf("%d/%d/%d/%d/%d", r.Status, len(o.lines[0]), len(o.lines[1]), sums[0], sums[1])
				jobs[job] = o
			}
			say(job, "a", "0", "")
			send(job, 0, 0, len(jobs[job].lines[0]))
			send(job, 1, 0, len(jobs[job].lines[1]))
			say(job, "m", "0", jobs[job].meta)
		case "q":
			say(job, "m", "0", jobs[job].meta)
		case "g":
			var stream string
			var from, to int
			_, _ = fmt.Sscan(part[2]+" "+part[3], &stream, &from, &to)
			send(job, strings.Index("oe", stream), from, to)
			say(job, "f", strconv.Itoa(from), stream)
		case "w":
			size, _ := strconv.Atoi(part[3])
			block := make([]byte, size)
			for i := range block {
				block[i] = m.readKey()
			}
			data, _ := base64.StdEncoding.DecodeString(string(block))
			_ = os.WriteFile(filepath.Join(m.files, job+".p"+part[2]), data, 0o600)
			say(job, "a", part[2], "")
		case "x":
			say(job, "a", "0", "")
			return false
		}
	}
}

// localShell runs a command of the machine's agent for real: it takes no time of
// a fake clock.
func localShell(line string) Result {
	cmd := exec.Command("sh", "-c", line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		return Result{Stderr: []byte(err.Error()), Status: 127}
	}
	return Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Status: cmd.ProcessState.ExitCode()}
}

var octal = regexp.MustCompile(`\\0([0-7]{3})|\\n`)

// unescape is what printf %b makes of an escaped command.
func unescape(text string) string {
	return octal.ReplaceAllStringFunc(text, func(code string) string {
		if code == `\n` {
			return "\n"
		}
		n, _ := strconv.ParseUint(code[2:], 8, 8)
		return string([]byte{byte(n)})
	})
}
