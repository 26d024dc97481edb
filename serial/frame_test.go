package serial

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func frameText(key string, job int, kind, arg, data string) string {
	return fmt.Sprintf("@%s.%d.%s.%s.%s.%d;", key, job, kind, arg, data, len(data))
}

func frames(key, stream string, size int) []frame {
	var got []frame
	d := newDeframer(key)
	for len(stream) > 0 {
		n := min(size, len(stream))
		d.feed([]byte(stream[:n]), func(f frame) bool {
			got = append(got, f)
			return true
		})
		stream = stream[n:]
	}
	return got
}

func TestDeframer(t *testing.T) {
	one := frameText("key", 1, "o", "0", "QUJD")
	want := frame{job: 1, kind: 'o', arg: "0", data: "QUJD"}
	for name, test := range map[string]struct {
		stream string
		want   []frame
	}{
		"alone":                      {one, []frame{want}},
		"two":                        {one + "\r\n" + one, []frame{want, want}},
		"noise before":               {"[ 1.0] usb @ke @@key" + one, []frame{want}},
		"two at signs":               {"@" + one, []frame{want}},
		"broken off, then whole":     {one[:12] + one, []frame{want}},
		"kernel line in the data":    {one[:14] + "[    1.0] usb\r\n" + one[14:], nil},
		"letters in the data":        {one[:14] + "AAAA" + one[14:], nil},
		"another key":                {frameText("kez", 1, "o", "0", "QUJD"), nil},
		"an echo":                    {"'@%s.%s' 'ke''y'", nil},
		"a length with a sign":       {"@key.1.o.0.QUJD.+4;", nil},
		"a length with a zero":       {"@key.1.o.0.QUJD.04;", nil},
		"no data":                    {frameText("key", 7, "f", "end", ""), []frame{{job: 7, kind: 'f', arg: "end"}}},
		"data with dots":             {frameText("key", 7, "u", "0", "a.b.c"), []frame{{job: 7, kind: 'u', arg: "0", data: "a.b.c"}}},
		"a number that is too large": {"@key.99999999999.o.0.QUJD.4;", nil},
		"longer than any frame":      {frameText("key", 1, "o", "0", strings.Repeat("A", maxFrame)) + one, []frame{want}},
	} {
		for _, size := range []int{1, 3, 1 << 20} {
			assert.Equal(t, test.want, frames("key", test.stream, size), "%s, %d bytes at a time", name, size)
		}
	}
}

// Who has what it wanted leaves the rest, and goes on there.
func TestDeframerStopsAtAFrame(t *testing.T) {
	one, two := frameText("key", 1, "o", "0", "QUJD"), frameText("key", 2, "o", "0", "QUJD")
	stream := "noise" + one + "\r\n" + two + "more"
	d := newDeframer("key")
	var jobs []uint32
	take := func(f frame) bool {
		jobs = append(jobs, f.job)
		return false
	}
	n := d.feed([]byte(stream), take)
	assert.Equal(t, "\r\n"+two+"more", stream[n:])
	n += d.feed([]byte(stream[n:]), take)
	assert.Equal(t, "more", stream[n:])
	n += d.feed([]byte(stream[n:]), take)
	assert.Equal(t, len(stream), n)
	assert.Equal(t, []uint32{1, 2}, jobs)
}

func TestEscapeIsWhatPrintfUndoes(t *testing.T) {
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i + 1)
	}
	in := string(all) + `\n \0101 %s $(id) '"` + "\n\\"
	for _, shell := range guestShells(t) {
		out, err := exec.Command(shell[0], append(shell[1:], "-c", `printf %b "$1"`, "sh", escape(in))...).Output()
		require.NoError(t, err)
		assert.Equal(t, in, string(out), shell)
	}
}

func TestCksumIsPOSIX(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 100_000} {
		text := strings.Repeat("x\n", n)
		cmd := exec.Command("cksum")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%d %d\n", cksum([]byte(text)), len(text)), string(out))
	}
}

// However a stream of frames is cut, disturbed and broken off: what comes out
// was put in, and it takes no more memory than a frame.
func FuzzDeframer(f *testing.F) {
	one := frameText("key", 1, "o", "0", "QUJD")
	f.Add(one+"\n"+one, "[ 1.0] x\r\n", 20, 5)
	f.Add(one, ";", 13, 1)
	f.Add(strings.Repeat("@key.", 100)+one, "@key.1.o.0.QUJD.4;", 3, 2)
	f.Fuzz(func(t *testing.T, stream, noise string, at, size int) {
		at = max(0, min(at, len(stream)))
		d := newDeframer("key")
		disturbed := stream[:at] + noise + stream[at:]
		for len(disturbed) > 0 {
			n := min(max(1, size), len(disturbed))
			d.feed([]byte(disturbed[:n]), func(f frame) bool {
				text := frameText("key", int(f.job), string(f.kind), f.arg, f.data)
				assert.Contains(t, stream[:at]+noise+stream[at:], text[strings.Index(text, "."+string(f.kind)):])
				return true
			})
			disturbed = disturbed[n:]
			require.LessOrEqual(t, cap(d.buf), 4*maxFrame)
		}
	})
}

// Output in frames of which noise destroys some is whole once the missing lines
// were asked for again.
func FuzzStream(f *testing.F) {
	f.Add([]byte("hello"), uint64(1), 3)
	f.Add([]byte(strings.Repeat("0123456789", 100)), uint64(7), 48)
	f.Fuzz(func(t *testing.T, output []byte, seed uint64, size int) {
		size = max(1, min(size, 1000))
		if len(output) > 4000 {
			return
		}
		var lines []string
		for part := range slices.Chunk(output, size) {
			lines = append(lines, base64.StdEncoding.EncodeToString(part))
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		var s stream
		for range 1000 {
			holes := s.missing(len(lines))
			if len(holes) == 0 {
				break
			}
			for _, hole := range holes {
				for n := hole.from; n < hole.to; n++ {
					if rng.IntN(3) > 0 {
						s.add(frame{kind: 'o', arg: fmt.Sprint(n), data: lines[n]}, MaxOutput)
					}
				}
			}
		}
		text := strings.Join(lines, "\n") + "\n"
		got := s.join(digest{len(lines), cksum([]byte(text))}, MaxOutput)
		require.NotNil(t, got)
		assert.Equal(t, string(output), string(got))
	})
}
