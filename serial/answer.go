package serial

import (
	"regexp"
	"slices"
	"strings"

	"bootaudit/serial/watch"
)

// Answer is what is typed, before Enter, where the guest asks.
type Answer struct {
	Prompt *regexp.Regexp // of the line that asks: the last one, or any of a dialog
	Send   string
}

// mostAnswers bounds how often a prompt is answered: a wrong answer is asked for
// again for ever.
const mostAnswers = 10

// answering gives answers. A prompt that was answered stays on the screen, so that
// those are counted which have their answer.
type answering struct {
	Answer
	stood string // what asked when it was looked at last
	had   int    // lines on the screen that have their answer
	given int
}

type answerings []answering

func newAnswers(answers []Answer) (all answerings) {
	for _, a := range answers {
		all = append(all, answering{Answer: a})
	}
	return all
}

// answers says whether there is an answer to a line.
func answers(all []Answer, line string) bool {
	return slices.ContainsFunc(all, func(a Answer) bool { return a.Prompt.MatchString(line) })
}

// give answers what asks since the last look at least.
func (all answerings) give(c *Console) {
	if len(all) == 0 || c.Stage().Reached(watch.Shell) {
		return
	}
	text := c.screen.Text()
	_, row := c.screen.Cursor()
	rows := strings.Split(text, "\n")
	for i, line := range rows {
		rows[i] = strings.TrimRight(kernelText.ReplaceAllString(line, ""), " ")
	}
	last := lastOf(rows, row, c.cfg.Notices)
	dialog := dialogText.MatchString(text)
	for i := range all {
		a := &all[i]
		asks, shown := "", 0
		for _, line := range rows {
			if a.Prompt.MatchString(line) {
				shown++
				if dialog || line == last {
					asks = line
				}
			}
		}
		stood := a.stood
		a.had, a.stood = min(a.had, shown), asks
		if asks == "" || asks != stood || shown == a.had || a.given == mostAnswers {
			continue
		}
		a.given, a.had = a.given+1, shown
		c.out.offer([]byte(a.Send + "\r"))
		if c.cast != nil {
			_ = c.cast.Mark("answered")
		}
		return // what the next one asks, the next look shows
	}
}

// dialogText is what a screen with a dialog has somewhere, and button what Enter
// presses in one.
var (
	dialogText = re(`[┌└├╔╚]|` + button.String())
	button     = re(`< *(?:Go Back|[Oo][Kk]|Yes|No|Continue|Next) *>`)
)

// lastOf is the last line up to row that is not noise.
func lastOf(rows []string, row int, notices []*regexp.Regexp) string {
	for _, line := range slices.Backward(rows[:min(row+1, len(rows))]) {
		if line != "" && !noise(line, notices) {
			return line
		}
	}
	return ""
}
