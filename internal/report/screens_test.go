package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"bootaudit/internal/replay"
)

func TestScreensAreShownOnce(t *testing.T) {
	b := Boot{Outcome: "failed", Screen: "three\nfour\nfive\nsix $\nnoise\n", Recording: &replay.Recording{Moments: []replay.Moment{
		{Kind: replay.Stage, Label: "init", At: 1, Screen: "one\ntwo\nthree\nfour\nfive", Row: -1},
		{Kind: replay.Stage, Label: "shell", At: 2, Screen: "two\nthree\nfour\nfive\nsix", Row: -1},
		{Kind: replay.Typing, At: 2.5, Screen: "two\nthree\nfour\nfive\nsix $", Row: -1},
		{Kind: replay.End, At: 9, Row: -1},
	}}}
	assert.Equal(t, []Screen{
		{"The guest's last screen, before the harness typed (2.5s)", "two\nthree\nfour\nfive\nsix $", true},
		{"The last screen", "[4 rows as on the guest's last screen]\nnoise", false},
	}, b.LastScreens())
	assert.Equal(t, []Screen{
		{Title: "init, 1.0s", Text: "one\ntwo\nthree\nfour\nfive"},
		{Title: "shell, 2.0s", Text: "[4 rows as above]\nsix"},
	}, b.Moments())
	assert.Equal(t, []Screen{{"The last screen", "alone", true}}, Boot{Outcome: "failed", Screen: "alone"}.LastScreens())
}
