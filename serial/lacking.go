package serial

import (
	"fmt"
	"strings"
	"time"
)

// needs are the programs that the agent calls, shell builtins apart.
const needs = "base64 cksum head id mkdir rm sleep stty"

// lacking is an agent's error with the programs that the guest lacks for one: the
// smallest systems have few.
func (w *wait) lacking(err error) error {
	if w.over() != nil || w.send("\x03") != nil { // what was typed may still be read
		return err
	}
	if st, _, _ := w.shell(5 * time.Second); st != stateRoot && st != stateUser {
		return err
	}
	f, no := w.question("u=;for p in " + needs + ";do command -v $p >/dev/null||u=$u/$p;done") // the separator is one that frames have
	if no != nil || f.data == "" {
		return err
	}
	w.c.poor = fmt.Errorf("the guest has no %s: %w", strings.ReplaceAll(f.data[1:], "/", ", "), err)
	return w.c.poor
}
