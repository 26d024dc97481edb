// Package command runs a program so that nothing of it outlives what it was
// started for: its process group ends with the context, with this process,
// however that dies, and with the go command that runs this process's tests.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Command is a program to run.
type Command struct {
	Args []string // the program's name or path, then its arguments
	Dir  string   // "" is the current folder
	Env  []string // nil is our own
	// Stdout and Stderr get the program's output; what is nil is kept instead.
	// Where both are the same, lines come in the order they were written in.
	Stdout, Stderr io.Writer
	// Grace is how long the group has after SIGTERM; 0 kills it at once.
	Grace time.Duration
	// MaxOutput bounds what is kept of a stream, in bytes; 0 is 4 MiB.
	MaxOutput int
}

// Output is the beginning of what a program wrote; Cut says that it wrote more.
type Output struct {
	Stdout, Stderr string
	Cut            bool
	CPU            time.Duration // that it has used, with the children that it waited for
}

// Error is how a program ended other than well.
type Error struct {
	Program string
	// Err is an *exec.ExitError when the program ended by itself. When it was
	// ended, it is the context's error, and wraps the context's cause.
	Err   error
	After time.Duration
	Words string // its last line on stderr
}

func (e *Error) Error() string {
	var exit *exec.ExitError
	s := ""
	switch {
	case errors.As(e.Err, &exit):
		s = fmt.Sprintf("%s ended with %v", e.Program, e.Err)
	case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, context.Canceled):
		s = fmt.Sprintf("%s was ended after %s: %v", e.Program, e.After.Round(100*time.Millisecond), e.Err)
	case errors.Is(e.Err, exec.ErrWaitDelay):
		s = fmt.Sprintf("%s ended, and left a process that holds its output", e.Program)
	default:
		s = fmt.Sprintf("%s could not be run: %v", e.Program, e.Err)
	}
	if e.Words != "" {
		s += ": " + e.Words
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs the program to its end. Its error is an [*Error].
func (c Command) Run(ctx context.Context) (Output, error) {
	limit := c.MaxOutput
	if limit == 0 {
		limit = 4 << 20
	}
	stdout, stderr := &Head{Limit: limit}, &Head{Limit: limit}
	last := &lastWords{}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, last)
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(c.Stderr, last)
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
		if c.Stdout == c.Stderr {
			cmd.Stdout = cmd.Stderr // one pipe for both
		}
	}
	start := time.Now()
	err := c.run(ctx, cmd)
	out := Output{Stdout: stdout.String(), Stderr: stderr.String(), Cut: stdout.Cut || stderr.Cut}
	if cmd.ProcessState != nil {
		out.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil {
		err = &Error{Program: filepath.Base(c.Args[0]), Err: err, After: time.Since(start), Words: last.String()}
	}
	return out, err
}

func (c Command) run(ctx context.Context, cmd *exec.Cmd) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if ctx.Err() != nil {
		return ended(ctx)
	}
	defer WatchGo(func() { end(errOrphan) })()
	death := syscall.SIGKILL
	if c.Grace > 0 {
		death = syscall.SIGTERM
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	// A pipe that a child of the program holds is not waited for longer.
	cmd.WaitDelay = max(c.Grace, time.Second)
	started, done := make(chan error), make(chan error, 1)
	go func() {
		// The death signal comes when the thread that forked ends, so this one
		// must live as long as the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	group := cmd.Process.Pid
	defer guard(group, c.Grace)()
	select {
	case err := <-done:
		if err != nil {
			endGroup(group, c.Grace)
		}
		return err
	case <-ctx.Done():
	}
	_ = syscall.Kill(-group, death)
	select {
	case <-done:
		endGroup(group, c.Grace)
	case <-time.After(c.Grace):
		_ = syscall.Kill(-group, syscall.SIGKILL)
		<-done
	}
	return ended(ctx)
}

// ended is the error of a program that was ended with its context.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// endGroup waits for what is left of a process group that was asked to end, and
// kills it when that takes too long.
func endGroup(group int, grace time.Duration) {
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(-group, 0) != nil {
			return
		}
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // it may just have ended
}

// guard ends the group when this process is gone: a death signal reaches the
// program alone, and none of the processes that it started. It is a shell that
// waits for the end of a pipe whose other end we hold.
func guard(group int, grace time.Duration) (stop func()) {
	script := `read -r _; kill -s KILL -- "-$0"`
	if grace > 0 {
		script = `read -r _; kill -s TERM -- "-$0"; sleep "$1"; kill -s KILL -- "-$0"`
	}
	ours, its, err := os.Pipe()
	if err != nil {
		return func() {} // the death signal is left
	}
	cmd := exec.Command("sh", "-c", script, fmt.Sprint(group), fmt.Sprintf("%.0f", max(grace.Seconds(), 1)))
	cmd.Stdin = ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	err = cmd.Start()
	ours.Close()
	if err != nil {
		its.Close()
		return func() {}
	}
	return func() {
		_ = cmd.Process.Kill() // before the pipe ends
		_ = cmd.Wait()
		its.Close()
	}
}

var errOrphan = errors.New("the go command that ran this is gone")

// WatchGo calls end when the go command that runs this test is gone: it is what
// gets killed when somebody ends `go test` by force, and would leave this
// process, and what it runs, to run on.
func WatchGo(end func()) (stop func()) {
	parent := os.Getppid()
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if err != nil || strings.TrimSpace(string(comm)) != "go" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if os.Getppid() != parent {
					end()
					return
				}
			}
		}
	}()
	return func() { close(done) }
}
