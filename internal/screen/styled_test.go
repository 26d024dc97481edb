package screen

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStyled(t *testing.T) {
	s := New(Config{Cols: 20, Rows: 3})
	fmt.Fprint(s, "a\x1b[32mgreen\x1b[0m \x1b[7mbar\x1b[0m\r\n\x1b[1;4;38;5;200mx\x1b[38;2;1;2;3m語\x1b[0m\r\n\x1b[41m   \x1b[0m")
	assert.Equal(t, [][]Run{
		{{"a", Style{}}, {"green", Style{FG: 3}}, {" ", Style{}}, {"bar", Style{FG: Swapped, BG: Swapped}}},
		{{"x", Style{FG: 201, Bold: true, Underline: true}}, {"語", Style{FG: 1<<24 | 0x010203, Bold: true, Underline: true}}},
		{{"   ", Style{BG: 2}}},
	}, s.Styled())
	hex, ok := Colour(1<<24 | 0x010203).RGB()
	assert.True(t, ok)
	assert.Equal(t, uint32(0x010203), hex)
	for _, c := range []Colour{0, 1, 256, Swapped} {
		_, ok := c.RGB()
		assert.False(t, ok)
	}
}

// What is styled is what the verdicts were read from.
func FuzzStyledIsText(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[0m e\u0301 語\r\n\x1b[7m  "))
	f.Add([]byte("語\b\x1b[44m \x1b[5;19H語語"))
	f.Fuzz(func(t *testing.T, p []byte) {
		s := New(Config{Cols: 20, Rows: 5})
		s.Write(p)
		var rows []string
		for _, runs := range s.Styled() {
			var row strings.Builder
			for _, r := range runs {
				row.WriteString(r.Text)
			}
			rows = append(rows, strings.TrimRight(row.String(), " "))
		}
		assert.Equal(t, s.Text(), strings.TrimRight(strings.Join(rows, "\n"), "\n"))
	})
}
