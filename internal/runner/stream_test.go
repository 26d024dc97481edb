package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/checktest"
)

// inner says in the test binary that TestLikeGoTest runs that the sample may fail.
const inner = "BOOTAUDIT_TEST_INNER"

// sample does all that a test can do.
func sample(t check.Test) {
	order := make(chan string, 10)
	t.Cleanup(func() {
		close(order)
		for word := range order {
			t.Log(word)
		}
	})
	t.Attr("about", `{"host":"here"}`)
	t.Run("passes", func(t check.Test) { t.Log("one\ntwo") })
	t.Run("a b", func(t check.Test) { t.Skip("not today") })
	t.Run("beside", func(t check.Test) {
		t.Parallel()
		order <- "beside goes on"
		t.Attr("finding", "x y")
		fmt.Fprintln(t.Output(), "vm x: said\nby a writer")
	})
	t.Run("fails", func(t check.Test) {
		t.Cleanup(func() { order <- "cleaned" })
		t.Run("below", func(t check.Test) { t.Fatal("it bends") })
		t.Run("below/slash", func(t check.Test) {})
		t.Log("goes on")
	})
	t.Run("with parallel children", func(t check.Test) {
		for i := range 3 {
			t.Run(fmt.Sprint(i), func(t check.Test) {
				t.Parallel()
				if err := t.Context().Err(); err != nil {
					t.Fatal(err)
				}
			})
		}
		order <- "children wait"
	})
	t.Run("the same", func(t check.Test) {})
}

func TestSample(t *testing.T) {
	if os.Getenv(inner) == "" {
		t.Skip("TestLikeGoTest runs it")
	}
	sample(checktest.Of(t))
}

// vary are the place and the time in what a test says.
var vary = regexp.MustCompile(`\w+\.go:\d+|\d+\.\d+s`)

// history is what each test of a stream did, in order, without times and words.
func history(t *testing.T, stream []byte) map[string][]string {
	all := map[string][]string{}
	for line := range bytes.Lines(stream) {
		var e event
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		assert.False(t, e.Time.IsZero())
		switch {
		case e.Action == "output" && (e.Test == "" || strings.HasPrefix(e.Output, "=== ATTR")):
			// The package's last words have its time.
		case e.Action == "output":
			all[e.Test] = append(all[e.Test], vary.ReplaceAllString(e.Output, "N"))
		case e.Action == "attr":
			all[e.Test] = append(all[e.Test], "attr "+e.Key+" "+e.Value)
		default:
			all[e.Test] = append(all[e.Test], e.Action)
		}
	}
	return all
}

// What go test makes of a test, and of patterns, a stream makes of it.
func TestLikeGoTest(t *testing.T) {
	for _, row := range []struct{ run, skip string }{
		{"", ""}, {"TestSample", ""}, {"TestSample$/^passes$|a_b", ""}, {"TestSample/fails", ""}, {"/fails/below", ""},
		{"TestSample/passes|TestSample/fails/below", ""}, {"TestSample", "TestSample/(passes|fails)|x"}, {`TestSample/[a|]`, ""}, {"/.*/1", ""}, {"", "TestSample/fails"}, {"", "/f"}, {"TestSample/[/f]ails", "/x/below"}, {"TestSample", "TestSample/(fails|a/b)"},
		{"TestOther", ""}, {"", "TestSample"},
	} {
		t.Run(row.run+" but "+row.skip, func(t *testing.T) {
			args := []string{"tool", "test2json", "-t", "-p", "some/package", os.Args[0], "-test.v=test2json", "-test.run=" + row.run, "-test.skip=" + row.skip}
			if row.run == "" || row.run[0] == '/' {
				args[len(args)-2] = "-test.run=^TestSample$" + row.run
			}
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Env = append(os.Environ(), inner+"=1")
			theirs, err := cmd.Output()
			var exit *exec.ExitError
			require.True(t, err == nil || errors.As(err, &exit), "%v", err)

			var ours bytes.Buffer
			run, err := ParsePattern(row.run)
			require.NoError(t, err)
			skip, err := ParsePattern(row.skip)
			require.NoError(t, err)
			stream := Stream{Out: &ours, Run: run, Skip: skip}
			ok := stream.Package(context.Background(), "some/package", "TestSample", sample)
			require.NoError(t, stream.Err())
			want, got := history(t, theirs), history(t, ours.Bytes())
			if len(got) == 0 { // go test has a package without tests, which passes
				assert.True(t, ok)
				assert.Equal(t, []string{""}, slices.Collect(keys(want)))
				return
			}
			assert.Equal(t, err == nil && exit == nil, ok)
			assert.Equal(t, want, got)
		})
	}
}

func keys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// A panic is a failure of its test, and the others go on.
func TestPanic(t *testing.T) {
	var out bytes.Buffer
	stream := Stream{Out: &out}
	ok := stream.Package(t.Context(), "some/package", "TestIt", func(t check.Test) {
		t.Run("panics", func(check.Test) { panic("by\nsurprise") })
		t.Run("after", func(check.Test) {})
	})
	assert.False(t, ok)
	got := history(t, out.Bytes())
	assert.Contains(t, got["TestIt/panics"], "    N: panic: by\n")
	assert.Equal(t, "fail", got["TestIt/panics"][len(got["TestIt/panics"])-1])
	assert.Equal(t, "pass", got["TestIt/after"][len(got["TestIt/after"])-1])
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriterThatFails(t *testing.T) {
	stream := Stream{Out: full{}}
	stream.Package(t.Context(), "p", "TestIt", sample)
	assert.EqualError(t, stream.Err(), "no space left")
}

func TestBadPattern(t *testing.T) {
	_, err := ParsePattern("TestHost/(")
	assert.ErrorContains(t, err, `pattern "TestHost/(": `)
}
