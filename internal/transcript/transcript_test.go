package transcript

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/cast"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// of is the report's facts.
func of(r Report) facts {
	f := facts{root: r.Root, lines: r.LANAnnouncements, shutdown: r.Shutdown, cause: r.Cause}
	if n := len(r.Stages); n > 0 {
		f.last = r.Stages[n-1]
	}
	for to, from := range map[*string]*string{&f.user: r.AutologinUser, &f.state: r.StorageState, &f.detail: r.StorageDetail, &f.lan: r.LANIPv4} {
		if from != nil {
			*to = *from
		}
	}
	return f
}

func (f facts) filled() facts {
	if f.shutdown == "" {
		f.shutdown = NoEnd
	}
	if f.cause == "" {
		f.cause = "none"
	}
	return f
}

func TestSynthetic(t *testing.T) {
	for _, c := range synthetics {
		t.Run(c.name, func(t *testing.T) {
			r, err := preNixOS().Read(strings.NewReader(c.console))
			require.NoError(t, err)
			assert.Equal(t, c.want.filled(), of(r))
			assert.Equal(t, int64(len(c.console)), r.Bytes)
		})
	}
}

// TestTheCauseIsShown names the line that a person would point to.
func TestTheCauseIsShown(t *testing.T) {
	want := map[string]string{
		"unfinished: a job waits for itself":      "systemctl start sshd",
		"applied, and the plan was empty":         "apply_plan.no_devices",
		"failed by the journal alone":             "Failed to start Pre-NixOS setup",
		"detection error by the notice":           "Storage detection encountered an error",
		"disk image locked":                       "Failed to get \"write\" lock",
		"no console on the kernel's command line": "Loading /boot/bzImage... ok",
	}
	for _, c := range synthetics {
		line, ok := want[c.name]
		if !ok {
			continue
		}
		delete(want, c.name)
		r, err := preNixOS().Read(strings.NewReader(c.console))
		require.NoError(t, err)
		shown, ok := r.evidence("cause")
		require.True(t, ok, c.name)
		assert.Contains(t, shown.Line, line, c.name)
		assert.Contains(t, c.console[shown.Offset:min(int(shown.Offset)+200, len(c.console))], line[:8], c.name)
	}
	assert.Empty(t, want)
}

var (
	escapes = regexp.MustCompile("\x1b\\][^\a]*\a|\x1b\\[[0-9;?!]*[@-~]|\x1b[()].|[\x0e\x0f]")
	crs     = regexp.MustCompile("\r+\n")
)

// formats are the ways in which the same console may have been saved.
var formats = map[string]func(testing.TB, string) string{
	"without carriage returns": func(_ testing.TB, s string) string { return strings.ReplaceAll(s, "\r", "") },
	"universal newlines": func(_ testing.TB, s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	},
	"one carriage return each": func(_ testing.TB, s string) string { return crs.ReplaceAllString(s, "\r\n") },
	"stripped":                 func(_ testing.TB, s string) string { return escapes.ReplaceAllString(s, "") },
	"stripped, no carriage returns": func(_ testing.TB, s string) string {
		return strings.ReplaceAll(escapes.ReplaceAllString(s, ""), "\r", "")
	},
	"without escape characters": func(_ testing.TB, s string) string { return strings.ReplaceAll(s, "\x1b", "") },
	"as cat -v shows it": func(_ testing.TB, s string) string {
		return strings.NewReplacer("\x1b", "^[", "\r", "^M", "\a", "^G", "\x0e", "^N", "\x0f", "^O", "●", "*", "└─", "|-", "○", "*").Replace(s)
	},
	"gzip": func(t testing.TB, s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := io.WriteString(z, s)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.String()
	},
	"xz": func(t testing.TB, s string) string {
		var b bytes.Buffer
		w, err := xz.NewWriter(&b)
		require.NoError(t, err)
		_, err = io.WriteString(w, s)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.String()
	},
	"zstd": func(t testing.TB, s string) string {
		w, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		return string(w.EncodeAll([]byte(s), nil))
	},
	"with a container's name":  func(_ testing.TB, s string) string { return prefixed(s, "console-1  | ") },
	"with a driver's prefix":   func(_ testing.TB, s string) string { return prefixed(s, "machine # ") },
	"with a CI's stamps":       func(_ testing.TB, s string) string { return prefixed(s, "2024-05-01T12:00:00.1234567Z ") },
	"with a container in a CI": func(_ testing.TB, s string) string { return prefixed(s, "2024-05-01T12:00:00.1234567Z console-1  | ") },
	"asciicast": func(t testing.TB, s string) string {
		var b bytes.Buffer
		now := time.Unix(0, 0)
		w, err := cast.NewWriter(&b, cast.Header{Cols: 132, Rows: 50, Now: func() time.Time { return now }})
		require.NoError(t, err)
		for len(s) > 0 {
			n := min(len(s), 37)
			now = now.Add(10 * time.Millisecond)
			w.Write([]byte(s[:n]))
			s = s[n:]
		}
		require.NoError(t, w.Close())
		return b.String()
	},
}

