package screen

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type cut struct {
	text   string
	offset int64
	end    End
	feeds  int
}

func lines(input string, piece int) (all []cut, sequences []string) {
	l := Lines{
		Each:     func(l Line) { all = append(all, cut{string(l.Text), l.Offset, l.End, l.Feeds}) },
		Sequence: func(p []byte) { sequences = append(sequences, string(p)) },
	}
	for at := 0; at < len(input); at += piece {
		l.Write([]byte(input[at:min(at+piece, len(input))]))
	}
	l.Flush()
	return all, sequences
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		input string
		want  []cut
	}{
		"plain":                       {"one\r\ntwo", []cut{{"one", 0, CRLF, 1}, {"two", 5, Open, 0}}},
		"through a pty":               {"one\r\r\ntwo\r\r\r\n", []cut{{"one", 0, CRLF, 2}, {"two", 6, CRLF, 3}}},
		"sent":                        {"prompt$ cmd\ncmd\r\n", []cut{{"prompt$ cmd", 0, LF, 0}, {"cmd", 12, CRLF, 1}}},
		"empty lines":                 {"\r\n\n", []cut{{"", 0, CRLF, 1}, {"", 2, LF, 0}}},
		"colours":                     {"[\x1b[0;32m  OK  \x1b[0m] Started.\r\n", []cut{{"[  OK  ] Started.", 0, CRLF, 1}}},
		"title":                       {"\x1b[1;32m[\x1b]0;a@b: ~\aa@b:~]$\x1b[0m ", []cut{{"[a@b:~]$ ", 7, Open, 0}}},
		"title by ST":                 {"\x1b]0;Ü\x1b\\x\r\n", []cut{{"x", 8, CRLF, 1}}},
		"overwritten":                 {"\x1b[?2004l\rSTATE=x\r\n", []cut{{"STATE=x", 9, CRLF, 1}}},
		"progress":                    {"10%\r20%\r\n", []cut{{"10%", 0, CR, 0}, {"20%", 4, CRLF, 1}}},
		"a shell's wrapped line":      {strings.Repeat("x", 79) + " \ry\r\n", []cut{{strings.Repeat("x", 79) + "y", 0, CRLF, 1}}},
		"backspace":                   {"abc\b\bX\bé\b\r\n", []cut{{"a", 0, CRLF, 1}}},
		"a menu":                      {"\x1b[1;1Hone\x1b[2;1Htwo\x1b[2J", []cut{{"one", 6, CR, 0}, {"two", 15, CR, 0}}},
		"a title that was cut off":    {"\x1b]0;never ended\r\nKernel panic\r\n", []cut{{"", 15, CRLF, 1}, {"Kernel panic", 17, CRLF, 1}}},
		"a device control cut off":    {"\x1bPq~~\nx\r\n", []cut{{"", 5, LF, 0}, {"x", 6, CRLF, 1}}},
		"UTF-8 in a control sequence": {"\x1b[3é\r\n", []cut{{"é", 3, CRLF, 1}}},
		"control in a sequence":       {"a\x1b[3\r\nmb\r\n", []cut{{"a", 0, CRLF, 1}, {"b", 7, CRLF, 1}}},
		"tab":                         {"a\tb\r\n", []cut{{"a\tb", 0, CRLF, 1}}},
		"charsets":                    {"\x1b(0\x1b)0\x0eq\x0f\x1b%Gx\r\n", []cut{{"qx", 7, CRLF, 1}}},
		"reverse index and erase":     {"[ *] job\r\r\r\n\x1bM\r\x1b[K[ OK ] job\r\n", []cut{{"[ *] job", 0, CRLF, 3}, {"[ OK ] job", 18, CRLF, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{len(c.input), 1, 3} {
				got, _ := lines(c.input, piece)
				assert.Equal(t, c.want, got, "in pieces of %d", piece)
			}
		})
	}
}

func TestLinesTellsSequences(t *testing.T) {
	_, got := lines("\x1b[?2004hx\x1b[1;32my\x1b[?2004l\x1b[ q", 1)
	assert.Equal(t, []string{"?2004h", "1;32m", "?2004l", " q"}, got)
}

func TestALongLineIsCut(t *testing.T) {
	got, _ := lines(strings.Repeat("x", 3*MaxLine+5)+"\r\n", 1<<20)
	require.Len(t, got, 4)
	assert.Equal(t, Cut, got[0].end)
	assert.Equal(t, int64(MaxLine), got[1].offset)
	assert.Len(t, got[3].text, 5)
}

func TestSkipKeepsOffsets(t *testing.T) {
	var at []int64
	l := Lines{Each: func(l Line) { at = append(at, l.Offset) }}
	l.Write([]byte("a\r\n"))
	l.Skip(10)
	l.Write([]byte("b\r\n"))
	assert.Equal(t, []int64{0, 13}, at)
}

// What follows a line is what a reader who stops there has not read.
func TestALineSaysWhereTheNextBegins(t *testing.T) {
	for input, want := range map[string][]string{
		"one\r\ntwo\nthree":                {"two\nthree", "three", ""},
		"10%\r20%\r\n":                     {"20%\r\n", ""},
		"one\x1b[2;1Htwo\x1b[0m\r\n":       {"two\x1b[0m\r\n", ""},
		"\r\r\nx":                          {"x", ""},
		strings.Repeat("x", MaxLine) + "y": {"y", ""},
	} {
		for _, piece := range []int{len(input), 1} {
			var rest []string
			l := Lines{Each: func(l Line) { rest = append(rest, input[l.Next:]) }}
			for at := 0; at < len(input); at += piece {
				l.Write([]byte(input[at:min(at+piece, len(input))]))
			}
			l.Flush()
			assert.Equal(t, want, rest, "%.40q in pieces of %d", input, piece)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, c := range sequences {
		f.Add([]byte(c.input), 3)
	}
	f.Add([]byte("\x1b]0;x\r\n\x1b[\x9c\xc3\x9c\r\r\n\b\b"), 1)
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		if piece < 1 || piece > len(input) {
			piece = 1
		}
		whole, _ := lines(string(input), max(len(input), 1))
		pieces, _ := lines(string(input), piece)
		require.Equal(t, whole, pieces)
		next := int64(0)
		all := Lines{Each: func(l Line) {
			require.GreaterOrEqual(t, l.Offset, next)
			require.GreaterOrEqual(t, l.Next, l.Offset)
			next = l.Next
		}}
		all.Write(input)
		all.Flush()
		require.LessOrEqual(t, next, int64(len(input)))
		last := int64(0)
		for _, l := range whole {
			require.LessOrEqual(t, len(l.text), MaxLine)
			require.GreaterOrEqual(t, l.offset, last)
			require.False(t, bytes.ContainsAny([]byte(l.text), "\x1b\r\n\b"))
			last = l.offset
		}
	})
}
