package serial

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"bootaudit/internal/quote"
)

// consoleLine is the number of base64 characters in a frame on the console:
// short, since a kernel message destroys the frame it falls into.
const consoleLine = 64

// consoleLooks is how often the console's agent finds that its terminal has hung
// up before it ends. That of a control line never does: it waits for the next
// host, be it in a saved machine or in one that is kept for a person.
const consoleLooks = 5

// fallback is an agent in the console's root shell. It serves where the guest
// has no second port, and to start the control line where it has one.
type fallback struct {
	s *session
	d *deframer
}

// Run implements [Runner] on the console itself, for a guest without a second
// port. Login and Root must have succeeded. One command runs at a time.
func (c *Console) Run(ctx context.Context, command string) (r Result, err error) {
	err = c.withAgent(ctx, "answer of the console's root shell", func(ctx context.Context, s *session) error {
		r, err = s.run(ctx, command)
		return err
	})
	return r, err
}

// Put implements [Runner], see Run.
func (c *Console) Put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	return c.withAgent(ctx, "file put through the console", func(ctx context.Context, s *session) error {
		return s.put(ctx, path, data, mode)
	})
}

// Get implements [Runner], see Run.
func (c *Console) Get(ctx context.Context, path string) (data []byte, err error) {
	err = c.withAgent(ctx, "file got through the console", func(ctx context.Context, s *session) error {
		data, err = s.get(ctx, path)
		return err
	})
	return data, err
}

// withAgent runs work while the console's text is read for the agent's frames.
// A trip of before does not end it: what was wrong is to be looked into.
func (c *Console) withAgent(ctx context.Context, want string, work func(context.Context, *session) error) error {
	w, err := c.begin(ctx, want, c.tripErr())
	if err != nil {
		return err
	}
	defer w.end()
	if err := w.agent(); err != nil {
		return w.fail(err)
	}
	return w.converse(func(ctx context.Context) error { return work(ctx, c.root.s) })
}

// converse reads frames until work has returned.
func (w *wait) converse(work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(w.ctx)
	reading, stop := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	s, d := w.c.root.s, w.c.root.d
	s.silent = w.silence
	var result error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result = work(ctx)
		stop(errDone)
	}()
	take := func(f frame) bool {
		s.take(f)
		return true
	}
	for {
		text, err := w.text(reading, window)
		d.feed(text, take)
		switch {
		case err == nil:
			continue
		case !errors.Is(err, errDone):
			cancel(err)
			<-done
			return w.fail(err)
		}
		for _, waited := range []error{context.DeadlineExceeded, context.Cause(ctx), errDumb, errRootLost} {
			if waited != nil && errors.Is(result, waited) {
				return w.fail(result)
			}
		}
		return result // the guest answered, if not what was hoped for
	}
}

var errDone = errors.New("the work is done")

var errRootLost = errors.New("root was lost")

// silence looks at the screen when the agent does not answer.
func (w *wait) silence(context.Context) error {
	switch st, line := w.c.look(); st {
	case statePager:
		return w.send("q")
	case stateLogin, stateUser, stateRoot, stateInitrd, stateEmergency:
		if err := w.sleep(settleTime); err != nil {
			return err
		}
		if again, same := w.c.look(); again != st || same != line {
			return nil
		}
		w.c.root = nil
		return fmt.Errorf("%w: the screen shows %s %q", errRootLost, st, line)
	}
	return nil
}

// boot is typed at a root shell's prompt. It reads the agent, line by line and
// each acknowledged, from a terminal without echo, and runs it. The key's halves
// are joined by the shell only, so that the echo of this line holds no frame.
const boot = ` o=$(stty -g);stty -echo -icanon min 1 time 0 -isig -ixon -tostop;i=0;a=;k='%s''%s';` +
	`printf '@%%s.0.b.%%s..0;\n' $k $i;while read -r n s l;do [ "$n" = . ]&&break;` +
	`[ "$n $s" = "$i ${#l}" ]&&a=$a$l&&i=$((i+1));printf '@%%s.0.b.%%s..0;\n' $k $i;done;` +
	`sh -c "$(printf %%s "$a"|base64 -d)" agent $k %d %d;stty "$o"`

