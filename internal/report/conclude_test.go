package report

import (
	"bytes"
	"strings"
	"testing"

	"bootaudit/contract/check"

	"github.com/stretchr/testify/assert"
)

func TestColourIsForTerminals(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var b bytes.Buffer
		found(t, check.Finding{ID: "a", Section: "host", Outcome: check.Broken, Detail: "it is not there"}).Conclude(&b, "out", colour)
		assert.Equal(t, colour, strings.Contains(b.String(), "\x1b[1;31mNot tried"))
		l := &Live{Colour: colour}
		assert.Equal(t, colour, strings.Contains(l.paint(&check.Finding{Outcome: check.Broken}), "\x1b["))
		assert.Equal(t, "not tried ", l.paint(&check.Finding{Outcome: check.Unknown, Because: "a"}))
		assert.NotContains(t, l.paint(&check.Finding{Outcome: check.NotNeeded}), "\x1b[")
	}
}

// A file has the whole of what was seen; a terminal, a line of it.
func TestNoLineIsCutInAFile(t *testing.T) {
	long := strings.Repeat("word ", 60) + "end"
	for width, whole := range map[int]bool{0: true, 80: false} {
		var b bytes.Buffer
		l := &Live{Out: &b, Width: width, counts: map[check.Outcome]int{}}
		l.show(News{Test: &Test{Name: "TestHost/a"}, Finding: &check.Finding{ID: "a", Outcome: check.Holds, Detail: long}})
		assert.Equal(t, whole, strings.Contains(b.String(), "end"))
	}
}
