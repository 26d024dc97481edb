package serial

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"bootaudit/serial/watch"
)

// state is what a person who looks at the screen would say that the guest is
// doing.
type state string

const (
	stateNothing   state = "nothing that is known"
	stateMenu      state = "a boot menu"
	stateKernel    state = "the boot in progress"
	stateInitrd    state = "an initrd shell"
	stateEmergency state = "emergency mode"
	stateActivate  state = "a console that waits for Enter"
	stateLogin     state = "a login prompt"
	stateAutologin state = "an automatic login"
	statePassword  state = "a password prompt"
	stateChecking  state = "a password that is being checked"
	stateUser      state = "a user's shell"
	stateRoot      state = "a root shell"
	statePager     state = "a pager"
)

// prompts are what the line looks like that waits for a person, blanks at its
// end apart. The first that matches counts.
var prompts = []struct {
	state   state
	pattern *regexp.Regexp
	loose   bool // other lines may look like it
}{
	{stateEmergency, re(`^Press Enter for (?:system )?maintenance|^Give root password for (?:system )?maintenance|^\(or press Control-D to continue\):|^\(or type Control-D to continue\):`), false},
	{stateInitrd, re(`^\(initramfs\)$|^dracut:.*[#$]$|^\[rootfs .*\][#$]$`), false},
	{stateActivate, re(`^Please press Enter to activate this console\.?$|(?i)^\[?press <?enter>? to (?:log ?in|activate|start a shell|get a shell)\b[^.]{0,40}\]?\.*$`), false},
	{stateAutologin, re(`login: \S+ \(automatic login\)$`), false},
	{stateLogin, re(`(?:^| )login:$`), false},
	{statePassword, isPassword, false},
	{statePager, re(`\(END\)$|^--More--|^lines \d+-\d+|^:$|^Manual page .* line \d+`), false},
	{stateRoot, re(`^(?:\S.{0,150})?#$`), true},
	{stateUser, re(`^(?:\S.{0,150})?\$$`), true},
}

// odd are the prompts of shells that ask as boot loaders do, or with what ends
// many a line: they count where the cursor is, once a kernel was loaded.
var odd = re(`^(?:(?:[\w.@-]{1,40} )?[\w.@:~/-]{0,60}[A-Za-z~/] ?)?[>%]$`)

var isPassword = re(`^(?:\[sudo\] )?[Pp]assword(?: for [^:]{1,64})?:$`)

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

func isPrompt(line string) bool {
	_, ok := watch.PromptEnd([]byte(line))
	return ok
}

// near is how many rows below a loose prompt may be noise.
const near = 12

// Not the guest's answer to us: kernel messages, which may begin anywhere in a
// line, and whole lines from the init system, wall(1) and notices.
var (
	kernelText = re(`\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? .*$`)
	statusLine = re(`^\[(?: {2}OK {2}|FAILED|DEPEND|[ *]{6}| INFO | WARN )\] |^(?: {9}|)(?:Starting|Started|Stopping|Stopped) .*\.\.\.$|^Broadcast message from |^The system (?:will|is going)|^Message from syslogd@`)
	// What a kernel message or a spinner begins with, where no more of it has come.
	halfNoise  = re(`\[ *(?:\d+(?:\.\d*)?\]?)?$|^\[[ *]{0,6}\]?$`)
	menuText   = re(`^boot: *$|Automatic boot in \d+ second|Press \[Tab\] to edit options|The highlighted entry will be executed automatically|^Boot in \d+ s\.`)
	bootedText = re(`^Loading \S+|^Booting `)
)

// noise is true of a whole line that is no answer of the guest's: see
// [Config.Notices] for those that are an image's own.
func noise(line string, notices []*regexp.Regexp) bool {
	return statusLine.MatchString(line) || slices.ContainsFunc(notices, func(n *regexp.Regexp) bool {
		at := n.FindStringIndex(line)
		return at != nil && at[0] == 0
	})
}

// readState reads a screen of which the cursor is in row. A prompt counts when
// everything below it is noise. The line that decided comes with it.
func readState(text string, row int, stage watch.Stage, notices []*regexp.Regexp) (state, string) {
	rows := strings.Split(text, "\n")
	row = min(row, len(rows)-1)
	for i := row; i >= 0; i-- {
		full := strings.TrimRight(rows[i], " ")
		line := strings.TrimRight(kernelText.ReplaceAllString(full, ""), " ")
		if i == row {
			line = strings.TrimRight(halfNoise.ReplaceAllString(line, ""), " ")
		}
		if line == "" || noise(line, notices) {
			continue
		}
		for _, p := range prompts {
			if p.pattern.MatchString(line) && (row-i < near || !p.loose || isPrompt(line)) {
				return p.state, line
			}
		}
		if i == row && stage.Reached(watch.KernelLoad) && odd.MatchString(line) {
			return stateUser, line
		}
		break
	}
	if !stage.Reached(watch.KernelLoad) {
		for i := len(rows) - 1; i >= 0; i-- {
			if bootedText.MatchString(rows[i]) {
				return stateKernel, rows[i]
			}
			if menuText.MatchString(strings.TrimLeft(rows[i], " ")) {
				return stateMenu, ""
			}
		}
		return stateNothing, ""
	}
	if !stage.Reached(watch.Login) {
		return stateKernel, ""
	}
	return stateNothing, ""
}

