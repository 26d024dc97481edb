package screen

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueriesAreAnsweredBeforeWriteReturns(t *testing.T) {
	var got []string
	s := New(Config{Reply: func(p []byte) { got = append(got, string(p)) }})
	// systemd's probe of a console's size.
	s.Write([]byte("\x1b[6n\x1b[32766;32766H\x1b[6n\x1b[18t\x1b[c"))
	assert.Equal(t, []string{"\x1b[1;1R", "\x1b[50;132R", "\x1b[8;50;132t", "\x1b[?1;2c"}, got)
}

func TestReplyMayUseTheScreen(t *testing.T) {
	var s *Screen
	done := false
	s = New(Config{Reply: func([]byte) { done = s.Text() == "ok" }})
	s.Write([]byte("ok\x1b[6n"))
	assert.True(t, done)
}

func TestScrollbackIsBoundedAndOutlivesErasure(t *testing.T) {
	s := New(Config{Cols: 10, Rows: 3, Scrollback: 4})
	for i := range 10 {
		fmt.Fprintf(s, "line %d\r\n", i)
	}
	assert.Equal(t, []string{"line 4", "line 5", "line 6", "line 7"}, s.Scrollback())
	assert.Equal(t, "line 8\nline 9", s.Text())
	s.Write([]byte("\x1b[2J\x1b[3J\x1bc"))
	assert.Equal(t, []string{"line 4", "line 5", "line 6", "line 7"}, s.Scrollback())
	assert.Empty(t, s.Text())
}

// TestAFloodIsDrawnLikeAnythingElse compares the shortcut for floods with the
// same bytes in small pieces, for which there is none.
func TestAFloodIsDrawnLikeAnythingElse(t *testing.T) {
	var b strings.Builder
	for i := range 700 {
		fmt.Fprintf(&b, "[%5d.123456] message %s\r\r\n", i, strings.Repeat("x", i%115))
		switch {
		case i%211 == 0:
			b.WriteString("\x1b[31mred \u4e16\x1b[0m\r\nno carriage return\n")
		case i%97 == 0:
			b.WriteString("  blanks at the end   \r\n\r\n")
		case i%501 == 500:
			b.WriteString("\x1b[5;20r\x1b[20;1H")
		case i%601 == 600:
			b.WriteString("\x1b[r\x1b[50;1H")
		}
	}
	b.WriteString("$ ")
	for _, most := range []int{10, 60, 2000} {
		whole, pieces := New(Config{Scrollback: most}), New(Config{Scrollback: most})
		whole.Write([]byte(b.String()))
		for _, c := range []byte(b.String()) {
			pieces.Write([]byte{c})
		}
		assert.Equal(t, pieces.Text(), whole.Text())
		assert.Equal(t, pieces.Scrollback(), whole.Scrollback())
		x, y := whole.Cursor()
		wantX, wantY := pieces.Cursor()
		assert.Equal(t, [2]int{wantX, wantY}, [2]int{x, y})
	}
}

func TestLineIsThePromptBehindWhichTheCursorWaits(t *testing.T) {
	s := New(Config{})
	s.Write([]byte("motd\r\n\x1b[?2004h\x1b[1;32m[\x1b]0;nixos@nixos: ~\anixos@nixos:~]$\x1b[0m "))
	assert.Equal(t, "[nixos@nixos:~]$", s.Line())
	col, row := s.Cursor()
	assert.Equal(t, [2]int{17, 1}, [2]int{col, row})
	assert.Equal(t, "nixos@nixos: ~", s.Title())
}

func TestEveryMethodAtOnce(t *testing.T) {
	s := New(Config{Reply: func([]byte) {}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				s.Write([]byte("\x1b[6nhello \x1b[31mworld\r\n\u4e16e\u0301"))
				_, _, _, _ = s.Text(), s.Line(), s.Title(), s.Scrollback()
				s.Cursor()
			}
		})
	}
	wg.Wait()
}