// prefixed is s with a prefix on each line. A line that was sent has none: its
// writer is not the guest's.
func prefixed(s, prefix string) string {
	return regexp.MustCompile(`(?m)^.`).ReplaceAllStringFunc(s, func(first string) string { return prefix + first })
}

func TestFormatsAgree(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			for _, c := range synthetics {
				if strings.Contains(c.name, "around what was sent") && (strings.Contains(name, "newlines") || strings.Contains(name, "no carriage") || strings.Contains(name, "without carriage") || strings.Contains(name, "cat -v") || strings.HasPrefix(name, "with a ")) {
					continue // nothing tells there what was sent from what was printed
				}
				if strings.HasPrefix(name, "with a ") && strings.Count(c.console, "\n") < 3 {
					continue // too few lines to learn from
				}
				r, err := preNixOS().Read(strings.NewReader(format(t, c.console)))
				require.NoError(t, err)
				assert.Equal(t, c.want.filled(), of(r), c.name)
			}
		})
	}
}

func TestMomentsComeFromARecording(t *testing.T) {
	r, err := Read(strings.NewReader(formats["asciicast"](t, talking+user)))
	require.NoError(t, err)
	require.Contains(t, r.Moments, "shell")
	assert.Greater(t, r.Moments["stage-1"], r.Moments["bootloader"])
	assert.Greater(t, r.Moments["shell"], r.Moments["stage-1"])
	assert.InDelta(t, float64(len(talking+user))/37*0.01, r.Moments["shell"], 0.05)
	assert.Equal(t, "asciicast", r.Format)
}

// TestAnyCut reads each console cut short everywhere: nothing is made up that
// the whole does not have.
func TestAnyCut(t *testing.T) {
	for _, c := range synthetics {
		step := cutStep
		if testing.Short() {
			step = 97
		}
		for n := 0; n < len(c.console); n += step {
			r, err := preNixOS().Read(strings.NewReader(c.console[:n]))
			require.NoError(t, err)
			got := of(r)
			require.False(t, got.root && !c.want.root, "%s, cut at %d", c.name, n)
			require.LessOrEqual(t, got.lines, c.want.lines, "%s, cut at %d", c.name, n)
			require.False(t, got.lan != "" && !strings.HasPrefix(got.lan, "192.0.2."), "%s, cut at %d: %s", c.name, n, got.lan)
		}
	}
}

