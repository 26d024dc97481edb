package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		outcome           Outcome
		ending, required  Ending
		letsOthersBeTried bool
	}{
		{Holds, Pass, Pass, true},
		{Risk, Pass, Pass, true},
		{Broken, Fail, Fail, false},
		{Absent, Skip, Fail, false},
		{Unknown, Skip, Fail, false},
		{NotNeeded, Skip, Skip, false},
		{"nonsense", Fail, Fail, false},
	} {
		assert.Equal(t, c.ending, c.outcome.Ending(false), c.outcome)
		assert.Equal(t, c.required, c.outcome.Ending(true), c.outcome)
		assert.Equal(t, c.letsOthersBeTried, c.outcome.Met(), c.outcome)
	}
}
