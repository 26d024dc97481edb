package serial

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/syntax"
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
	acks  map[string]string // arg -> data
	heard time.Time         // of the last frame
	uid   string
	meta  *meta
	out   stream
	errs  stream
	fins  int
}

type meta struct {
	status string
	out    digest
	errs   digest
}

// digest is of a stream's base64: its lines, and the cksum(1) of them.
type digest struct {
	lines int
	sum   uint32
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
	j := &job{id: s.next, woken: make(chan struct{}, 1), acks: map[string]string{}, heard: time.Now()}
	s.jobs[j.id] = j
	return j
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
		j.acks[f.arg] = f.data
	case frameMeta:
		if m, ok := parseMeta(f.data); ok {
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

func parseMeta(data string) (*meta, bool) {
	part := strings.Split(data, "/")
	if len(part) != 5 {
		return nil, false
	}
	var n [4]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(part[i+1], 10, 32); err != nil {
			return nil, false
		}
	}
	if n[0] > MaxOutput || n[1] > MaxOutput {
		return nil, false
	}
	return &meta{status: part[0], out: digest{int(n[0]), uint32(n[2])}, errs: digest{int(n[1]), uint32(n[3])}}, true
}

// stream is the output of a job as far as it has come: its lines of base64.
type stream struct {
	at   map[int]string
	size int
}

// add files a line. bash lets the guest keep twice as much as other shells do,
// whose ulimit -f counts in 512 bytes and not in 1024; more is no guest of ours.
func (s *stream) add(f frame, limit int) {
	n, err := strconv.Atoi(f.arg)
	if err != nil || n < 0 || f.data == "" || s.size > 2*encoded(limit) {
		return
	}
	if s.at == nil {
		s.at = map[int]string{}
	}
	s.size += len(f.data) - len(s.at[n])
	s.at[n] = f.data
}

// encoded is how long n bytes are as lines of base64, and some more.
func encoded(n int) int { return (n/3+1)*4*66/64 + 2*maxFrame }

// whole is asked at each frame: most of the time the number tells.
func (s *stream) whole(lines int) bool {
	return len(s.at) >= lines && len(s.missing(lines)) == 0
}

type span struct{ from, to int }

// missing are the holes in that many lines.
func (s *stream) missing(lines int) []span {
	var holes []span
	next := 0
	for _, n := range slices.Sorted(maps.Keys(s.at)) {
		if n >= lines {
			break
		}
		if n > next {
			holes = append(holes, span{next, n})
		}
		next = n + 1
	}
	if next < lines {
		holes = append(holes, span{next, lines})
	}
	return holes
}

// join is the output, of which no line is missing. What is larger than limit
// was cut by the guest, and is only told from what is not; else it is nil
// unless the guest's digest is that of its lines.
func (s *stream) join(want digest, limit int) []byte {
	var text, all []byte
	for n := range want.lines {
		data, err := base64.StdEncoding.DecodeString(s.at[n])
		if err != nil {
			return nil
		}
		text = append(append(text, s.at[n]...), '\n')
		all = append(all, data...)
	}
	if len(all) > limit {
		return all
	}
	if want.lines > 0 && cksum(text) != want.sum {
		return nil
	}
	return append([]byte{}, all...)
}

// ask sends a line to the agent. rest, if any, follows it unframed.
func (s *session) ask(ctx context.Context, line string, rest []byte) error {
	select {
	case s.sending <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.gone:
		return s.dead
	}
	defer func() { <-s.sending }()
	return s.send(ctx, append(request(s.key, line), rest...))
}

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
		if err := ctx.Err(); err != nil {
			return err
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
			return ctx.Err()
		case <-quiet.C:
		}
		if err := s.silent(ctx); err != nil {
			return err
		}
		if since := time.Since(heard); since > s.giveUp {
			return fmt.Errorf("the guest's agent has not answered for %s", since.Round(time.Second))
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
	question := func() error { return s.ask(ctx, line, nil) }
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

// place puts the file that was sent in blocks where it belongs.
const place = `n=%[1]s; t=$n.part$$; f=$d/%[2]d
cat "$f".p* >"$t" || exit
rm -f "$f".p*
if [ "$(sha256sum <"$t")" != '%[3]x  -' ]; then rm -f "$t"; echo '%[4]s' >&2; exit 125; fi
chmod %[5]o "$t" && mv -f "$t" "$n"
`

const notWhole = "bootaudit: what was sent did not arrive whole"

// withLimit bounds ctx by [DefaultLimit] where it has no deadline of its own.
func withLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultLimit)
}

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
		inline = escape(fmt.Sprintf(assemble, sha256.Sum256([]byte(script)), notWhole))
	}
	line := fmt.Sprintf("r %d %d %s", j.id, encoded(s.limit)/512, inline)
	if err := s.ask(ctx, line, nil); err != nil {
		return Result{}, s.wrap(command, err)
	}
	limit, stopped := s.limitJob(ctx, j)
	defer stopped()
	question := func() error {
		// r is not run twice, and q costs the guest less.
		if _, acked := s.acked(j, "0"); !acked {
			return s.ask(ctx, line, nil)
		}
		return s.ask(ctx, fmt.Sprintf("q %d", j.id), nil)
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
			return
		case <-over.Done():
		}
		late = true
		for _, signal := range []string{"TERM", "KILL"} {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = s.ask(ctx, fmt.Sprintf("k %d %s", j.id, signal), nil)
			select {
			case <-ctx.Done():
			case <-done:
			}
			cancel()
			select {
			case <-done:
				return
			default:
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
	_ = s.ask(ctx, line, nil)
}

func (s *session) wrap(command string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run %q in the guest: %w", tail(command, 200), err)
}

func (s *session) acked(j *job, arg string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := j.acks[arg]
	return data, ok
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
		lines := s.holes(j)
		if len(lines) == 0 {
			return nil
		}
		if have := j.out.size + j.errs.size; have > best {
			best, rounds = have, 0
		}
		for _, line := range lines {
			if err := s.ask(ctx, line, nil); err != nil {
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

// holes are the questions for what is missing of a job's output, some at a time.
func (s *session) holes(j *job) (lines []string) {
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
	return lines
}

// write brings data into the job's files in the guest (ID.p000000, ...), a
// block at a time, each acknowledged.
func (s *session) write(ctx context.Context, j *job, data []byte) error {
	select {
	case s.sending <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.gone:
		return s.dead
	}
	// Nothing else may be sent between the line and the block's acknowledgement:
	// the guest's head(1) might take it for part of the block.
	defer func() { <-s.sending }()
	for at := 0; at == 0 || at < len(data); at += s.block {
		block := data[at:min(at+s.block, len(data))]
		text := base64.StdEncoding.EncodeToString(block)
		name := fmt.Sprintf("%09d", at)
		body := append(request(s.key, fmt.Sprintf("w %d %s %d", j.id, name, len(text))), text...)
		// Should the guest have lost some of the block, it waits for the rest:
		// blank lines make it up, and hurt nothing otherwise.
		question := func() error {
			if err := s.send(ctx, []byte(strings.Repeat("\n", len(text)))); err != nil {
				return err
			}
			return s.send(ctx, body)
		}
		if err := s.send(ctx, body); err != nil {
			return err
		}
		err := s.await(ctx, j, s.patience, question, func() bool { _, ok := j.acks[name]; return ok })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	name, err := syntax.Quote(path, syntax.LangPOSIX)
	if err != nil {
		return fmt.Errorf("put %q in the guest: %w", path, err)
	}
	ctx, cancel := withLimit(ctx)
	defer cancel()
	j := s.newJob()
	defer s.forget(j)
	if err := s.write(ctx, j, data); err != nil {
		return fmt.Errorf("put %s in the guest: %w", name, err)
	}
	r, err := s.run(ctx, fmt.Sprintf(place, name, j.id, sha256.Sum256(data), notWhole, mode.Perm()))
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return fmt.Errorf("put %s in the guest: %w", name, err)
	}
	return nil
}

func (s *session) get(ctx context.Context, path string) ([]byte, error) {
	name, err := syntax.Quote(path, syntax.LangPOSIX)
	if err != nil {
		return nil, fmt.Errorf("get %q from the guest: %w", path, err)
	}
	r, err := s.run(ctx, "cat -- "+name)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("get %s from the guest: %w", name, err)
	}
	return r.Stdout, nil
}