func TestOddFiles(t *testing.T) {
	garbage := make([]byte, 1<<20)
	for i := range garbage {
		garbage[i] = byte(i * 2654435761 >> 7)
	}
	for name, text := range map[string]string{
		"empty": "", "one byte": "\x00", "garbage": string(garbage), "one long line": strings.Repeat("a", 1<<20),
		"line feeds": strings.Repeat("\n", 1<<18), "carriage returns": strings.Repeat("\r", 1<<18),
		"all sent": "\r\n" + strings.Repeat("text that was sent\n", 1<<14), "unfinished title": "\x1b]0;" + strings.Repeat("x", 1<<20),
		"begins like gzip": "\x1f\x8b is not gzip", "an archive of nothing": formats["gzip"](t, ""), "an archive's first bytes": formats["gzip"](t, "text")[:12],
		"not quite a recording": `{"version": 9}` + "\n", "empty recording": `{"version":3}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read(strings.NewReader(text))
			require.NoError(t, err)
			assert.Equal(t, facts{}.filled(), of(r))
			assert.NotEmpty(t, r.Page())
			out, err := json.Marshal(r)
			require.NoError(t, err)
			assert.Contains(t, string(out), `"stages":[]`)
			assert.Contains(t, string(out), `"lan_ipv4":null`)
		})
	}
	_, err := ReadFile(t.TempDir())
	require.ErrorContains(t, err, "is a folder")
	_, err = ReadFile(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestABrokenRecordingIsReadAsFarAsItGoes(t *testing.T) {
	whole := formats["asciicast"](t, talking+user)
	r, err := Read(strings.NewReader(whole[:len(whole)-3] + "\n{broken"))
	require.NoError(t, err)
	assert.Contains(t, r.Problem, "line ")
	assert.Equal(t, "nixos", *r.AutologinUser)
}

// TestMemoryIsBounded reads on long after all that is kept is full: from then on
// nothing may be added.
func TestMemoryIsBounded(t *testing.T) {
	const full, size = 2 << 20, 6 << 20
	for name, unit := range map[string]string{
		"boots": talking + asRoot() + run(status, "STATE=applied\n"), "sent": "a\r\nsent without an echo\n", "no end": "x",
	} {
		t.Run(name, func(t *testing.T) {
			heap := func() int64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return int64(m.HeapAlloc)
			}
			var before int64
			at := &repeat{unit: []byte(strings.Repeat(unit, 64<<10/len(unit)+1)), left: full, then: func() { before = heap() }}
			more := &repeat{unit: at.unit, left: size - full}
			var after int64
			r, err := Read(io.MultiReader(at, more, &repeat{then: func() { after = heap() }}))
			require.NoError(t, err)
			assert.Equal(t, int64(size), r.Bytes)
			assert.Less(t, after-before, int64(1<<20))
		})
	}
}

// repeat is a reader of a text over and over.
type repeat struct {
	unit []byte
	at   int
	left int
	then func() // at the end
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		if r.then != nil {
			r.then()
		}
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.left)], r.unit[r.at:])
	r.at = (r.at + n) % len(r.unit)
	r.left -= n
	return n, nil
}

func TestPageStripsTheGuest(t *testing.T) {
	r, err := Read(strings.NewReader(kernel + issueText + "nixos login: nixos (automatic login)\u009b31m\u202e evil \x7f\r\n" + user))
	require.NoError(t, err)
	page := r.Page()
	assert.Contains(t, page, "nixos")
	for _, bad := range []string{"\x1b", "\u009b", "\u202e", "\x7f"} {
		assert.NotContains(t, page, bad)
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range synthetics {
		f.Add([]byte(c.console))
	}
	for _, c := range captures {
		f.Add([]byte(c.wrap(brokenBoot)))
	}
	f.Add([]byte("{\"version\":3}\n[1,\"o\",\"nixos login: a (automatic login)\\r\\n\"]\n"))
	f.Add([]byte("a\r\nb\nc\n\r\r\n\x1b[?2004h\x1b]0;\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		// What is packed, or in UTF-16, has another length.
		if r.Format != "asciicast" && (len(text) == 0 || bytes.IndexByte([]byte("\x1f\x28\xfd\xfe\xff"), text[0]) < 0) {
			assert.Equal(t, int64(len(text)), r.Bytes)
		}
		_ = r.Page()
		_, err = json.Marshal(r)
		require.NoError(t, err)
	})
}

// preNixOS holds a console against the contract that has an interface lan and disks.
func preNixOS() Terms {
	terms := contract.PreNixOS()
	return Terms{Contract: &terms}
}

// What an interface called lan and a STATE= mean, an image's contract says: there are
// no such facts of a console that is nobody's.
func TestFactsAreAProfiles(t *testing.T) {
	said := kernel + user + "$ cat status; ip -4 -o addr show lan\r\nSTATE=applied\r\nDETAIL=auto-applied\r\n2: lan    inet 192.0.2.15/24 scope global lan\r\n"
	facts := func(terms Terms, console string) string {
		r, err := terms.Read(strings.NewReader(console))
		require.NoError(t, err)
		return fmt.Sprint(or(r.StorageState), " ", or(r.LANIPv4))
	}
	assert.Equal(t, "applied 192.0.2.15", facts(preNixOS(), said))
	assert.Equal(t, "not shown not shown", facts(Terms{}, said))
	assert.Equal(t, "applied 192.0.2.15", facts(Terms{}, said+"pre-nixos: Provisioning is over\r\n"))
	other := contract.Default()
	assert.Equal(t, "not shown not shown", facts(Terms{Contract: &other}, said+"pre-nixos: Provisioning is over\r\n"))
}
