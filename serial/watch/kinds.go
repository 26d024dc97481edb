package watch

import (
	"bytes"
)

// AsksPerson is the class of what a person is to answer.
const AsksPerson = "waits-for-person"

// rows is a set of kinds of lines.
type rows uint8

const (
	loops rows = 1 << iota // the console may log in with one again
	rest                   // it may wait for somebody after one
)

// kinds are those of a line, by a word that is in each.
func kinds(line []byte) (r rows) {
	if bytes.Contains(line, []byte("ogin")) {
		r = loops | rest
	}
	if bytes.Contains(line, []byte("assword")) || bytes.Contains(line, []byte("activate this console")) {
		r |= rest
	}
	return r
}

func (r rows) has(other rows) bool { return r&other != 0 }
