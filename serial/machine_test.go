package serial

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// machine is a guest in this process: a terminal, and programs that are
// functions. It is there for what no real shell can have, a fake clock; what a
// shell, sudo or a getty do is written after the real ones, and the tests with a
// real shell hold the same questions against that.
type machine struct {
	port net.Conn
	work sync.WaitGroup
	gone chan struct{}

	// out holds a token while somebody writes: a fake clock stands still while
	// one waits for a mutex.
	out  chan struct{}
	echo bool   // under out
	raw  bool   // under out: keys count one by one
	line []byte // being typed, of the reader

	lines chan string
	keys  chan byte
	intr  chan struct{}

	files string        // the agent's folder
	slow  time.Duration // before a shell does anything

	prompt   string // of its shells, where they have no line editor
	lacks    string // a program that the agent needs
	sudo, su program
	// command runs what no program is known for, on behalf of the agent; a
	// status of -1 is its end, and the shell's.
	command func(line string) Result
}

type program func(m *machine)

// Panics that unwind a program.
type (
	interrupted struct{}
	hungUp      struct{}
)

// powerOn runs a getty, or whatever owns the console, on a machine of which the
// returned end is the host's.
func powerOn(t testing.TB, m *machine, first program) net.Conn {
	host, guest := net.Pipe()
	m.port, m.gone, m.out, m.echo = guest, make(chan struct{}), make(chan struct{}, 1), true
	m.lines, m.keys, m.intr = make(chan string, 10000), make(chan byte, 10000), make(chan struct{}, 100)
	m.files = t.TempDir()
	m.work.Go(m.listen)
	m.work.Go(func() {
		defer func() {
			if why := recover(); why != nil && why != (hungUp{}) && why != (interrupted{}) {
				panic(why)
			}
		}()
		first(m)
	})
	t.Cleanup(func() {
		guest.Close()
		m.work.Wait()
	})
	return host
}

func (m *machine) hold() (release func()) {
	m.out <- struct{}{}
	return func() { <-m.out }
}

// listen is the terminal's line discipline.
func (m *machine) listen() {
	defer close(m.gone)
	buf := make([]byte, 4096)
	for {
		n, err := m.port.Read(buf)
		if err != nil {
			return
		}
		for _, key := range buf[:n] {
			m.key(key)
		}
	}
}

func (m *machine) key(key byte) {
	defer m.hold()()
	show := func(text string) {
		if m.echo {
			_, _ = io.WriteString(m.port, text)
		}
	}
	switch {
	case m.raw:
		m.keys <- key
	case key == '\r' || key == '\n':
		show("\r\n")
		m.lines <- string(m.line)
		m.line = nil
	case key == 3:
		show("^C\r\n")
		m.line = nil
		m.intr <- struct{}{}
	case key == 0x15:
		show(strings.Repeat("\b \b", len(m.line)))
		m.line = nil
	default:
		show(string(key))
		m.line = append(m.line, key)
	}
}

func (m *machine) print(text string) {
	defer m.hold()()
	if _, err := io.WriteString(m.port, text); err != nil {
		panic(hungUp{})
	}
}

// note prints what no program has to do with.
func (m *machine) note(text string) {
	defer m.hold()()
	_, _ = io.WriteString(m.port, text)
}

// background prints a text after a while, whatever else goes on.
func (m *machine) background(after time.Duration, text string) {
	m.work.Go(func() {
		select {
		case <-time.After(after):
			m.note(text)
		case <-m.gone:
		}
	})
}

func (m *machine) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.intr:
		panic(interrupted{})
	case <-m.gone:
		panic(hungUp{})
	}
}

func (m *machine) readLine() string {
	select {
	case line := <-m.lines:
		return line
	case <-m.intr:
		panic(interrupted{})
	case <-m.gone:
		panic(hungUp{})
	}
}

// readKey waits for a key, where they count one by one.
func (m *machine) readKey() byte {
	select {
	case key := <-m.keys:
		return key
	case <-m.gone:
		panic(hungUp{})
	}
}

// pressed waits for a key at most so long.
func (m *machine) pressed(within time.Duration) bool {
	select {
	case <-m.keys:
		return true
	case <-time.After(within):
		return false
	case <-m.gone:
		panic(hungUp{})
	}
}

func (m *machine) mode(echo, raw bool) {
	defer m.hold()()
	m.echo, m.raw = echo, raw
}

func (m *machine) password(prompt string) string {
	m.print(prompt)
	m.mode(false, false)
	defer func() {
		m.mode(true, false)
	}()
	password := m.readLine()
	m.print("\r\n")
	return password
}

var (
	question = regexp.MustCompile(`printf '@%s\.(\d+)\.u\.[^']*' '(\w+)''(\w+)' "\$\(id -u\)" "\$u"`)
	booting  = regexp.MustCompile(`k='(\w+)''(\w+)';.* agent \$k (\d+) (\d+);`)
)

// shell is a login shell with a line editor, which ends with "exit".
func (m *machine) shell(user string) {
	prompt, uid := "\r\n\x1b[1;32m[\x1b]0;"+user+"@live: ~\a"+user+"@live:~]$\x1b[0m ", 1000
	if user == "root" {
		prompt, uid = "[root@live:~]# ", 0
	}
	prompt = "\x1b[?2004h" + prompt
	if m.prompt != "" {
		prompt = m.prompt
	}
	for {
		m.print(prompt)
		line, ok := m.edit()
		if !ok {
			continue
		}
		line = strings.TrimSpace(line)
		if line != "" {
			m.sleep(m.slow)
		}
		if ask := question.FindStringSubmatch(line); ask != nil {
			said := user
			if strings.Contains(line, "for p in "+needs+";") {
				said = "/" + m.lacks
			}
			m.print(fmt.Sprintf("@%s%s.%s.u.%d.%s.%d;\r\n", ask[2], ask[3], ask[1], uid, said, len(said)))
			continue
		}
		if start := booting.FindStringSubmatch(line); start != nil && m.lacks != "" {
			m.print("sh: " + m.lacks + ": not found\r\n")
			continue
		} else if start != nil {
			if m.agent(start[1]+start[2], uid) {
				return
			}
			continue
		}
		if ends := m.foreground(line); ends {
			return
		}
	}
}

// edit reads a line as readline does.
func (m *machine) edit() (line string, ok bool) {
	defer func() {
		if why := recover(); why == (interrupted{}) {
			line, ok = "", false
		} else if why != nil {
			panic(why)
		}
	}()
	line = m.readLine()
	if m.prompt == "" {
		m.print("\x1b[?2004l\r")
	}
	return line, true
}

// foreground runs a command until it ends or is interrupted.
func (m *machine) foreground(line string) (ends bool) {
	defer func() {
		if why := recover(); why == (interrupted{}) {
			ends = false
			m.mode(true, false)
		} else if why != nil {
			panic(why)
		}
	}()
	switch {
	case line == "" || strings.Contains(line, "dmesg -n 1; stty cols"):
	case line == "exit":
		return true
	case line == "sudo -i" || line == "sudo -n -i":
		m.sudo(m)
	case line == "su -":
		m.su(m)
	default:
		m.print("bash: " + line + ": command not found\r\n")
	}
	return false
}
