package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	stream := "go: downloading x\r\n" +
		`{"Action":"start","Package":"p"}` + "\r\n" +
		"\n" +
		`{"Action":7}` + "\n" +
		`{"Action":"run","Package":"p","Test":"TestX"}`
	for _, in := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		lines := slices.Collect(Lines(in))
		require.Len(t, lines, 4)
		assert.Equal(t, "go: downloading x", lines[0].Text)
		assert.Equal(t, "start", lines[1].Event.Action)
		assert.Equal(t, `{"Action":7}`, lines[2].Text)
		assert.Equal(t, "TestX", lines[3].Event.Test, "an event whole but for its line's end")
		assert.False(t, lines[3].Cut)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	tooLong := strings.Repeat("y", maxLine+1)
	lines := slices.Collect(Lines(strings.NewReader(
		`{"Action":"output","Package":"p","Test":"TestX","Output":"` + long + `"}` + "\n" + tooLong + "\n" + `{"Action":"start","Package":"p"}` + "\n")))
	require.Len(t, lines, 3)
	assert.Len(t, lines[0].Event.Output, 10<<20)
	assert.Contains(t, lines[1].Text, fmt.Sprintf("[a line of %d bytes]", maxLine+2))
	assert.Less(t, len(lines[1].Text), 3000)
	assert.Equal(t, "start", lines[2].Event.Action, "what follows a line that is too long")

	run := NewRun("in")
	run.Add(Line{Event: &Event{Action: "run", Package: "p", Test: "TestX"}})
	for _, line := range lines {
		run.Add(line)
	}
	assert.Less(t, len(run.Packages[0].Tests[0].output.String()), 100<<10, "what is kept of a test's output")
}

func TestReadErrorIsTold(t *testing.T) {
	in := io.MultiReader(strings.NewReader(`{"Action":"start","Package":"p"}`+"\n"), iotest.ErrReader(errors.New("disk gone")))
	a := NewAudit(readAll("in", in))
	assert.Contains(t, strings.Join(a.Partial, "\n"), "Reading in ended early: disk gone.")
}

// TestLongAttribute: test2json does not recognise a line over 4 KiB as an
// attribute, and passes it as output in parts, under another test's name.
func TestLongAttribute(t *testing.T) {
	value := `{"id":"long","section":"host","outcome":"holds","evidence":"` + strings.Repeat("e", 6000) + `"}`
	line := "\x16=== ATTR  TestHost/long finding " + value + "\n"
	run := NewRun("in")
	add := func(test, output string) News {
		return run.Add(Line{Event: &Event{Action: "output", Package: "p", Test: test, Output: output}})
	}
	run.Add(Line{Event: &Event{Action: "run", Package: "p", Test: "TestHost/long"}})
	var news News
	for part := range slices.Chunk([]byte(line), 1024) {
		news = add("TestHost/other", string(part))
	}
	require.NotNil(t, news.Finding)
	assert.Equal(t, "long", news.Finding.ID)
	assert.Equal(t, "TestHost/long", news.Test.Name)
	assert.Len(t, news.Finding.Evidence, 6000)

	// A guest that prints the same words has no marker before them, because
	// go test indents what a test logs.
	assert.Nil(t, add("TestHost/other", "    "+line[1:]).Finding)
}

func TestRunsAgain(t *testing.T) {
	run := readAll("in", strings.NewReader(`{"Action":"run","Package":"p","Test":"TestX"}
{"Action":"fail","Package":"p","Test":"TestX"}
{"Action":"run","Package":"p","Test":"TestX"}
{"Action":"pass","Package":"p","Test":"TestX"}
{"Action":"fail","Package":"p"}
`))
	require.Len(t, run.Packages[0].Tests, 2, "-count=2 is two tests")
	assert.Equal(t, StatusBroken, NewAudit(run).Status())
}

func FuzzReport(f *testing.F) {
	for _, seed := range []string{
		`{"Action":"run","Package":"p","Test":"TestX/y"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestX/y"}`,
		`{"Action":"attr","Package":"p","Test":"T","Key":"finding","Value":"{\"id\":\"a|b\",\"outcome\":\"broken\",\"evidence\":\"` + "```" + `\"}"}`,
		`{"Action":"attr","Package":"p","Test":"T","Key":"vm","Value":"{\"stages\":[{\"stage\":\"init\",\"seconds\":1e300}]}"}`,
		`{"Action":"output","Package":"p","Test":"T","Output":"\u0016=== ATTR  T finding {"}`,
		`{"ImportPath":"p","Action":"build-fail"}`,
		"# p\n\x1b]0;x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		a := NewAudit(readAll("in", strings.NewReader(string(stream))))
		checkXML(t, written(t, a.JUnit))
		md := written(t, a.Markdown)
		if control.MatchString(md) {
			t.Errorf("a control character in %q", md)
		}
		checkMarkdown(t, md)
		written(t, a.HTML)
	})
}

// TestGuestCannotForge: recorded from a test that wrote a guest's ^V to
// t.Output and to t.Log.
func TestGuestCannotForge(t *testing.T) {
	run := read(t, "testdata/forged.json")
	a := NewAudit(run)
	for _, row := range a.rows() {
		assert.Equal(t, "real", row.ID)
	}
	assert.Len(t, a.rows(), 1)
	assert.Contains(t, strings.Join(a.Partial, "\n"), "imitated go test's own lines")
	for _, test := range run.Packages[0].Tests {
		assert.NotContains(t, test.Name, "Forged")
		if test.Name == "TestBroken" {
			assert.Equal(t, "fail", test.Status)
		}
	}
}
