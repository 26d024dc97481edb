package screen

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	update = flag.Bool("update", false, "make the golden screens again, with xterm.js (see testdata/judge)")
	seed   = flag.Int("seed", 1, "of the random input for -judge")
	judge  = flag.Bool("judge", false, "also compare with xterm.js on what has no golden screens")
)

// picture is what is seen at one moment.
type picture struct {
	At         int      `json:"at"`
	X          int      `json:"x"`
	Y          int      `json:"y"`
	Text       string   `json:"text"`
	Scrollback []string `json:"scrollback,omitempty"`
	Title      string   `json:"title,omitempty"`
	Replies    string   `json:"replies,omitempty"`
}

type drawing struct {
	Name  string `json:"name"`
	Cols  int    `json:"cols"`
	Rows  int    `json:"rows"`
	Input string `json:"input"` // base64
	Every int    `json:"every"`
}

func (d drawing) bytes(t testing.TB) []byte {
	raw, err := base64.StdEncoding.DecodeString(d.Input)
	require.NoError(t, err)
	return raw
}

// ask has xterm.js draw.
func ask(t testing.TB, cases []drawing) map[string][]picture {
	t.Helper()
	in, err := json.Marshal(cases)
	require.NoError(t, err)
	cmd := exec.Command("node", "judge.mjs")
	cmd.Dir = "testdata/judge"
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "node judge.mjs; has npm ci been run in testdata/judge?")
	var pictures map[string][]picture
	require.NoError(t, json.Unmarshal(out, &pictures))
	return pictures
}

// draw is the same drawing by us, fed in pieces of the given size.
func draw(t testing.TB, d drawing, piece int) []picture {
	var replies strings.Builder
	s := New(Config{Cols: d.Cols, Rows: d.Rows, Scrollback: 5000, Reply: func(p []byte) { replies.Write(p) }})
	raw := d.bytes(t)
	step := d.Every
	if step == 0 {
		step = max(len(raw), 1)
	}
	var pictures []picture
	for at := 0; at < len(raw); at += step {
		end := min(at+step, len(raw))
		for from := at; from < end; from += piece {
			s.Write(raw[from:min(from+piece, end)])
		}
		p := picture{At: end, Text: s.Text(), Title: s.Title()}
		p.X, p.Y = s.Cursor()
		if d.Every == 0 {
			p.Replies = replies.String()
		}
		if d.Every == 0 || end == len(raw) {
			p.Scrollback = s.Scrollback()
		}
		pictures = append(pictures, p)
	}
	assert.Zero(t, s.panics, "vt10x panicked")
	return pictures
}

func same(t testing.TB, d drawing, want []picture, piece int) {
	t.Helper()
	got := draw(t, d, piece)
	require.Len(t, got, len(want), d.Name)
	for i, w := range want {
		g := got[i]
		if len(w.Scrollback) == 0 {
			w.Scrollback = g.Scrollback[:0]
		}
		if !assert.Equal(t, w, g, "%s in pieces of %d", d.Name, piece) {
			return
		}
	}
}

