package serial

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"bootaudit/serial/watch"
)

// Root makes the shell on the console a root shell by the account's ways: sudo
// -i, and su - where sudo refuses, when it names none. Login must have
// succeeded. The error names how each way failed.
func (c *Console) Root(ctx context.Context, account Account) (Who, error) {
	w, err := c.begin(ctx, "root shell", nil)
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
	// Login has just asked; but a claim of root is always asked for anew.
	who := w.c.who
	w.c.who = Who{}
	if who.UID == 0 || st == stateRoot {
		if who, err = w.identify(); err != nil {
			return Who{}, err
		}
	}
	if who.UID == 0 {
		who.By = "login"
		return who, w.hush()
	}
	ways := account.RootBy
	if ways == nil {
		ways = []string{"sudo -i", "su -"}
	}
	var refused []error
	for _, way := range ways {
		command, password := way, account.Password
		switch {
		case !strings.HasPrefix(way, "sudo"):
			password = account.RootPassword
		case password == "":
			// Without a password to give, -n turns the question into an error.
			command = strings.Replace(way, "sudo", "sudo -n", 1)
		}
		root, err := w.escalate(command, password)
		if err == nil && root.UID == 0 {
			root.By = way
			return root, w.hush()
		}
		if over := w.over(); over != nil {
			return Who{}, over
		}
		if err == nil {
			err = fmt.Errorf("it gave a shell of %s (uid %d)", root.User, root.UID)
		}
		refused = append(refused, fmt.Errorf("%s: %w", way, err))
	}
	return Who{}, fmt.Errorf("%s (uid %d) cannot become root: %w", who.User, who.UID, errors.Join(refused...))
}

// shell waits until the screen has settled on a shell's prompt.
func (w *wait) shell(patience time.Duration) (state, string, error) {
	for start := time.Now(); ; {
		st, line, err := w.see()
		if err != nil || st == stateUser || st == stateRoot || time.Since(start) > w.c.patient(patience) {
			return st, line, err
		}
	}
}

// escalate runs sudo or su and says who the shell after it is.
func (w *wait) escalate(command, password string) (Who, error) {
	if err := w.submit(command); err != nil {
		return Who{}, err
	}
	w.asks = password != ""
	defer func() { w.asks = false }()
	asked := 0
	for start := time.Now(); time.Since(start) < w.c.patient(time.Minute); {
		st, line, err := w.see()
		if err != nil {
			return Who{}, err
		}
		switch st {
		case statePassword:
			if asked++; asked > 1 || password == "" && strings.HasPrefix(command, "sudo") {
				if err := w.interrupt(); err != nil {
					return Who{}, err
				}
				return Who{}, fmt.Errorf("it asks for a password (%q), and the one given is not right", line)
			}
			if err := w.secret(password); err != nil {
				return Who{}, err
			}
		case stateUser, stateRoot:
			said := after(w.c.Screen(), command, w.c.cfg.Notices)
			who, err := w.identify()
			if err == nil && who.UID != 0 && said != "" {
				err = refusal(said)
			}
			return who, err
		}
	}
	st, line := w.c.look()
	if err := w.interrupt(); err != nil {
		return Who{}, err
	}
	return Who{}, fmt.Errorf("no prompt came back: the screen shows %s %q", st, line)
}

// interrupt leaves what does not answer, so that the next command is not typed
// into it.
func (w *wait) interrupt() error {
	if err := w.send("\x03"); err != nil {
		return err
	}
	_, _, err := w.shell(10 * time.Second)
	return err
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
func after(text, command string, notices []*regexp.Regexp) string {
	rows := strings.Split(strings.TrimRight(text, "\n "), "\n")
	for i := len(rows) - 1; i >= 0; i-- {
		if !strings.HasSuffix(strings.TrimRight(rows[i], " "), command) {
			continue
		}
		var said []string
		for _, row := range rows[i+1 : max(i+1, len(rows)-1)] {
			row = strings.TrimSpace(kernelText.ReplaceAllString(row, ""))
			_, prompt := watch.PromptEnd([]byte(row)) // Enter was pressed there
			if row != "" && !prompt && !noise(row, notices) && row != "Password:" {
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
