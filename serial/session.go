package serial

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits of a command.
const (
	// DefaultLimit ends a command whose context has no deadline.
	DefaultLimit = 3 * time.Minute
	// MaxOutput is the most that a command may write to stdout or to stderr,
	// and the most that Get reads, in bytes.
	MaxOutput = 8 << 20
)

//go:embed agent.sh
var agent string

// session is the host's half of a conversation with an agent (agent.sh). Each
// request has a number, is idempotent, and is repeated until it is answered;
// pieces of an answer that noise destroyed are asked for again; and what arrived
// counts only when its digest is the guest's.
type session struct {
	key string
	// send writes a request to the guest.
	send func(ctx context.Context, p []byte) error
	// silent is called when nothing came for the time of patience; its error
	// ends the command.
	silent   func(ctx context.Context) error
	patience time.Duration // longest silence between repeats of a question
	giveUp   time.Duration // silence after which the agent is given up
	block    int           // bytes sent to the guest without an answer
	limit    int           // MaxOutput, but for tests

	sending chan struct{} // holds one token while a request is being sent

	mu   sync.Mutex
	jobs map[uint32]*job
	next uint32
	old  []uint32 // jobs whose files the guest may remove
	dead error    // why there will be no more answers
	gone chan struct{}
}

// job is one numbered request and what has come back for it.
type job struct {
	id    uint32
	woken chan struct{} // has a token when something came

	// Under session.mu:
	wants string    // the acknowledgement that is awaited
	acked bool      // it has come
	heard time.Time // of the last frame
	uid   string
	meta  *meta
	out   stream
	errs  stream
	fins  int
}

func newSession(key string, send func(context.Context, []byte) error) *session {
	s := &session{
		key: key, send: send,
		silent:   func(context.Context) error { return nil },
		patience: 3 * time.Second, giveUp: 45 * time.Second,
		block: 48 << 10, limit: MaxOutput,
		sending: make(chan struct{}, 1),
		jobs:    map[uint32]*job{},
		// An agent may outlive its host (in a saved machine): its next host
		// must not reuse a number.
		next: rand.Uint32N(1 << 30),
		gone: make(chan struct{}),
	}
	return s
}

// newKey is a session's key: letters only, and long enough not to occur.
func newKey() string {
	key := make([]byte, 8)
	for i := range key {
		key[i] = 'a' + byte(rand.IntN(26))
	}
	return string(key)
}

// die ends all jobs: the way to the guest is gone.
func (s *session) die(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = err
		close(s.gone)
	}
}

func (s *session) newJob() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	j := &job{id: s.next, woken: make(chan struct{}, 1), wants: "0", heard: time.Now()}
	s.jobs[j.id] = j
	return j
}

// expect says which acknowledgement is awaited next; of a new job it is "0".
func (s *session) expect(j *job, arg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.wants, j.acked = arg, false
}

func (s *session) acked(j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.acked
}

// take files a frame with its job.
func (s *session) take(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[f.job]
	if j == nil {
		return
	}
	j.heard = time.Now()
	switch f.kind {
	case frameHello:
		j.uid = f.arg
	case frameAck:
		j.acked = j.acked || f.arg == j.wants
	case frameMeta:
		// The first one stays: a repeated one would be written while run reads.
		if m, ok := parseMeta(f.data); ok && j.meta == nil {
			j.meta = m
		}
	case frameStdout:
		j.out.add(f, s.limit)
	case frameStderr:
		j.errs.add(f, s.limit)
	case frameFin:
		j.fins++
	}
	select {
	case j.woken <- struct{}{}:
	default:
	}
}

// ask sends a line to the agent.
func (s *session) ask(ctx context.Context, line string) error {
	select {
	case s.sending <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.gone:
		return s.dead
	}
	defer func() { <-s.sending }()
	return s.send(ctx, request(s.key, line))
}

var errDumb = errors.New("the guest's agent has not answered")

// soon is the silence after which a short question is first repeated.
const soon = 500 * time.Millisecond

// await repeats a question after a silence of patience, then less and less
// often, until done holds; that is called with s.mu held.
func (s *session) await(ctx context.Context, j *job, patience time.Duration, question func() error, done func() bool) error {
	delay := patience
	quiet := time.NewTimer(delay)
	defer quiet.Stop()
	for {
		s.mu.Lock()
		ok, heard, dead := done(), j.heard, s.dead
		s.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if ok {
			return nil
		}
		if dead != nil {
			return dead
		}
		select {
		case <-j.woken:
			delay = patience
			quiet.Reset(delay)
			continue
		case <-s.gone:
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-quiet.C:
		}
		if err := s.silent(ctx); err != nil {
			return err
		}
		if since := time.Since(heard); since > s.giveUp {
			return fmt.Errorf("%w for %s", errDumb, since.Round(time.Second))
		}
		if err := question(); err != nil {
			return err
		}
		delay = min(2*delay, s.patience)
		quiet.Reset(delay)
	}
}

// hello waits for the agent and returns its uid.
func (s *session) hello(ctx context.Context) (string, error) {
	j := s.newJob()
	defer s.forget(j)
	line := fmt.Sprintf("h %d", j.id)
	question := func() error { return s.ask(ctx, line) }
	if err := question(); err != nil {
		return "", err
	}
	err := s.await(ctx, j, soon, question, func() bool { return j.uid != "" })
	return j.uid, err
}

func (s *session) forget(j *job) {
	s.mu.Lock()
	delete(s.jobs, j.id)
	s.mu.Unlock()
}

// Errors for data that did not arrive as it was.
var (
	errCut  = errors.New("the output that arrived is not what the guest's digest says")
	errSent = errors.New("what was sent to the guest arrived damaged")
)

// withLimit bounds ctx by [DefaultLimit] where it has no deadline of its own.
func withLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultLimit)
}
