package iso

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func unitOf(t *testing.T, texts ...string) Unit {
	t.Helper()
	var u Unit
	for _, text := range texts {
		require.NoError(t, u.add("file", text))
	}
	return u
}

// TestUnitText: lines as systemd.syntax(7) has them.
func TestUnitText(t *testing.T) {
	u := unitOf(t, "\uFEFF"+`
Ignored=before a section
# X=comment
  ; X=comment
[Unit]
X = 1
X=two \
   # a comment between
   lines
no assignment
=no name
X=backslash\\
[Service] `+`
X=other
`+"X=\xff\nExecStart=/bin/long "+strings.Repeat("x", 5000)+"\r\n[Unit]\nX=last \\")
	assert.Equal(t, []string{"1", "two     lines", `backslash\\`, "last"}, u.All("Unit", "X"))
	assert.Equal(t, []string{"other"}, u.All("Service", "X"))
	assert.Len(t, u.Last("Service", "ExecStart"), 5010)
	assert.Empty(t, u.All("", "Ignored"))
}

// TestEmptyAssignment: it clears a list, in a drop-in too, and leaves
// dependencies as they are (systemd.unit(5), Example 2; systemd.service(5),
// ExecStart=).
func TestEmptyAssignment(t *testing.T) {
	u := unitOf(t,
		"[Unit]\nAfter=a b\nDocumentation=x\n[Service]\nExecStart=/a\nEnvironment=A=1 B=2\nType=oneshot\n",
		"[Unit]\nAfter=\nAfter=c\nDocumentation=\n[Service]\nExecStart=\nExecStart=/b\nEnvironment=\nType=\n")
	assert.Equal(t, []string{"/b"}, u.All("Service", "ExecStart"))
	assert.Equal(t, []string{"a", "b", "c"}, u.Words("Unit", "After"))
	assert.Empty(t, u.All("Unit", "Documentation"))
	assert.Empty(t, u.Environment())
	assert.Empty(t, u.Last("Service", "Type"))
}

func TestDropInNames(t *testing.T) {
	assert.Equal(t, []string{"a.service"}, dropInNames("a.service"))
	assert.Equal(t, []string{"a-b-c.service", "a-b-.service", "a-.service"}, dropInNames("a-b-c.service"))
	assert.Equal(t, []string{"a-b@1.service", "a-b@.service", "a-@.service", "a-@1.service"}, dropInNames("a-b@1.service"))
	assert.Equal(t, []string{"a--b.service", "a--.service", "a-.service"}, dropInNames("a--b.service"))
	assert.Less(t, allocated(func() { dropInNames(strings.Repeat("-", 240) + "@x.service") }), 256<<10)
}

// FuzzUnit: what is made of a unit file's text is in proportion to it.
func FuzzUnit(f *testing.F) {
	f.Add("[Unit]\nAfter=a\\\n b\n# c\nX=\n[Service]\nEnvironment=\"A=1 2\" 'B=\\x'\nExecStart=/a \\\n")
	f.Add("[a]\n" + strings.Repeat("b=\n", 100))
	f.Add(strings.Repeat("\\\n", 100) + "[" + strings.Repeat("=", 100))
	f.Fuzz(func(t *testing.T, text string) {
		options, _ := parseUnit(text)
		bytes := 0
		for _, o := range options {
			bytes += len(o.name) + len(o.value)
		}
		// The section's name is one string for all of its options.
		if len(options) > len(text) || bytes > len(text) {
			t.Errorf("%d options and %d bytes, of %d", len(options), bytes, len(text))
		}
		u := Unit{options: options}
		u.Environment()
		u.Words("Unit", "After")
	})
}
