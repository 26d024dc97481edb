package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"bootaudit/internal/replay"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// read records a saved stream.
func read(t testing.TB, name string) *Run {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	return readAll(filepath.Base(name), f)
}

func readAll(name string, in io.Reader) *Run {
	run := NewRun(name)
	for line := range Lines(in) {
		run.Add(line)
	}
	run.End()
	return run
}

func audit(t testing.TB, names ...string) *Audit {
	t.Helper()
	var runs []*Run
	for _, name := range names {
		runs = append(runs, read(t, filepath.Join("testdata", name)))
	}
	a := NewAudit(runs...)
	a.Attach(filepath.Join("testdata", "vms"))
	return a
}

func written(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

// golden compares got with a file, so that a changed report is read by a
// person once: go test ./internal/report -update
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update")
	assert.Equal(t, string(want), got, "%s has changed; if it should, run the test with -update", path)
}

var streams = map[string][]string{
	"full":     {"full.json"},              // every kind of finding, two boots
	"failures": {"failures.json"},          // recorded: a panic, a -timeout, os.Exit, a failed build
	"host":     {"host.json"},              // recorded: TestHost on a host with broken KVM
	"boot":     {"boot.json"},              // recorded: two scenarios of TestVM on the stand-in
	"silent":   {"silent.json"},            // no console=: one cause, in the image and in four boots
	"cut":      {"cut.json"},               // ends inside a line
	"hostile":  {"hostile.json"},           // every field tries to break out
	"merged":   {"host.json", "full.json"}, // of two machines
}

func TestReports(t *testing.T) {
	for name, files := range streams {
		t.Run(name, func(t *testing.T) {
			a := audit(t, files...)
			golden(t, name+".md", written(t, a.Markdown))
			golden(t, name+".junit.xml", written(t, a.JUnit))
			page := films.ReplaceAllStringFunc(written(t, a.HTML), func(film string) string { return filmWords(t, film) })
			page = strings.NewReplacer(pageJS, "[script]", playerJS, "[player]", playerCSS, "[player's style]", reportCSS, "[style]").Replace(page)
			golden(t, name+".html", page)
			var last bytes.Buffer
			a.Conclude(&last, "audit/now", false)
			golden(t, name+".end.txt", last.String())
			assert.Equal(t, name == "host", a.Status() == StatusGood)
		})
	}
}

var films = regexp.MustCompile(`data-film="([^"]*)"`)

// filmWords is what stands in a golden file for a recording.
func filmWords(t *testing.T, film string) string {
	text, err := replay.Unpack(films.FindStringSubmatch(film)[1])
	require.NoError(t, err)
	var is struct {
		Length                         int
		Lines, Frames, Moments, Styles []any
	}
	require.NoError(t, json.Unmarshal([]byte(text), &is))
	return fmt.Sprintf("data-film=[%d ms, %d frames of %d lines in %d styles, %d moments]",
		is.Length, len(is.Frames), len(is.Lines), len(is.Styles), len(is.Moments))
}

// TestMarkdownKeepsItsShape reads the Markdown as GitHub would: what came from
// a guest must neither end a table's row, nor a fence, nor be HTML.
func TestMarkdownKeepsItsShape(t *testing.T) {
	for name, files := range streams {
		t.Run(name, func(t *testing.T) {
			checkMarkdown(t, written(t, audit(t, files...).Markdown))
		})
	}
}

var ourHTML = regexp.MustCompile(`^(<a id="[a-z0-9-]*">|</a>|<details>|</details>|<summary>|</summary>)$`)

var control = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202e]")

func checkMarkdown(t *testing.T, md string) {
	t.Helper()
	source := []byte(md)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	sections := 0
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				sections++
			}
			if n.Level > 1 { // the first is the verdict, which may quote anything
				assert.NotContains(t, string(n.Lines().Value(source)), "heading")
			}
		case *east.Table:
			columns := n.FirstChild().ChildCount()
			for row := n.FirstChild(); row != nil; row = row.NextSibling() {
				assert.Equal(t, columns, row.ChildCount())
			}
		case *ast.RawHTML:
			assert.Regexp(t, ourHTML, string(n.Segments.Value(source)))
		case *ast.HTMLBlock:
			for _, tag := range regexp.MustCompile(`<[^>]*>`).FindAllString(string(n.Lines().Value(source)), -1) {
				assert.Regexp(t, ourHTML, tag)
			}
		case *ast.Link:
			assert.Regexp(t, `^(#|\./)`, string(n.Destination))
		}
		return ast.WalkContinue, nil
	})
	require.NoError(t, err)
	assert.Equal(t, 5, sections, "sections")
	assert.Empty(t, control.FindString(md))
}

// TestHTMLStandsAlone: no guest's text is markup, and nothing is fetched.
func TestHTMLStandsAlone(t *testing.T) {
	for _, name := range []string{"hostile", "full", "silent"} {
		page := written(t, audit(t, streams[name]...).HTML)
		page = strings.NewReplacer(playerJS, "", playerCSS, "").Replace(page)
		assert.Contains(t, page, `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;`)
		for _, never := range []string{`<script>alert`, `<img`, `(?i)(src|href)="?(https?:|//|javascript:)`} {
			assert.Empty(t, regexp.MustCompile(never).FindString(page))
		}
		assert.Empty(t, control.FindString(page))
		for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if file, is := strings.CutPrefix(href[1], "./"); is {
				require.FileExists(t, filepath.Join("testdata", "vms", file), "the report's folder is that")
				continue
			}
			require.True(t, strings.HasPrefix(href[1], "#"))
			assert.Equal(t, 1, strings.Count(page, ` id="`+href[1][1:]+`"`), "the target of %s", href[1])
		}
	}
}

