package vmtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"bootaudit/internal/command"
)

// process is a running QEMU.
type process struct {
	pid    int
	stderr string // file
	done   chan struct{}
	ended  time.Time     // after done
	exited string        // after done: how it ended, in words
	cpu    time.Duration // after done; used by QEMU
	asked  atomic.Bool
	kills  uint64 // the host's count of out-of-memory kills at the start
}

// ErrNoQEMU is wrapped when there is no QEMU to start.
var ErrNoQEMU = errors.New("no QEMU on this host; install the package qemu-system-x86 (make setup does)")

// startProcess starts args. The kernel kills the child when this process dies,
// even by SIGKILL, unless keep is set: then the child is meant to outlive it.
func startProcess(args []string, stderr string, keep bool) (*process, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoQEMU, err)
	}
	log, err := os.Create(stderr)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own, so that Ctrl-C reaches us first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !keep {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	p := &process{stderr: stderr, done: make(chan struct{}), kills: oomKills()}
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that forked ends, so this
		// one must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		stop := command.WatchGo(func() { p.signal(syscall.SIGKILL) })
		p.exited = p.words(cmd.Wait())
		p.ended = time.Now()
		p.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		stop()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

// signal signals the child unless it has been reaped.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.asked.Store(true)
		_ = syscall.Kill(p.pid, s)
	}
}

// wait waits for the end for at most d.
func (p *process) wait(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

// exit says how QEMU ended, in words; after done.
func (p *process) exit() string { return p.exited }

// class is that of why QEMU ended, after done: a signal is the host's, and an end
// with an error tells of none by itself.
func (p *process) class() string {
	switch {
	case strings.HasPrefix(p.exited, "signal: ") && !p.asked.Load():
		return "host"
	case p.exited == "exit status 0":
		return ""
	}
	return unclear
}

// words say how QEMU ended, when it has: by then nobody else's end has been
// counted, and what we ask of it later had no part in it.
func (p *process) words(err error) string {
	if err == nil {
		return "exit status 0"
	}
	words := err.Error()
	var status *exec.ExitError
	if errors.As(err, &status) {
		ws, ok := status.Sys().(syscall.WaitStatus)
		switch {
		case !ok || !ws.Signaled():
		case ws.Signal() == syscall.SIGSYS:
			words += "; QEMU did what its sandbox denies (-sandbox in command.txt)"
		case ws.Signal() == syscall.SIGKILL && !p.asked.Load():
			words += ", not by us"
			if oomKills() > p.kills {
				words += "; the host ran out of memory meanwhile and its kernel killed somebody: give the host or its cgroup more, or the machine less"
			}
		}
	}
	return words
}

// lastWords is the end of what QEMU wrote to its stderr.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.stderr)
	if err != nil {
		return ""
	}
	if most := 4 << 10; len(text) > most {
		text = text[len(text)-most:]
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(text, []byte("?"))))
}

// oomKills is the kernel's count of processes killed for memory, by the whole
// host's shortage or a cgroup's.
func oomKills() uint64 {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}