// hostile is input that made vt10x panic or hang, or would take long or much.
var hostile = []string{
	"\x1b[-5@", "\x1b[-5P", "abc\x1b[9223372036854775807@", "abc\x1b[9223372036854775807P",
	"\x1b[9999999999I", "\x1b[9999999999Z", strings.Repeat("x\x1b[9999b", 200),
	"\x1b]0;" + strings.Repeat("x", 1<<20), "\x1bP" + strings.Repeat("x", 1<<20), "\x1b[" + strings.Repeat("1;", 1<<18),
	"e" + strings.Repeat("\u0301", 1<<14), strings.Repeat("\x1b[6n", 1<<14), strings.Repeat("\x1b[1;1H\x1bM", 1<<12),
	strings.Repeat("\x1b[9999L\x1b[9999S\x1b[9999T\x1b[9999M", 1<<10), "\x1b[?1049h" + strings.Repeat("\x1b[?1049l\x1b[?47h", 1<<8),
}

func TestHostileInput(t *testing.T) {
	for _, input := range hostile {
		start := time.Now()
		replies := 0
		s := New(Config{Reply: func([]byte) { replies++ }})
		s.Write([]byte(input))
		assert.Zero(t, s.panics, "%.40q", input)
		assert.Less(t, time.Since(start), 20*time.Second, "%.40q", input)
		assert.LessOrEqual(t, replies, 64, "%.40q", input)
		assert.LessOrEqual(t, len(s.osc), maxOsc)
		assert.LessOrEqual(t, len(s.clusters.text), int(lastCluster-firstCluster)+1)
	}
}

func TestAPanicOfTheEmulatorIsSurvived(t *testing.T) {
	s := New(Config{Cols: 10, Rows: 3})
	s.Write([]byte("before\r\n"))
	s.out = append(s.out, "\x1b[-5@"...) // behind the filter
	s.Write([]byte("x"))
	assert.Equal(t, 1, s.panics)
	s.Write([]byte("after"))
	assert.Contains(t, s.Text(), "after")
}

func FuzzScreen(f *testing.F) {
	for _, c := range sequences {
		f.Add([]byte(c.input), 3)
	}
	for _, input := range hostile {
		f.Add([]byte(input[:min(len(input), 4096)]), 7)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		if len(input) > 1<<14 {
			t.Skip()
		}
		whole := New(Config{Cols: 20, Rows: 6, Scrollback: 50, Reply: func([]byte) {}})
		whole.Write(input)
		require.Zero(t, whole.panics)
		require.LessOrEqual(t, len(whole.Scrollback()), 50)
		col, row := whole.Cursor()
		require.True(t, col >= 0 && col < 20 && row >= 0 && row < 6)
		// How the input is cut makes no difference.
		pieces := New(Config{Cols: 20, Rows: 6, Scrollback: 50})
		if piece < 1 || piece > len(input) {
			piece = 1
		}
		for at := 0; at < len(input); at += piece {
			n, err := pieces.Write(input[at:min(at+piece, len(input))])
			require.NoError(t, err)
			require.Equal(t, min(piece, len(input)-at), n)
		}
		require.Equal(t, whole.Text(), pieces.Text())
		require.Equal(t, whole.Scrollback(), pieces.Scrollback())
	})
}

// BenchmarkScreen is the filter's price: the same recorded boot through bare
// vt10x, through the screen and through the line splitter.
func BenchmarkScreen(b *testing.B) {
	var boot []byte
	for _, raw := range boots(b) {
		boot = append(boot, raw...)
	}
	flood := bytes.Repeat([]byte("[   12.345678] a kernel message of a usual length, about eighty bytes of it\r\n"), 1000)
	for name, input := range map[string][]byte{"boot": boot, "flood": flood} {
		for _, piece := range []int{4096, 1 << 20} {
			run := func(what string, write func([]byte) (int, error)) {
				b.Run(fmt.Sprintf("%s/%s/%d", name, what, piece), func(b *testing.B) {
					b.SetBytes(int64(len(input)))
					for b.Loop() {
						for at := 0; at < len(input); at += piece {
							write(input[at:min(at+piece, len(input))])
						}
					}
				})
			}
			run("vt10x", vt10x.New(vt10x.WithSize(132, 50)).Write)
			run("screen", New(Config{}).Write)
			run("lines", (&Lines{}).Write)
		}
	}
}
