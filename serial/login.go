package serial

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bootaudit/serial/watch"
)

// Account is whom Login and Root may log in as. The zero value waits for an
// automatic login and knows no password.
type Account struct {
	User     string
	Password string
	// RootPassword is for su; an empty one is tried, too.
	RootPassword string
	// RootBy are the commands that make a root shell, in the order to try; nil
	// is "sudo -i" and "su -".
	RootBy []string
}

// Who is who a shell belongs to, as the guest's id(1) said. It was read from an
// answer that the echo of the question cannot imitate.
type Who struct {
	User string
	UID  int
	By   string // "automatic login", "login", "sudo -i", "su -"
}

func (w Who) String() string { return fmt.Sprintf("%s (uid %d, by %s)", w.User, w.UID, w.By) }

// PassMenu boots the default entry of a boot menu by pressing Enter, and waits
// until the menu is gone. When the boot has come further there is nothing to do.
func (c *Console) PassMenu(ctx context.Context) error {
	w, err := c.begin(ctx, "boot menu, or a boot that has left it", nil)
	if err != nil {
		return err
	}
	defer w.end()
	var pressed time.Time
	for {
		// A menu that counts down redraws itself: its state settles.
		st, _, err := w.settled(settleTime, 2*time.Second)
		switch {
		case err != nil:
			return w.fail(err)
		case st == stateMenu && time.Since(pressed) > c.patient(5*time.Second):
			if err := w.send("\r"); err != nil {
				return w.fail(err)
			}
			pressed = time.Now()
		case st != stateMenu && st != stateNothing || c.Stage().Reached(watch.KernelLoad) || c.watch.Expected():
			return nil
		}
		if err := w.sleep(50 * time.Millisecond); err != nil {
			return w.fail(err)
		}
	}
}

// Login waits for a shell and says whose it is. What the screen shows decides:
// a boot menu is passed, an automatic login is awaited, a login prompt gets the
// account's user and password, a pager is left. Where a login has been reached
// and nothing that is known shows, Enter is pressed every two seconds (ten where
// it might answer a question for a password): what the guest writes to its
// console may hide a prompt. (An image that opens a program instead of a shell
// gets those Enters, too.)
func (c *Console) Login(ctx context.Context, account Account) (Who, error) {
	w, err := c.begin(ctx, "shell after login", nil)
	if err != nil {
		return Who{}, err
	}
	defer w.end()
	if err := c.leave(w); err != nil {
		return Who{}, w.fail(err)
	}
	c.poor = nil // another guest, maybe
	c.who, err = w.login(account)
	return c.who, w.fail(err)
}

// ErrNoUser is wrapped where the guest asks for a name, and the account has none.
var ErrNoUser = errors.New("there is no automatic login here, and no user was given")

func (w *wait) login(account Account) (Who, error) {
	by := "automatic login"
	users, passwords := 0, 0
	var acted time.Time
	for {
		st, line, err := w.see()
		if err != nil {
			return Who{}, err
		}
		switch st {
		case stateMenu:
			if time.Since(acted) > w.c.patient(5*time.Second) {
				acted = time.Now()
				err = w.send("\r")
			}
		case stateLogin:
			// Before an automatic login the bare prompt may show for a moment.
			if st, _, err = w.settled(w.c.patient(2*time.Second), w.c.patient(2500*time.Millisecond)); err != nil || st != stateLogin {
				break
			}
			if account.User == "" {
				return Who{}, fmt.Errorf("the guest asks who logs in (%q): %w", line, ErrNoUser)
			}
			if users++; users > 3 {
				return Who{}, fmt.Errorf("login as %s was refused %d times", account.User, users-1)
			}
			by, w.asks = "login", account.Password != ""
			err = w.submit(account.User)
		case statePassword:
			if by != "login" && answers(w.c.cfg.Answers, line) {
				break // it is, in a moment
			}
			if by != "login" {
				return Who{}, fmt.Errorf("the guest asks for a password (%q) although no user was named", line)
			}
			if passwords++; passwords > 3 {
				return Who{}, fmt.Errorf("the password of %s was refused %d times", account.User, passwords-1)
			}
			err = w.secret(account.Password)
		case stateInitrd, stateEmergency:
			return Who{}, fmt.Errorf("the screen shows %s: %q", st, line)
		case stateUser, stateRoot:
			who, err := w.identify()
			if errors.Is(err, errNoAnswer) {
				continue // it looked like a prompt
			}
			who.By = by
			return who, err
		}
		if err == nil {
			err = w.sleep(25 * time.Millisecond)
		}
		if err != nil {
			return Who{}, err
		}
	}
}

