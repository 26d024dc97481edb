package words

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFindsWhatContainsFinds(t *testing.T) {
	list := []string{"he", "she", "his", "hers", "", "s", "Kernel panic", "panic - not", "ä"}
	m := New(list)
	for _, text := range []string{"", "ushers", "Kernel panic - not syncing", "Kernel panKernel panic", "ärger", "xyz", "hhhis"} {
		found := m.Find([]byte(text), nil)
		for id, word := range list {
			want := word != "" && bytes.Contains([]byte(text), []byte(word))
			assert.Equal(t, want, slices.Contains(found, uint16(id)), "%q in %q", word, text)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("ab", "b", "cabab")
	f.Add("aa", "aaa", "aaaaaaa")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		if len(a)+len(b) > 1000 {
			t.Skip()
		}
		found := New([]string{a, b}).Find([]byte(text), nil)
		for id, word := range []string{a, b} {
			want := word != "" && bytes.Contains([]byte(text), []byte(word))
			assert.Equal(t, want, slices.Contains(found, uint16(id)), "%q in %q", word, text)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	m := New([]string{"Kernel panic", "Out of memory", "WARNING: ", "systemd[1]: ", "login:", "Oops", "I/O error", "segfault"})
	line := []byte("[    1.594503] pci 0000:00:01.1: BAR 1 [io  0x03f6]: legacy IDE quirk")
	b.SetBytes(int64(len(line)))
	var found []uint16
	for b.Loop() {
		found = m.Find(line, found[:0])
	}
}
