package plain_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"bootaudit/internal/plain"
)

func ExampleText() {
	fmt.Printf("%q\n", plain.Text("\x1b[31mred\x1b[0m\r\nnext\x16--- PASS: TestX"))
	// Output: "red\nnext�--- PASS: TestX"
}

func TestText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"plain, ünïcode\tand tabs\n", "plain, ünïcode\tand tabs\n"},
		{"a\x1b[1;31mb\x1b[0mc", "abc"},
		{"\x1b]0;title\x07shell", "shell"},
		{"\x1b]8;;http://x\x1b\\link", "link"},
		{"\x1b(Bx\x1b7y\x1b=z", "xyz"},
		{"\x1b]0;never ended", "\uFFFD]0;never ended"},
		{"\x1b[31", "\uFFFD[31"},
		{"one\r\r\ntwo\r\nthree\rfour", "one\ntwo\nthree\nfour"},
		{"\x00\x07\x08\x0b\x16\x7f\u0085\u009b", strings.Repeat("\uFFFD", 8)},
		{"abc\u202edcb\u2066x\u2069\u200f\u061c", "abc\uFFFDdcb\uFFFDx\uFFFD\uFFFD\uFFFD"},
		{"\x1b]0;not ended\nnext", "\uFFFD]0;not ended\nnext"},
		{"\x1b\x1b[31m[2J", "\uFFFD[2J"},
		{"bad \xff\xfe bytes", "bad \uFFFD bytes"},
	} {
		assert.Equal(t, test.want, plain.Text(test.in), "%q", test.in)
	}
	assert.Equal(t, "a b c", plain.Line("a\nb\tc"))
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[\x1b[31m31m")
	f.Add("\x1b]\x1b]0;\x07;\x07")
	f.Add("\x1b]0;x\x07\x1b[31m\r\n\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := plain.Text(s)
		assert.True(t, utf8.ValidString(got))
		assert.False(t, strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }), "%q", got)
		// An invalid byte becomes three.
		assert.LessOrEqual(t, len(got), 3*len(s))
		assert.Equal(t, got, plain.Text(got), "what is safe stays as it is")
	})
}
