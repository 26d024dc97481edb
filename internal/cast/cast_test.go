package cast

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t testing.TB, text string) (Header, []Event, error) {
	var events []Event
	h, err := Read(strings.NewReader(text), func(e Event) error {
		events = append(events, e)
		return nil
	})
	return h, events, err
}

func TestWrittenIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		w, err := NewWriter(&file, Header{Cols: 132, Rows: 50, Title: "clean-disk"})
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		w.Write([]byte("\x1b[1mISOLINUX\r\n"))
		time.Sleep(250 * time.Millisecond)
		require.NoError(t, w.Mark("kernel-load"))
		w.Write([]byte("a\"\\\x00\u2028"))
		require.NoError(t, w.Close())

		h, events, err := read(t, file.String())
		require.NoError(t, err)
		assert.Equal(t, "clean-disk", h.Title)
		assert.Equal(t, 132, h.Cols)
		assert.Equal(t, []Event{
			{1500 * time.Millisecond, 'o', "\x1b[1mISOLINUX\r\n"},
			{1750 * time.Millisecond, 'm', "kernel-load"},
			{1750 * time.Millisecond, 'o', "a\"\\\x00\u2028"},
		}, events)
		first, _, _ := strings.Cut(file.String(), "\n")
		assert.Equal(t, `{"version":3,"term":{"cols":132,"rows":50},"timestamp":946684800,"title":"clean-disk"}`, first)
	})
}

func TestCharactersStayWhole(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Header{})
	require.NoError(t, err)
	for _, b := range []byte("─世\U0001f680\xff\xe2\x82x\xe4\xb8") {
		w.Write([]byte{b})
	}
	require.NoError(t, w.Close())
	_, events, err := read(t, file.String())
	require.NoError(t, err)
	var text string
	for _, e := range events {
		text += e.Data
	}
	assert.Equal(t, "─世\U0001f680\ufffd\ufffd\ufffdx\ufffd\ufffd", text)
}

func TestIntervalsDoNotDrift(t *testing.T) {
	var file bytes.Buffer
	now := time.Unix(0, 0)
	w, err := NewWriter(&file, Header{Now: func() time.Time { return now }})
	require.NoError(t, err)
	for range 10000 {
		now = now.Add(333333 * time.Nanosecond)
		w.Write([]byte("."))
	}
	_, events, err := read(t, file.String())
	require.NoError(t, err)
	assert.InDelta(t, now.Sub(time.Unix(0, 0)).Seconds(), events[len(events)-1].At.Seconds(), 0.001)
}

func TestAFullDiskIsReported(t *testing.T) {
	file := &failing{after: 1}
	w, err := NewWriter(file, Header{})
	require.NoError(t, err)
	_, err = w.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, w.Mark("y"), io.ErrShortWrite)
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestVersion2HasAbsoluteTimes(t *testing.T) {
	h, events, err := read(t, `{"version": 2, "width": 80, "height": 24}`+"\n"+
		`[0.5, "o", "a"]`+"\n"+`[2.25, "o", "b"]`+"\n")
	require.NoError(t, err)
	assert.Equal(t, 80, h.Cols)
	assert.Equal(t, 2250*time.Millisecond, events[1].At)
}

func TestBadRecordings(t *testing.T) {
	for name, c := range map[string]struct{ text, message string }{
		"empty":          {"", "header"},
		"not JSON":       {"hello", "header"},
		"version 1":      {`{"version":1,"stdout":[]}`, "version 1 is not known"},
		"cut event":      {"{\"version\":3}\n[1,\"o\",\"a\"]\n[1,\"o\",\"b", "line 3"},
		"short event":    {"{\"version\":3}\n[1,\"o\"]", "3 parts, not 2"},
		"odd time":       {"{\"version\":3}\n[\"x\",\"o\",\"a\"]", "line 2"},
		"long code":      {"{\"version\":3}\n[1,\"out\",\"a\"]", "one letter"},
		"line too long":  {"{\"version\":3}\n[1,\"o\",\"" + strings.Repeat("a", maxLine) + "\"]", "longer than 16 MiB"},
		"binary garbage": {"{\"version\":3}\n\x00\x01\x02", "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, c.text)
			require.ErrorContains(t, err, c.message)
		})
	}
	_, events, err := read(t, "{\"version\":3}\n# a comment\n\n[1,\"o\",\"a\"]\n[1,\"o\",\"b")
	require.Error(t, err)
	assert.Len(t, events, 1, "what stands before the broken line counts")

	stop := errors.New("enough")
	_, err = Read(strings.NewReader("{\"version\":3}\n[1,\"o\",\"a\"]\n"), func(Event) error { return stop })
	require.ErrorIs(t, err, stop)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n[0.1,\"o\",\"a\"]\n[1e300,\"m\",\"x\"]\n"))
	f.Add([]byte("{\"version\":2,\"width\":80}\n[-1,\"o\",\"\\ud800\"]\n"))
	f.Add([]byte("\ufeff{\"version\":3}\n# c\n[1,\"o\",\"a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		Read(bytes.NewReader(text), func(e Event) error {
			assert.GreaterOrEqual(t, e.At, time.Duration(0))
			n++
			return nil
		})
		assert.LessOrEqual(t, n, len(text))
	})
}