// settleTime is how long the screen must say the same before it is believed: a
// prompt that is still being drawn, or a boot that goes on, does not.
const settleTime = 300 * time.Millisecond

// seen is what a screen says, and which one.
type seen struct {
	printed int64
	stage   watch.Stage
	state   state
	line    string
	asked   int // password prompts
}

// look reads the screen, once for each change.
func (c *Console) look() (state, string) {
	s := c.sight()
	return s.state, s.line
}

func (c *Console) sight() *seen {
	printed, stage := c.printed.Load(), c.watch.Stage()
	if last := c.seen.Load(); last != nil && last.printed == printed && last.stage == stage {
		return last
	}
	// The text first: should the cursor move on meanwhile, noise rows are
	// looked at in vain.
	text := c.screen.Text()
	_, row := c.screen.Cursor()
	s := &seen{printed: printed, stage: stage, asked: passwordPrompts(text)}
	s.state, s.line = readState(text, row, stage, c.cfg.Notices)
	c.seen.Store(s)
	return s
}

// settled waits until the screen has said the same for d, or less when it has
// not within atMost; what it says then is not settled.
func (w *wait) settled(d, atMost time.Duration) (state, string, error) {
	start, since := time.Now(), time.Now()
	st, line := w.c.look()
	for time.Since(since) < d && time.Since(start) < atMost {
		if err := w.sleep(25 * time.Millisecond); err != nil {
			return st, line, err
		}
		if s, l := w.c.look(); s != st || l != line {
			st, line, since = s, l, time.Now()
		}
	}
	return st, line, w.over()
}

// passwordPrompts counts the lines of a screen that ask for a password.
func passwordPrompts(text string) (n int) {
	for row := range strings.SplitSeq(text, "\n") {
		if isPassword.MatchString(strings.TrimRight(kernelText.ReplaceAllString(row, ""), " ")) {
			n++
		}
	}
	return n
}

const (
	// hiddenFor is how long nothing that is known may show, once somebody could
	// log in, before Enter is pressed; askedFor where that would answer a
	// question for a password that is still to come.
	hiddenFor = 2 * time.Second
	askedFor  = 10 * time.Second
	// checkedFor is how long a password may be checked before its prompt counts
	// as new: PAM takes three seconds to refuse one, and emulation ten times as
	// much as a real CPU.
	checkedFor = 20 * time.Second
)

// see is the settled state of a screen on which a prompt is awaited. It does
// what needs no decision: it leaves a pager, and where nothing that is known
// shows, though a login or a shell had been reached, it presses Enter as a
// person would. What the guest writes to its console may stand behind a prompt
// or have pushed it away; a shell that has not started yet shows one prompt more.
func (w *wait) see() (state, string, error) {
	st, line, err := w.settled(settleTime, 2*time.Second)
	if err != nil {
		return st, line, err
	}
	// A prompt stays on the screen while its answer is checked, and PAM takes
	// seconds to say that one is wrong. One that has scrolled away counts no more.
	asked := w.c.sight().asked
	w.answered = min(w.answered, asked)
	if st == statePassword && asked == w.answered && time.Since(w.answeredAt) < w.c.patient(checkedFor) {
		st = stateChecking
	}
	key := ""
	switch {
	case st == statePager:
		key = "q"
	case st == stateActivate:
		key = "\r"
	case st == stateNothing && w.c.Stage().Reached(watch.Login) && !button.MatchString(w.c.Screen()):
		key = "\r"
	}
	patience := hiddenFor
	if w.asks {
		patience = w.c.patient(askedFor)
	}
	now := time.Now()
	switch {
	case key != w.key:
		// A pager is left at once, and what asks for Enter gets it.
		if w.key, w.pressed = key, now; key != "q" && st != stateActivate {
			return st, line, nil
		}
	case key == "" || now.Sub(w.pressed) < patience:
		return st, line, nil
	}
	w.pressed = now
	return st, line, w.send(key)
}
