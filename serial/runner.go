package serial

import (
	"context"
	"fmt"
	"io/fs"
)

// Runner runs commands as root in the guest. Its methods may be called from
// several goroutines at once.
//
// Run runs a shell command (sh, standard input empty) and returns what it wrote
// and its exit status; a status other than 0 is no error. The command's limit
// is the context's deadline, or DefaultLimit: the guest ends it a moment before,
// and the error is then context.DeadlineExceeded, with what had been written in
// the result. Output of more than MaxOutput bytes is an error, and so is output
// that did not arrive whole. A process that the command leaves running must not
// hold its output open, or Run waits for it too.
//
// Put writes a file whole or not at all; Get reads one. Both compare the
// SHA-256 digests of the two ends.
type Runner interface {
	Run(ctx context.Context, command string) (Result, error)
	Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error
	Get(ctx context.Context, path string) ([]byte, error)
}

// Result is what became of a command.
type Result struct {
	Stdout []byte
	Stderr []byte
	Status int
}

// Err is nil for exit status 0, else it names the status and the last of what
// the command had to say.
func (r Result) Err() error {
	if r.Status == 0 {
		return nil
	}
	said := r.Stderr
	if len(said) == 0 {
		said = r.Stdout
	}
	return fmt.Errorf("exit status %d: %s", r.Status, tail(string(said), 500))
}
