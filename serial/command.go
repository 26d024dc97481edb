package serial

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxInline is the longest command, in bytes as sent, that travels in its
// request: a terminal holds no more than 4095 bytes that are not yet read, and
// the agent reads its lines byte by byte.
const maxInline = 1500

// assemble runs the script that was sent in blocks. $f is where the agent keeps
// the job's files.
const assemble = `cat "$f".p* >"$f.l" && rm -f "$f".p*
[ "$(sha256sum <"$f.l")" = '%[1]x  -' ] || { echo '%[2]s' >&2; exit 125; }
. "$f.l"
`

func (s *session) run(ctx context.Context, command string) (Result, error) {
	ctx, cancel := withLimit(ctx)
	defer cancel()
	j := s.newJob()
	defer s.forget(j)

	script := command + "\n"
	inline := escape(script)
	if len(inline) > maxInline {
		if err := s.write(ctx, j, []byte(script)); err != nil {
			return Result{}, s.wrap(command, err)
		}
		s.expect(j, "0")
		inline = escape(fmt.Sprintf(assemble, sha256.Sum256([]byte(script)), notWhole))
	}
	line := fmt.Sprintf("r %d %d %s", j.id, encoded(s.limit)/512, inline)
	if err := s.ask(ctx, line); err != nil {
		return Result{}, s.wrap(command, err)
	}
	limit, stopped := s.limitJob(ctx, j)
	defer stopped()
	question := func() error {
		// r is not run twice, and q costs the guest less.
		if !s.acked(j) {
			return s.ask(ctx, line)
		}
		return s.ask(ctx, fmt.Sprintf("q %d", j.id))
	}
	if err := s.await(ctx, j, soon, question, func() bool { return j.meta != nil }); err != nil {
		return Result{}, s.wrap(command, err)
	}
	late := stopped()
	result, err := s.fetch(ctx, j)
	if err != nil {
		return result, s.wrap(command, err)
	}
	s.drop(ctx, j)

	status := j.meta.status
	result.Status, err = strconv.Atoi(status)
	switch {
	case len(result.Stdout) > s.limit || len(result.Stderr) > s.limit:
		err = fmt.Errorf("output larger than %d bytes", s.limit)
		result.Stdout = result.Stdout[:min(len(result.Stdout), s.limit)]
		result.Stderr = result.Stderr[:min(len(result.Stderr), s.limit)]
	case result.Status == 125 && strings.TrimSpace(string(result.Stderr)) == notWhole:
		err = errSent
	case err != nil:
		err = fmt.Errorf("its exit status was lost: the shell that ran it was killed")
	case late:
		err = fmt.Errorf("ended by its limit of %s in the guest: %w", limit, context.DeadlineExceeded)
	}
	return result, s.wrap(command, err)
}

// limitJob has the guest end a job, and what it started, a moment before ctx's
// deadline, so that there is time to say what it had written; or at once when
// ctx is cancelled. stopped ends that and says whether it came to it.
func (s *session) limitJob(ctx context.Context, j *job) (limit time.Duration, stopped func() bool) {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	limit = (left - min(max(2*time.Second, left/10), left/2)).Round(time.Millisecond)
	over, cancel := context.WithTimeout(ctx, limit)
	done := make(chan struct{})
	late := false
	var work sync.WaitGroup
	work.Go(func() {
		select {
		case <-done:
			if ctx.Err() != nil {
				s.kill(ctx, j, "KILL") // nobody waits for what it would still say
			}
			return
		case <-over.Done():
		}
		late = true
		for _, signal := range []string{"TERM", "KILL"} {
			s.kill(ctx, j, signal)
			select {
			case <-done:
				if ctx.Err() == nil {
					return
				}
			case <-time.After(time.Second):
			}
		}
	})
	return limit, sync.OnceValue(func() bool {
		close(done)
		work.Wait()
		cancel()
		return late
	})
}

// kill is sent although ctx may have ended.
func (s *session) kill(ctx context.Context, j *job, signal string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.ask(ctx, fmt.Sprintf("k %d %s", j.id, signal))
}

// drop lets the guest remove a job's files, some jobs at a time.
func (s *session) drop(ctx context.Context, j *job) {
	s.mu.Lock()
	s.old = append(s.old, j.id)
	ids := s.old
	if len(ids) < 20 && j.out.size+j.errs.size < 1<<20 {
		s.mu.Unlock()
		return
	}
	s.old = nil
	s.mu.Unlock()
	line := "d"
	for _, id := range ids {
		line += " " + strconv.FormatUint(uint64(id), 10)
	}
	_ = s.ask(ctx, line)
}

func (s *session) wrap(command string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run %q in the guest: %w", head(command, 100), err)
}

// fetch waits for a job's output and asks again for what did not come.
func (s *session) fetch(ctx context.Context, j *job) (Result, error) {
	var r Result
	for range 4 {
		if err := s.fill(ctx, j); err != nil {
			return r, err
		}
		s.mu.Lock()
		r.Stdout, r.Stderr = j.out.join(j.meta.out, s.limit), j.errs.join(j.meta.errs, s.limit)
		if r.Stdout == nil {
			j.out = stream{}
		}
		if r.Stderr == nil {
			j.errs = stream{}
		}
		j.heard = time.Now()
		s.mu.Unlock()
		if r.Stdout != nil && r.Stderr != nil {
			return r, nil
		}
	}
	return Result{}, errCut
}

// fill asks for the lines that are missing until none is.
func (s *session) fill(ctx context.Context, j *job) error {
	// A guest that answers and sends nothing of what is asked for has nothing.
	for best, rounds := -1, 0; rounds < 30; rounds++ {
		lines, have := s.holes(j)
		if len(lines) == 0 {
			return nil
		}
		if have > best {
			best, rounds = have, 0
		}
		for _, line := range lines {
			if err := s.ask(ctx, line); err != nil {
				return err
			}
		}
		err := s.await(ctx, j, time.Second, func() error { return errQuiet }, func() bool {
			return j.fins >= len(lines) || j.out.whole(j.meta.out.lines) && j.errs.whole(j.meta.errs.lines)
		})
		if err != nil && !errors.Is(err, errQuiet) {
			return err
		}
	}
	return errCut
}

var errQuiet = errors.New("quiet")

// holes are the questions for what is missing of a job's output, some at a time,
// and how many bytes have come.
func (s *session) holes(j *job) (lines []string, have int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ask := func(name string, holes []span) {
		for _, h := range holes[:min(len(holes), 16)] {
			lines = append(lines, fmt.Sprintf("g %d %s %d %d", j.id, name, h.from, h.to))
		}
	}
	ask("o", j.out.missing(j.meta.out.lines))
	ask("e", j.errs.missing(j.meta.errs.lines))
	j.fins = 0
	return lines, j.out.size + j.errs.size
}