// TestTenBootsAreSmall: a page is mailed and kept, so ten boots of the stand-in,
// with all that is recorded of each, come to no more than 300 kB.
func TestTenBootsAreSmall(t *testing.T) {
	a := audit(t, "boot.json")
	vm := a.VMs[0]
	require.NotNil(t, vm.Recording)
	a.VMs = nil
	for range 10 {
		a.VMs = append(a.VMs, vm)
	}
	page := written(t, a.HTML)
	assert.LessOrEqual(t, len(page), 300_000)
	assert.Equal(t, 10, strings.Count(page, "data-film="))
	t.Logf("%d bytes, of which each recording is %d", len(page), len(vm.Recording.Packed))
}

func TestJUnitIsXML(t *testing.T) {
	for _, files := range streams {
		checkXML(t, written(t, audit(t, files...).JUnit))
	}
}

// junit10 is what stands where, by Jenkins' schema (its xUnit plugin's
// types/model/xsd/junit-10.xsd): an element's parents, the attributes that it must
// have, and those that it may.
var junit10 = map[string]struct{ in, must, may string }{
	"testsuites": {"", "", "name time tests failures errors"},
	"testsuite": {"testsuites testsuite", "name tests failures errors",
		"group time skipped timestamp hostname id package file log url"},
	"properties": {"testsuite", "", ""},
	"property":   {"properties", "name value", ""},
	"testcase":   {"testsuite", "name", "time classname group"},
	"failure":    {"testcase", "", "type message"},
	"error":      {"testcase", "", "type message"},
	"skipped":    {"testcase", "", "type message"},
	"system-out": {"testcase testsuite", "", ""},
	"system-err": {"testcase testsuite", "", ""},
}

func checkXML(t testing.TB, text string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	open := []string{""}
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			rule, known := junit10[e.Name.Local]
			require.True(t, known, "element %s", e.Name.Local)
			assert.Contains(t, strings.Split(rule.in, " "), open[len(open)-1], "the parent of %s", e.Name.Local)
			open = append(open, e.Name.Local)
			var has []string
			for _, attr := range e.Attr {
				has = append(has, attr.Name.Local)
				assert.Contains(t, strings.Fields(rule.must+" "+rule.may), attr.Name.Local, "an attribute of %s", e.Name.Local)
				if attr.Name.Local == "time" {
					assert.Regexp(t, `^[0-9]+\.[0-9]{3}$`, attr.Value)
				}
			}
			assert.Subset(t, has, strings.Fields(rule.must), "attributes of %s", e.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// One cause is one failure, and as many as were seen to fail by it: what was not
// tried is skipped.
func TestJUnitCountsACauseOnce(t *testing.T) {
	text := written(t, audit(t, "silent.json").JUnit)
	assert.Contains(t, text, `<testsuites tests="31" failures="6" errors="0">`)
	assert.Contains(t, text, `<skipped message="not tried, because image-console is broken">`)
	assert.Contains(t, text, `by the same cause as image-console">`)
	assert.Contains(t, text, `<property name="verdict" value="Does not boot: `)
}

func TestSameStreamSameBytes(t *testing.T) {
	one, two := audit(t, "full.json"), audit(t, "full.json")
	assert.Equal(t, written(t, one.Markdown), written(t, two.Markdown))
	assert.Equal(t, written(t, one.HTML), written(t, two.HTML))
	assert.Equal(t, written(t, one.JUnit), written(t, two.JUnit))
}

func TestWhatIsNoStream(t *testing.T) {
	for _, c := range []struct{ name, stream, says string }{
		{"empty", "", "The stream (in) is empty"},
		{"blank lines", "\n\n\r\n", "The stream (in) is empty"},
		{"text", "ok  \tbootaudit/prereq\t0.1s\n", `is not the output of go test -json; it begins with "ok bootaudit/prereq 0.1s"`},
		{"other JSON", `{"name": "value"}` + "\n", "is not the output of go test -json"},
		{"binary", "\x7fELF\x02\x01\x00\x00", "is not the output of go test -json"},
		{"cut", `{"Action":"start","Package":"p"}` + "\n" + `{"Action":"ru`, "ends inside a line"},
		{"stops", `{"Action":"start","Package":"p"}` + "\n" + `{"Action":"run","Package":"p","Test":"TestX"}` + "\n", "ends before these had ended: p, TestX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAudit(readAll("in", strings.NewReader(c.stream)))
			assert.Contains(t, strings.Join(a.Partial, "\n"), c.says)
			assert.Equal(t, StatusBroken, a.Status())
			checkMarkdown(t, written(t, a.Markdown))
		})
	}
}

func TestNoTestRan(t *testing.T) {
	a := NewAudit(readAll("in", strings.NewReader(`{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p","Elapsed":0}
`)))
	assert.Empty(t, a.Partial)
	require.Len(t, a.Problems, 1)
	assert.Equal(t, "no test ran", a.Problems[0].Title)
	assert.Equal(t, StatusBroken, a.Status())
}
