package serial

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Account is whom Login and Root may log in as. The zero value waits for an
// automatic login and knows no password.
type Account struct {
	User     string
	Password string
	// RootPassword is for su; an empty one is tried, too.
	RootPassword string
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
	w, err := c.begin(ctx, "boot menu, or a boot that has left it")
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
		case st == stateMenu && time.Since(pressed) > 5*time.Second:
			if err := c.send(ctx, []byte("\r")); err != nil {
				return w.fail(err)
			}
			pressed = time.Now()
		case st != stateMenu && st != stateNothing || c.Stage().Reached(KernelLoad):
			return nil
		}
		if err := w.sleep(50 * time.Millisecond); err != nil {
			return w.fail(err)
		}
	}
}

// Login waits for a shell and says whose it is. What the screen shows decides:
// a boot menu is passed, an automatic login is awaited, a login prompt gets the
// account's user and password, a pager is left.
func (c *Console) Login(ctx context.Context, account Account) (Who, error) {
	w, err := c.begin(ctx, "shell after login")
	if err != nil {
		return Who{}, err
	}
	defer w.end()
	if err := c.leave(w); err != nil {
		return Who{}, w.fail(err)
	}
	who, err := w.login(account)
	return who, w.fail(err)
}

func (w *wait) login(account Account) (Who, error) {
	by := "automatic login"
	users := 0
	var acted, stuck time.Time
	for {
		st, line, err := w.settled(settleTime, 2*time.Second)
		if err != nil {
			return Who{}, err
		}
		if st != stateNothing {
			stuck = time.Time{}
		}
		switch st {
		case stateMenu:
			if time.Since(acted) > 5*time.Second {
				acted = time.Now()
				err = w.c.send(w.ctx, []byte("\r"))
			}
		case stateLogin:
			// Before an automatic login the bare prompt may show for a moment.
			if st, _, err = w.settled(2*time.Second, 2500*time.Millisecond); err != nil || st != stateLogin {
				break
			}
			if account.User == "" {
				return Who{}, fmt.Errorf("the guest asks who logs in (%q): there is no automatic login here, and no user was given", line)
			}
			if users++; users > 3 {
				return Who{}, fmt.Errorf("login as %s was refused %d times", account.User, users-1)
			}
			by = "login"
			err = w.submit(account.User)
		case statePassword:
			if by != "login" {
				return Who{}, fmt.Errorf("the guest asks for a password (%q) although no user was named", line)
			}
			err = w.secret(account.Password)
		case statePager:
			err = w.c.send(w.ctx, []byte("q"))
		case stateInitrd, stateEmergency:
			return Who{}, fmt.Errorf("the screen shows %s: %q", st, line)
		case stateUser, stateRoot:
			who, err := w.identify()
			if errors.Is(err, errNoAnswer) {
				continue // it looked like a prompt
			}
			who.By = by
			return who, err
		case stateNothing:
			// A prompt that kernel messages have pushed off the screen comes back
			// for an Enter.
			if stuck.IsZero() {
				stuck = time.Now()
			}
			if w.c.Stage().Reached(Login) && time.Since(stuck) > 10*time.Second {
				stuck = time.Now()
				err = w.c.send(w.ctx, []byte("\r"))
			}
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
	if err := w.c.send(w.ctx, []byte(line)); err != nil {
		return err
	}
	// Kernel text may break the echo: then Enter is pressed all the same.
	end := line[max(0, len(line)-12):]
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		if strings.HasSuffix(w.c.screen.Line(), strings.TrimRight(end, " ")) {
			break
		}
		if err := w.sleep(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return w.c.send(w.ctx, []byte("\r"))
}

// secret answers a password prompt, which shows no echo, and waits until the
// prompt has been left.
func (w *wait) secret(password string) error {
	if err := w.c.send(w.ctx, []byte(password+"\r")); err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < 3*time.Second; {
		if st, _ := w.c.look(); st != statePassword {
			return nil
		}
		if err := w.sleep(25 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// errNoAnswer: nothing there runs a shell's commands.
var errNoAnswer = errors.New("no shell answers")

// quieten are settings of a shell that is talked to: no pager, no colours.
const quieten = "export PAGER=cat SYSTEMD_PAGER=cat GIT_PAGER=cat SYSTEMD_COLORS=0 NO_COLOR=1;"

// identify asks the shell at the prompt who it is.
func (w *wait) identify() (Who, error) {
	for range 3 {
		key := newKey()
		w.c.proof++
		number := w.c.proof
		// The key's halves are joined by the shell only.
		err := w.submit(fmt.Sprintf(` %su=$(id -un);printf '@%%s.%d.u.%%s.%%s.%%s;\n' '%s''%s' "$(id -u)" "$u" "${#u}"`,
			quieten, number, key[:4], key[4:]))
		if err != nil {
			return Who{}, err
		}
		f, err := w.frame(newDeframer(key), 10*time.Second, func(f frame) bool {
			return f.kind == frameID && f.job == number
		})
		if errors.Is(err, errNoAnswer) {
			// Leave what may have swallowed the line: a half-typed word, a pager.
			if st, _ := w.c.look(); st == statePager {
				err = w.c.send(w.ctx, []byte("q"))
			} else {
				err = w.c.send(w.ctx, []byte("\x15\r"))
			}
			if err == nil {
				_, _, err = w.settled(settleTime, 2*time.Second)
			}
			if err != nil {
				return Who{}, err
			}
			continue
		}
		if err != nil {
			return Who{}, err
		}
		uid, err := strconv.Atoi(f.arg)
		if err != nil {
			return Who{}, fmt.Errorf("id -u said %q", f.arg)
		}
		return Who{User: f.data, UID: uid}, nil
	}
	return Who{}, errNoAnswer
}

// frame waits for a frame of the wanted kind; errNoAnswer after the patience.
func (w *wait) frame(d *deframer, patience time.Duration, wanted func(frame) bool) (frame, error) {
	var got frame
	found := false
	until := time.Now().Add(patience)
	err := w.c.read(func() error {
		if err := w.over(); err != nil {
			return err
		}
		if time.Now().After(until) {
			return errNoAnswer
		}
		return nil
	}, func(text []byte) bool {
		w.c.lines.open = w.c.lines.open[:0]
		d.feed(text, func(f frame) {
			if !found && wanted(f) {
				got, found = f, true
			}
		})
		return found
	}, nil)
	return got, err
}

// Root makes the shell on the console a root shell: sudo -i, and su - where
// sudo refuses. Login must have succeeded. The error names how each way failed.
func (c *Console) Root(ctx context.Context, account Account) (Who, error) {
	w, err := c.begin(ctx, "root shell")
	if err != nil {
		return Who{}, err
	}
	defer w.end()
	if err := c.leave(w); err != nil {
		return Who{}, w.fail(err)
	}
	who, err := w.become(account)
	return who, w.fail(err)
}

func (w *wait) become(account Account) (Who, error) {
	st, line, err := w.shell(30 * time.Second)
	if err != nil {
		return Who{}, err
	}
	if st != stateUser && st != stateRoot {
		return Who{}, fmt.Errorf("there is no shell to become root from: the screen shows %s %q", st, line)
	}
	who, err := w.identify()
	if err != nil {
		return Who{}, err
	}
	if who.UID == 0 {
		who.By = "login"
		return who, w.hush()
	}
	// Without a password to give, -n turns the question into an error.
	sudo := "sudo -n -i"
	if account.Password != "" {
		sudo = "sudo -i"
	}
	var refused []error
	for _, way := range []struct{ name, command, password string }{
		{"sudo -i", sudo, account.Password},
		{"su -", "su -", account.RootPassword},
	} {
		root, err := w.escalate(way.command, way.password)
		if err == nil && root.UID == 0 {
			root.By = way.name
			return root, w.hush()
		}
		if over := w.over(); over != nil {
			return Who{}, over
		}
		if err == nil {
			err = fmt.Errorf("it gave a shell of %s (uid %d)", root.User, root.UID)
		}
		refused = append(refused, fmt.Errorf("%s: %w", way.name, err))
	}
	return Who{}, fmt.Errorf("%s (uid %d) cannot become root: %w", who.User, who.UID, errors.Join(refused...))
}

// shell waits until the screen has settled on a shell's prompt.
func (w *wait) shell(patience time.Duration) (state, string, error) {
	for start := time.Now(); ; {
		st, line, err := w.settled(settleTime, 2*time.Second)
		if err != nil || st == stateUser || st == stateRoot || time.Since(start) > patience {
			return st, line, err
		}
		if st == statePager {
			if err := w.c.send(w.ctx, []byte("q")); err != nil {
				return st, line, err
			}
		}
	}
}

// escalate runs sudo or su and says who the shell after it is.
func (w *wait) escalate(command, password string) (Who, error) {
	if err := w.submit(command); err != nil {
		return Who{}, err
	}
	asked := 0
	for start := time.Now(); time.Since(start) < time.Minute; {
		st, line, err := w.settled(settleTime, 2*time.Second)
		if err != nil {
			return Who{}, err
		}
		switch st {
		case statePassword:
			if asked++; asked > 1 || password == "" && strings.HasPrefix(command, "sudo") {
				if err := w.c.send(w.ctx, []byte("\x03")); err != nil {
					return Who{}, err
				}
				if _, _, err := w.shell(10 * time.Second); err != nil {
					return Who{}, err
				}
				return Who{}, fmt.Errorf("it asks for a password (%q), and the one given is not right", line)
			}
			if err := w.secret(password); err != nil {
				return Who{}, err
			}
		case stateUser, stateRoot:
			said := after(w.c.Screen(), command)
			who, err := w.identify()
			if err == nil && who.UID != 0 && said != "" {
				err = refusal(said)
			}
			return who, err
		}
	}
	st, line := w.c.look()
	return Who{}, fmt.Errorf("no prompt came back: the screen shows %s %q", st, line)
}

// refusal names what sudo or su said.
func refusal(said string) error {
	for _, known := range []struct{ says, means string }{
		{"a password is required", "sudo asks for a password"},
		{"a terminal is required", "sudo asks for a password"},
		{"not in the sudoers file", "the user is not in the sudoers file"},
		{"not allowed to", "sudo does not allow it"},
		{"may not run sudo", "the user may not run sudo"},
		{"must be owned by uid 0", "sudo is not set-uid root"},
		{"no new privileges", "the shell may gain no privileges"},
		{"not found", "there is no such command"},
		{"Authentication failure", "the password is not right"},
		{"Permission denied", "permission denied"},
	} {
		if strings.Contains(said, known.says) {
			return fmt.Errorf("%s (%q)", known.means, said)
		}
	}
	return fmt.Errorf("refused: %q", said)
}

// after is what the screen shows between the last line that ends in command and
// the prompt, noise apart.
func after(text, command string) string {
	rows := strings.Split(strings.TrimRight(text, "\n "), "\n")
	for i := len(rows) - 1; i >= 0; i-- {
		if !strings.HasSuffix(strings.TrimRight(rows[i], " "), command) {
			continue
		}
		var said []string
		for _, row := range rows[i+1 : max(i+1, len(rows)-1)] {
			row = strings.TrimSpace(kernelText.ReplaceAllString(row, ""))
			if row != "" && !statusLine.MatchString(row) && row != "Password:" {
				said = append(said, row)
			}
		}
		return strings.Join(said, "; ")
	}
	return ""
}

// hush turns off what would talk into a root shell's answers.
func (w *wait) hush() error {
	if _, _, err := w.shell(10 * time.Second); err != nil {
		return err
	}
	line := fmt.Sprintf(" %sdmesg -n 1; stty cols %d rows %d", quieten, w.c.cfg.Cols, w.c.cfg.Rows)
	if err := w.submit(line); err != nil {
		return err
	}
	_, _, err := w.shell(10 * time.Second)
	return err
}
