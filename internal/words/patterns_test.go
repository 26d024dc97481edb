package words

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a look lets through matches as the pattern itself does.
func TestPatternsMatchAsTheirPatterns(t *testing.T) {
	list := []*regexp.Regexp{
		regexp.MustCompile(`Kernel panic - |^(?:grub|=)> ?$|[Oo]ut of memory`),
		regexp.MustCompile(`(?i)passphrase for`),
		regexp.MustCompile(`^=> ?$|x{2,3}yz(?:ab|cd)+`),
		regexp.MustCompile(`VFS: (?:Unable to mount|Cannot open) root|\bsignal 4\b`),
		regexp.MustCompile(`^$`),
	}
	p := NewPatterns(list)
	assert.Equal(t, []int{1, 4}, p.Bare())
	var l Look
	for _, text := range []string{"", "=>", "=> ", "a =>", "grub> ", "Kernel panic - not", "Kernel pan", "PASSPHRASE FOR x", "xxyzab", "xyzab", "xxyzcdz",
		"VFS: Cannot open root", "VFS: Unable to open root", "out of memory", "signal 4", "signal 42", "ü out of memory"} {
		p.Look(&l, []byte(text))
		for i, re := range list {
			assert.Equal(t, re.MatchString(text), l.Match(i, []byte(text)), "%s on %q", re, text)
		}
	}
}

// A look is of the patterns that it is asked with last.
func TestLookOfAnotherTable(t *testing.T) {
	one, other := NewPatterns([]*regexp.Regexp{regexp.MustCompile("first")}), NewPatterns([]*regexp.Regexp{regexp.MustCompile("nothing"), regexp.MustCompile("second")})
	var l Look
	one.Look(&l, []byte("first"))
	assert.True(t, l.Match(0, []byte("first")))
	assert.False(t, l.May(1))
	other.Look(&l, []byte("the second"))
	assert.False(t, l.May(0))
	for i := range l.Each(0, 2) {
		assert.Equal(t, 1, i)
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("a(?:bc|de)+f|^gh?i", "xabcf")
	f.Add("^=>|y{2}z", "=>yyz")
	f.Add("(?i)abcd", "xABCD")
	f.Add("(?:abcd|)efgh|\\babcd$", "efgh")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 200 || strings.Count(pattern, "{") > 1 {
			t.Skip()
		}
		p := NewPatterns([]*regexp.Regexp{re})
		var l Look
		p.Look(&l, []byte(text))
		assert.Equal(t, re.MatchString(text), l.Match(0, []byte(text)), "%q on %q", pattern, text)
	})
}