// agent starts an agent in the console's root shell, unless one runs.
func (w *wait) agent() error {
	if w.c.root != nil {
		return nil
	}
	if w.c.poor != nil {
		return w.c.poor
	}
	key := newKey()
	d := newDeframer(key)
	next := 0
	arrived := func(want string) func(frame) bool {
		return func(f frame) bool { return f.kind == frameBoot && f.arg == want || f.kind == frameHello && want == "" }
	}
	for try := 0; ; try++ {
		// With noise on the console no prompt may ever settle: then try all the same.
		st, line, err := w.shell(5 * time.Second)
		if err != nil {
			return err
		}
		switch {
		case st == stateUser && line == w.c.asks:
			// Its prompt does not tell root from others; the agent says whose it is.
		case slices.Contains([]state{stateLogin, stateUser, statePassword, stateInitrd, stateEmergency}, st):
			return fmt.Errorf("there is no root shell on the console: the screen shows %s %q", st, line)
		}
		// Ctrl-U takes away what may be typed already. Where noise has destroyed
		// the answer, any line gets another, this one, too.
		if err := w.send(fmt.Sprintf("\x15"+boot+"\r", key[:4], key[4:], consoleLine, consoleLooks)); err != nil {
			return err
		}
		_, err = w.frame(d, w.c.patient(10*time.Second), arrived("0"))
		if err == nil {
			break
		}
		if try == 2 || !errors.Is(err, errNoAnswer) {
			return w.lacking(fmt.Errorf("start an agent in the console's root shell: %w", err))
		}
	}
	text := base64.StdEncoding.EncodeToString([]byte(agent))
	const size = 900 // a terminal's line holds 4095 bytes, its buffer as many
	for ; len(text) > 0; next++ {
		part := text[:min(size, len(text))]
		if _, err := w.tell(d, fmt.Sprintf("%d %d %s\n", next, len(part), part), arrived(fmt.Sprint(next+1))); err != nil {
			return fmt.Errorf("send an agent to the console's root shell: %w", err)
		}
		text = text[len(part):]
	}
	s := newSession(key, w.c.send)
	s.block = 1 << 10
	s.patience, s.giveUp = 4*time.Second, w.c.patient(s.giveUp)
	// A running agent answers the second line again, should noise have destroyed
	// its first word.
	hello, err := w.tell(d, ".\n"+string(request(key, "h 0")), arrived(""))
	if err != nil {
		return w.lacking(fmt.Errorf("run an agent in the console's root shell: %w", err))
	}
	// The line typed above is no command whose output explains what comes next.
	w.c.watch.Asked(false)
	w.c.root = &fallback{s: s, d: d}
	if hello.arg != "0" {
		return errors.Join(fmt.Errorf("the console's shell is not root's: uid %s", hello.arg), w.c.leave(w))
	}
	return nil
}

// tell sends a line until its answer comes.
func (w *wait) tell(d *deframer, line string, answer func(frame) bool) (f frame, err error) {
	for range 5 {
		if err = w.send(line); err != nil {
			return frame{}, err
		}
		if f, err = w.frame(d, w.c.patient(5*time.Second), answer); !errors.Is(err, errNoAnswer) {
			return f, err
		}
	}
	return f, err
}

// leave ends the console's agent, so that its shell has its prompt again.
func (c *Console) leave(w *wait) error {
	if c.root == nil {
		return nil
	}
	s, d := c.root.s, c.root.d
	j := s.newJob()
	defer s.forget(j)
	bye := string(request(s.key, fmt.Sprintf("x %d", j.id)))
	for try := 0; ; try++ {
		if err := w.send(bye); err != nil {
			return err
		}
		_, err := w.frame(d, s.patience, func(f frame) bool { return f.job == j.id && f.kind == frameAck })
		if errors.Is(err, errNoAnswer) && try < 9 {
			if err = w.silence(w.ctx); err == nil {
				continue
			}
		}
		c.root = nil
		if err != nil && w.over() == nil {
			// A lost root shell is for the caller to find: it looks at the screen.
			return nil
		}
		return err
	}
}

// Release gives the console to a person: the agent that [Console.Run] has started
// ends, and its shell shows its prompt again. What tripped before is no hindrance.
func (c *Console) Release(ctx context.Context) error {
	w, err := c.begin(ctx, "prompt of the console's shell", c.tripErr())
	if err != nil {
		return err
	}
	defer w.end()
	return w.fail(c.leave(w))
}

// start runs an agent on the guest's device, in the background. Of a virtio port
// there may be only the kernel's name; it can be opened once, so read-write.
const start = `dev=%s
if ! [ -c "$dev" ]; then
	for n in /sys/class/virtio-ports/*/name; do
		[ "$(cat "$n" 2>/dev/null)" = "${dev##*/}" ] && n=${n%%/name} && dev=/dev/${n##*/}
	done
fi
[ -c "$dev" ] || { echo "no such character device" >&2; exit 66; }
exec 4<>"$dev" || exit 66
case $dev in *tty*|*pts*) stty raw -echo <&4 || exit 66 ;; esac
s=$(command -v setsid)
$s sh -c %s agent %s %d 0 <&4 >&4 2>/dev/null 4>&- &
`

// Control opens a control line: a root shell in the guest on device, which is
// the guest's name ("/dev/virtio-ports/NAME" or "/dev/ttyS1") of what is port
// here. Login and Root must have succeeded. Control owns the port, also when it
// fails; the console's shell is left at its prompt.
func (c *Console) Control(ctx context.Context, port io.ReadWriteCloser, device string) (*Control, error) {
	key := newKey()
	ctl := newControl(port, key)
	ctl.s.giveUp = c.patient(ctl.s.giveUp)
	r, err := c.Run(ctx, fmt.Sprintf(start, quote.Word(device), quote.Word(agent), key, frameLine))
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a control line on %s in the guest: %w", device, err), ctl.Close())
	}
	uid, err := ctl.s.hello(ctx)
	if err == nil && uid != "0" {
		err = fmt.Errorf("its shell has uid %s, not 0", uid)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control line on %s: no answer from the guest: %w", device, err), ctl.Close())
	}
	if err := c.Release(ctx); err != nil {
		return nil, errors.Join(err, ctl.Close())
	}
	return ctl, nil
}
