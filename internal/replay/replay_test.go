package replay

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tape is a recording of events, each after so many seconds.
type tape struct{ strings.Builder }

func newTape() *tape {
	t := &tape{}
	t.WriteString(`{"version":3,"term":{"cols":40,"rows":5}}` + "\n")
	return t
}

func (t *tape) event(wait float64, code, data string) {
	line, _ := json.Marshal([]any{wait, code, data})
	t.Write(append(line, '\n'))
}

// played is what a page's script shows at a time: it has nothing but the packed text.
func played(t testing.TB, packed string, at int) string {
	t.Helper()
	text, err := Unpack(packed)
	require.NoError(t, err)
	var f film
	require.NoError(t, json.Unmarshal([]byte(text), &f))
	rows, now := make([]int, f.Rows), 0
	for _, frame := range f.Frames {
		if now += frame[0]; now > at {
			break
		}
		rows = append(rows[frame[1]:], make([]int, frame[1])...)
		for i := 2; i < len(frame); i += 2 {
			rows[frame[i]] = frame[i+1]
		}
	}
	var lines []string
	for _, id := range rows {
		var parts any
		require.NoError(t, json.Unmarshal(f.Lines[id], &parts))
		line := ""
		switch parts := parts.(type) {
		case string:
			line = parts
		case []any:
			for i := 1; i < len(parts); i += 2 {
				line += parts[i].(string)
			}
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func TestDraw(t *testing.T) {
	r := newTape()
	r.event(1, "m", "menu")
	r.event(0, "o", "\x1b[32mGRUB\x1b[0m\r\n")
	r.event(4, "o", "one\r\nKernel panic - not syncing:  VFS\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix\r\n")
	r.event(1, "o", "[nixos@nixos:~]$")
	r.event(0.5, "o", " export PAGER=cat SYSTEMD_PAG")
	r.event(0.01, "o", "ER=cat GIT_PAGER=cat;id")
	r.event(3, "o", "\r\nnoise\r\n")
	got, err := Draw(r.String(), Wanted{
		Stages: map[string]float64{"menu": 2},
		Lines:  []Sought{{"kernel-panic", "Kernel panic - not syncing: VFS", 6}, {"never", "it was not seen", 1}},
	})
	require.NoError(t, err)
	assert.Empty(t, got.Notes)
	assert.Equal(t, []int{40, 5}, []int{got.Cols, got.Rows})
	var list []string
	for _, m := range got.Moments {
		list = append(list, fmt.Sprintf("%s: %s at %.1f in row %d", m.Kind, m.Label, m.At, m.Row))
	}
	assert.Equal(t, []string{"stage: menu at 1.0 in row -1", "evidence: kernel-panic at 5.0 in row 2",
		"typing: the harness begins to type at 6.5 in row -1", "end: the end at 9.5 in row -1"}, list)
	assert.Equal(t, "GRUB\none\nKernel panic - not syncing:  VFS", got.Moment(Evidence).Screen)
	assert.Equal(t, "four\nfive\nsix\n[nixos@nixos:~]$", got.Moment(Typing).Screen, "the guest's own last screen")
	assert.Contains(t, got.Moment(End).Screen, "noise")
	assert.Equal(t, got.Moment(End).Screen, played(t, got.Packed, 1e9))
	assert.Equal(t, Moment{}, got.Moment("other"))
	text, err := Unpack(got.Packed)
	require.NoError(t, err)
	assert.Contains(t, text, `[1,"GRUB"]`)
	assert.Contains(t, text, `{"c":"f2"}`)
}

// The line of evidence is found although it was drawn over in the same read.
func TestEvidenceIsSeenInAFlood(t *testing.T) {
	r := newTape()
	r.event(1, "o", "a\r\nOops: here\r\n"+strings.Repeat("flood\r\n", 1000))
	got, err := Draw(r.String(), Wanted{Lines: []Sought{{Label: "oops", Line: "Oops: here"}}})
	require.NoError(t, err)
	assert.Equal(t, "a\nOops: here", got.Moment(Evidence).Screen)
	assert.Equal(t, 1, got.Moment(Evidence).Row)
}

// What the harness types first is told apart from what a guest prints by its words.
func TestTypedIsWhatTheHarnessTypes(t *testing.T) {
	source, err := os.ReadFile("../../serial/login.go")
	require.NoError(t, err)
	assert.Contains(t, string(source), `quieten = "`+strings.TrimSpace(typed))
}

// What is said of silence is said long after its line; what comes again, of the
// time it came before.
func TestEvidenceIsTheLastUntilThen(t *testing.T) {
	r := newTape()
	r.event(1, "m", "menu")
	r.event(1, "o", "Loading initrd...")
	r.event(0.5, "o", "ok\r\n")
	r.event(8, "o", "again\r\nLoading initrd...ok\r\n")
	r.event(300, "o", "Loading initrd...ok\r\n")
	got, err := Draw(r.String(), Wanted{Stages: map[string]float64{"menu": 3}, Lines: []Sought{
		{Label: "hangs", Line: "Loading initrd...ok", At: 200}, {Label: "first", Line: "Loading initrd...ok", At: 5},
		{Label: "before", Line: "again", At: 0}, {Label: "never", Line: "no", At: 9}, {Label: "empty"}}})
	require.NoError(t, err)
	var list []string
	for _, m := range got.Moments {
		if m.Kind == Evidence {
			list = append(list, fmt.Sprintf("%s at %.1f in row %d", m.Label, m.At, m.Row))
		}
	}
	assert.Equal(t, []string{"first at 2.5 in row 0", "before at 10.5 in row 1", "hangs at 10.5 in row 2"}, list)
}

// However much a guest draws, a page gets little, and the moments whole.
func TestBounded(t *testing.T) {
	r := newTape()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		if i%500 == 250 {
			r.event(0.1, "m", fmt.Sprint("stage-", i))
		}
		line := make([]byte, 30)
		for j := range line {
			line[j] = byte('!' + random.IntN(90))
		}
		r.event(0.1, "o", string(line)+"\r\n")
	}
	got, err := Draw(r.String(), Wanted{})
	require.NoError(t, err)
	assert.LessOrEqual(t, len(got.Packed), MaxPacked)
	assert.Greater(t, len(got.Packed), MaxPacked/4, "what there is room for is kept")
	require.Len(t, got.Notes, 1)
	assert.Contains(t, got.Notes[0], "more often than is played here")
	require.Len(t, got.Moments, 11)
	for _, m := range got.Moments {
		assert.Equal(t, m.Screen, played(t, got.Packed, ms(m.At)), m.Label)
	}
}

func TestTooManyMoments(t *testing.T) {
	r := newTape()
	for range 100 {
		r.event(1, "m", "menu")
	}
	got, err := Draw(r.String(), Wanted{})
	require.NoError(t, err)
	assert.Len(t, got.Moments, maxMoments+1)
	assert.Equal(t, End, got.Moments[maxMoments].Kind)
	assert.Len(t, got.Notes, 1)
}

func TestBroken(t *testing.T) {
	_, err := Draw("no recording", Wanted{})
	require.Error(t, err)
	r := newTape()
	r.event(1, "o", "seen")
	r.WriteString("[1,2\n")
	got, err := Draw(r.String(), Wanted{})
	require.NoError(t, err)
	assert.Equal(t, "seen", got.Moment(End).Screen)
	assert.Contains(t, strings.Join(got.Notes, ""), "The recording breaks off")
}

// What a guest draws is within bounds, and is played as it was drawn.
func FuzzDraw(f *testing.F) {
	f.Add("a\x1b[31mb\x1b[0m\r\n", "\x1b[2J語e\u0301", "menu")
	f.Add(" export PAGER=cat SYSTEMD_PAGER=cat", "\x1b[?1049hx\u202e", "</script>")
	f.Fuzz(func(t *testing.T, one, two, label string) {
		r := newTape()
		r.event(0.5, "o", one)
		r.event(0.5, "m", label)
		r.event(0.5, "o", two)
		got, err := Draw(r.String(), Wanted{Lines: []Sought{{Label: "x", Line: two}}})
		require.NoError(t, err)
		assert.LessOrEqual(t, len(got.Packed), mostPacked)
		assert.Equal(t, got.Moment(End).Screen, played(t, got.Packed, 1e9))
		assert.NotContains(t, got.Packed, "<")
	})
}
