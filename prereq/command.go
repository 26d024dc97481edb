package prereq

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"bootaudit/contract/check"
	"bootaudit/internal/command"
	"bootaudit/internal/quote"
)

// call is a program to run on a [host].
type call struct {
	Args []string // the program's name or path, then its arguments
	Dir  string   // "" is the current folder
	Env  []string // nil is the host's environment
}

// String is the command as a person would type it.
func (c call) String() string { return quote.Line(c.Args...) }

// output is what became of a [call].
type output struct {
	Stdout, Stderr string
	// Err is nil when the program ended with status 0. An *exec.ExitError in
	// it means that the program ran; a context error, that it was stopped.
	Err error
}

// maxOutput bounds what is kept of a program's output, in bytes per stream.
const maxOutput = 4 << 20

func runCommand(ctx context.Context, c call) output {
	out, err := command.Command{Args: c.Args, Dir: c.Dir, Env: c.Env, MaxOutput: maxOutput}.Run(ctx)
	// What it said stands in its output, and who asked names it.
	if e := (*command.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return output{Stdout: out.Stdout, Stderr: out.Stderr, Err: err}
}

// answer runs a program that is expected to end with status 0. Otherwise its
// result says what is wrong with the program.
func (a auditor) answer(ctx context.Context, cmd call) (output, *check.Result) {
	out := a.Run(ctx, cmd)
	if out.Err == nil {
		return out, nil
	}
	var r check.Result
	var exit *exec.ExitError
	switch {
	case errors.Is(out.Err, context.DeadlineExceeded):
		r = check.Break(fmt.Sprintf("%s did not end in time", cmd))
	case errors.As(out.Err, &exit):
		r = check.Break(fmt.Sprintf("%s ended with %v", cmd, exit))
		if words := firstLine(out.Stderr); words != "" {
			r.Detail += ": " + words
		}
	default:
		r = check.Break(fmt.Sprintf("%s could not be run: %v", cmd, out.Err))
	}
	r.Command, r.Evidence = cmd.String(), out.Stderr+out.Stdout
	return out, &r
}