// submit types a line at a prompt, waits for its echo and presses Enter: before
// the guest has read the line, its old prompt must not be taken for a new one.
func (w *wait) submit(line string) error {
	if err := w.send(line); err != nil {
		return err
	}
	// Kernel text may break the echo: then Enter is pressed all the same.
	end := line[max(0, len(line)-12):]
	for start := time.Now(); time.Since(start) < w.c.patient(3*time.Second); {
		if strings.HasSuffix(w.c.screen.Line(), strings.TrimRight(end, " ")) {
			break
		}
		if err := w.sleep(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return w.send("\r")
}

// secret answers a password prompt, which shows no echo.
func (w *wait) secret(password string) error {
	w.asks, w.answered, w.answeredAt = false, w.c.sight().asked, time.Now()
	return w.send(password + "\r")
}

// errNoAnswer: nothing there runs a shell's commands.
var errNoAnswer = errors.New("no shell answers")

// quieten are settings of a shell that is talked to: no pager, no colours.
const quieten = "export PAGER=cat SYSTEMD_PAGER=cat GIT_PAGER=cat SYSTEMD_COLORS=0 NO_COLOR=1;"

// identify asks the shell at the prompt who it is.
func (w *wait) identify() (Who, error) {
	_, prompt := w.c.look()
	f, err := w.question("u=$(id -un)")
	if err != nil {
		return Who{}, err
	}
	uid, err := strconv.Atoi(f.arg)
	if err != nil {
		return Who{}, fmt.Errorf("id -u said %q", f.arg)
	}
	w.c.watch.ShellAnswered()
	who := Who{User: f.data, UID: uid}
	if uid == 0 && (who.User == "" || who.User == f.arg) {
		who.User = "root" // an initramfs may have no /etc/passwd
	}
	if w.c.asks = ""; uid == 0 {
		w.c.asks = prompt
	}
	return who, nil
}

// question asks the shell at the prompt for its user's number, and what u is after
// a command.
func (w *wait) question(command string) (frame, error) {
	for range 3 {
		key := newKey()
		w.c.proof++
		number := w.c.proof
		// The key's halves are joined by the shell only.
		err := w.submit(fmt.Sprintf(` %s%s;printf '@%%s.%d.u.%%s.%%s.%%s;\n' '%s''%s' "$(id -u)" "$u" "${#u}"`,
			quieten, command, number, key[:4], key[4:]))
		if err != nil {
			return frame{}, err
		}
		f, err := w.frame(newDeframer(key), w.c.patient(10*time.Second), func(f frame) bool {
			return f.kind == frameID && f.job == number
		})
		if errors.Is(err, errNoAnswer) {
			// Leave what may have swallowed the line: a half-typed word, a pager.
			if st, _ := w.c.look(); st == statePager {
				err = w.send("q")
			} else {
				err = w.send("\x15\r")
			}
			if err == nil {
				_, _, err = w.settled(settleTime, 2*time.Second)
			}
			if err != nil {
				return frame{}, err
			}
			continue
		}
		return f, err
	}
	return frame{}, errNoAnswer
}

// frame waits for a frame of the wanted kind; errNoAnswer after the patience.
func (w *wait) frame(d *deframer, patience time.Duration, wanted func(frame) bool) (got frame, err error) {
	ctx, cancel := context.WithTimeoutCause(w.ctx, patience, errNoAnswer)
	defer cancel()
	for found := false; !found; {
		text, err := w.text(ctx, window)
		if err != nil {
			return frame{}, err
		}
		n := d.feed(text, func(f frame) bool {
			got, found = f, wanted(f)
			return !found
		})
		w.c.queue.giveBack(text[n:])
	}
	return got, nil
}
