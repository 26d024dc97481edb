// Package words looks for many words, and for many patterns, in a line at once,
// so that a table of a hundred costs a flood of lines little more than one.
package words

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

const (
	// window is how much of a word is looked for first.
	window = 3
	// short words have no two windows, and are looked for one by one.
	short = window + 1
	// hashBits are those of a window's hash. The table of which are some word's is
	// 8 KiB: it stays in the processor's nearest cache.
	hashBits = 16
)

// Matcher looks for words. Of each it knows two windows that follow one another,
// the rarest that it has, so that every second place of a text is looked at.
type Matcher struct {
	words []string
	short []uint16
	some  [1 << hashBits / 64]uint64
	chain [1 << hashBits]uint16 // from a window's hash to entries, from 1
	entry []entry
}

type entry struct {
	word, at, next uint16
}

// New is a matcher of the given words, which are known by their place. Empty
// words are never found.
func New(words []string) *Matcher {
	m := &Matcher{words: words}
	for id, word := range words {
		switch {
		case word == "":
		case len(word) < short:
			m.short = append(m.short, uint16(id))
		default:
			at := rarest(word)
			m.add(id, at)
			m.add(id, at+1)
		}
	}
	return m
}

func (m *Matcher) add(id, at int) {
	word := m.words[id]
	h := hash(uint32(word[at]) | uint32(word[at+1])<<8 | uint32(word[at+2])<<16)
	m.entry = append(m.entry, entry{uint16(id), uint16(at), m.chain[h]})
	m.chain[h] = uint16(len(m.entry))
	m.some[h/64] |= 1 << (h % 64)
}

// hash mixes the lower three bytes.
func hash(x uint32) uint32 { return x << 8 * 0x9e3779b1 >> (32 - hashBits) }

// often has the bytes that consoles are full of, the most frequent first; of
// others, one is as good as another.
const often = " e0tsiorna1lcdpu.m32:4gf5b]6[h87yv9-S_wCk/IPA"

// common are the windows that boots are full of, found by counting: a word that
// has others is not looked for by these.
var common = strings.Split("ing|ng |sys|yst|ste|tem|sta|tar|art|rte|oot|ver|for|abl|ble|...|]: |0x0|  O| OK|OK |K  |CPU| CP|res|ern|nit|ali|vic|ice|rvi|ser|erv|d[1|md[|oad|[1]|1]:|ini|ion|tio|ten|dev|ter|con|nel|pci|mem|usb|reg", "|")

// rarest is where in a word its rarest windows begin.
func rarest(word string) (at int) {
	best := -8 * len(often)
	for i := 0; i+short <= len(word); i++ {
		rare := 0
		for k := range short - window + 1 {
			if slices.Contains(common, word[i+k:i+k+window]) {
				rare -= 2 * len(often)
			}
		}
		for k := range short {
			if n := strings.IndexByte(often, word[i+k]); n >= 0 {
				rare += n
			} else {
				rare += len(often)
			}
		}
		if rare > best {
			best, at = rare, i
		}
	}
	return at
}

// Find appends to found the words that are in text. A word that is there twice
// may be named twice.
func (m *Matcher) Find(text []byte, found []uint16) []uint16 {
	i := 0
	for ; i+4 <= len(text); i += 2 {
		h := hash(binary.LittleEndian.Uint32(text[i:]))
		if m.some[h/64]>>(h%64)&1 != 0 {
			found = m.verify(text, i, h, found)
		}
	}
	if i+window <= len(text) {
		h := hash(uint32(text[i]) | uint32(text[i+1])<<8 | uint32(text[i+2])<<16)
		found = m.verify(text, i, h, found)
	}
	for _, id := range m.short {
		if bytes.Contains(text, []byte(m.words[id])) {
			found = append(found, id)
		}
	}
	return found
}

// verify looks at the words with the window that is at a place.
func (m *Matcher) verify(text []byte, i int, h uint32, found []uint16) []uint16 {
	for n := m.chain[h]; n > 0; {
		e := &m.entry[n-1]
		word := m.words[e.word]
		if from := i - int(e.at); from >= 0 && from+len(word) <= len(text) && string(text[from:from+len(word)]) == word {
			found = append(found, e.word)
		}
		n = e.next
	}
	return found
}