func TestJudgeSequences(t *testing.T) {
	const golden = "testdata/sequences.json"
	var cases []drawing
	for _, s := range sequences {
		d := drawing{Name: s.name, Cols: 20, Rows: 6, Input: base64.StdEncoding.EncodeToString([]byte(s.input))}
		if s.cols > 0 {
			d.Cols, d.Rows = s.cols, s.rows
		}
		cases = append(cases, d)
	}
	if *update {
		out, err := json.MarshalIndent(ask(t, cases), "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(golden, append(out, '\n'), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	var want map[string][]picture
	require.NoError(t, json.Unmarshal(text, &want))
	require.Len(t, want, len(cases), "make the golden screens again: testdata/judge/README.md")
	for _, d := range cases {
		t.Run(d.Name, func(t *testing.T) {
			same(t, d, want[d.Name], 1<<20)
			same(t, d, want[d.Name], 1)
			// Split at every boundary once.
			raw := d.bytes(t)
			for cut := 1; cut < len(raw); cut++ {
				s := New(Config{Cols: d.Cols, Rows: d.Rows})
				s.Write(raw[:cut])
				s.Write(raw[cut:])
				require.Equal(t, want[d.Name][0].Text, s.Text(), "cut at %d", cut)
			}
		})
	}
}

// boots are recorded consoles of the stand-in.
func boots(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("testdata/boots/*.log.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string][]byte{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), ".log.gz")] = unzip(t, file)
	}
	return all
}

func unzip(t testing.TB, file string) []byte {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	raw, err := io.ReadAll(z)
	require.NoError(t, err)
	return raw
}

// TestJudgeBoots compares the screen after every 499 bytes of a recorded boot.
func TestJudgeBoots(t *testing.T) {
	const golden = "testdata/boots.json.gz"
	var cases []drawing
	for name, raw := range boots(t) {
		for _, size := range [][2]int{{132, 50}, {80, 24}} {
			cases = append(cases, drawing{Name: fmt.Sprintf("%s %dx%d", name, size[0], size[1]), Cols: size[0], Rows: size[1],
				Every: 499, Input: base64.StdEncoding.EncodeToString(raw)})
		}
	}
	if *update {
		out, err := json.Marshal(ask(t, cases))
		require.NoError(t, err)
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		require.NoError(t, err)
		_, err = z.Write(out)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
	}
	var want map[string][]picture
	require.NoError(t, json.Unmarshal(unzip(t, golden), &want))
	require.Len(t, want, len(cases), "make the golden screens again: testdata/judge/README.md")
	n := 0
	for _, d := range cases {
		same(t, d, want[d.Name], 4096)
		same(t, d, want[d.Name], 1)
		n += len(want[d.Name])
	}
	t.Logf("%d screens of %d recorded boots", n, len(cases)/2)
}

func TestJudgeTranscripts(t *testing.T) {
	folder := os.Getenv("BOOTAUDIT_TRANSCRIPTS")
	if !*judge || folder == "" {
		t.Skip("needs -judge and BOOTAUDIT_TRANSCRIPTS=FOLDER (see testdata/judge)")
	}
	logs, err := filepath.Glob(filepath.Join(folder, "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	var cases []drawing
	for _, log := range logs {
		raw, err := os.ReadFile(log)
		require.NoError(t, err)
		d := drawing{Name: filepath.Base(log), Cols: 132, Rows: 50, Every: 997, Input: base64.StdEncoding.EncodeToString(raw)}
		cases = append(cases, d)
		d.Cols, d.Rows, d.Name = 80, 24, d.Name+" 80x24"
		cases = append(cases, d)
	}
	pictures := ask(t, cases)
	n := 0
	for _, d := range cases {
		same(t, d, pictures[d.Name], 4096)
		same(t, d, pictures[d.Name], 1)
		n += len(pictures[d.Name])
	}
	t.Logf("%d screens of %d transcripts", n, len(logs))
}

// TestJudgeRandom compares on sequences that nobody would send, put together
// at random from those that somebody does.
func TestJudgeRandom(t *testing.T) {
	if !*judge {
		t.Skip("needs -judge (see testdata/judge)")
	}
	random := rand.New(rand.NewPCG(1, uint64(*seed)))
	parts := []string{"a", "bc ", "0123456789", "\r\n", "\n", "\r", "\b", "\t", "\u4e16", "e\u0301", "é", "\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bM",
		"\x0e", "\x0f", "\x1b(0", "\x1b(B", "\x1b)0", "q", "\x1b[4h", "\x1b[4l", "\x1b[?7l", "\x1b[?7h", "\x1b[r", "\x1b[!p", "\x1b#8"}
	finals := "@ABCDEFGHIJKLMPSTXZ`abdefgmr"
	var cases []drawing
	for i := range 3000 {
		var b strings.Builder
		for range 2 + random.IntN(12) {
			if random.IntN(3) == 0 {
				fmt.Fprintf(&b, "\x1b[%d", random.IntN(9))
				if random.IntN(3) == 0 {
					fmt.Fprintf(&b, ";%d", random.IntN(24))
				}
				b.WriteByte(finals[random.IntN(len(finals))])
			} else {
				b.WriteString(parts[random.IntN(len(parts))])
			}
		}
		cases = append(cases, drawing{Name: fmt.Sprint(i), Cols: 20, Rows: 6, Input: base64.StdEncoding.EncodeToString([]byte(b.String()))})
	}
	pictures := ask(t, cases)
	wrong := 0
	for _, d := range cases {
		if len(pictures[d.Name]) == 0 {
			continue
		}
		want, got := pictures[d.Name][0], draw(t, d, 1<<20)[0]
		want.Scrollback, got.Scrollback, want.Replies, got.Replies = nil, nil, "", ""
		if !assert.ObjectsAreEqual(want, got) {
			if wrong++; wrong <= 10 {
				t.Errorf("%q\nwant %+v\ngot  %+v", d.bytes(t), want, got)
			}
		}
	}
	t.Logf("%d of %d differ", wrong, len(cases))
}
