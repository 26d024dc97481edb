package quote

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                  nil,
		" -a  b ":                           {"-a", "b"},
		`-device 'usb-tablet,id=a b' "c d"`: {"-device", "usb-tablet,id=a b", "c d"},
		`a\ b '$HOME' * ~`:                  {"a b", "$HOME", "*", "~"},
	} {
		got, err := Split(line)
		require.NoError(t, err, line)
		assert.Equal(t, want, got, line)
	}
	for line, says := range map[string]string{
		`-name "$HOME"`: `$HOME is put in place by no shell here`,
		"-name $(id)":   "$(id) is put in place",
		"-name `id`":    "`id` is put in place",
		`-name "x`:      "without closing quote",
		"a; b":          "not a valid word",
	} {
		_, err := Split(line)
		assert.ErrorContains(t, err, says, line)
	}
}

// What is quoted comes back as it was.
func FuzzSplit(f *testing.F) {
	f.Add("a b")
	f.Add("it's $HOME")
	f.Fuzz(func(t *testing.T, word string) {
		got, err := Split(Word(word))
		if err == nil && (len(got) != 1 || len(got[0]) > len(word)) {
			t.Errorf("%q is %q", word, got)
		}
		_, _ = Split(word)
	})
}
