// Package words looks for many words in a line at once, so that a table of a
// hundred patterns costs a flood of lines little more than one.
package words

// Matcher is an Aho-Corasick automaton: one step per byte, however many words.
type Matcher struct {
	next []([256]uint16) // state and byte -> state, while it is built
	out  [][]uint16      // the words that end in a state

	// What is read is packed, so that it stays in the processor's cache: the
	// bytes that are in no word are one kind, and a step is the place of the
	// next state's row, with the lowest bit set where words end.
	kind  [256]uint16
	width uint32
	step  []uint32
}

// New is a matcher of the given words, which are known by their place. Empty
// words are never found.
func New(words []string) *Matcher {
	m := &Matcher{next: make([][256]uint16, 1), out: make([][]uint16, 1)}
	for id, word := range words {
		if word == "" {
			continue
		}
		state := uint16(0)
		for i := range len(word) {
			to := m.next[state][word[i]]
			if to == 0 {
				to = uint16(len(m.next))
				m.next = append(m.next, [256]uint16{})
				m.out = append(m.out, nil)
				m.next[state][word[i]] = to
			}
			state = to
		}
		m.out[state] = append(m.out[state], uint16(id))
	}
	m.link()
	m.pack(words)
	return m
}

func (m *Matcher) pack(words []string) {
	kinds := []int{-1} // the byte that stands for each
	for _, word := range words {
		for i := range len(word) {
			if b := word[i]; m.kind[b] == 0 {
				m.kind[b] = uint16(len(kinds))
				kinds = append(kinds, int(b))
			}
		}
	}
	m.width = uint32(len(kinds))
	m.step = make([]uint32, len(m.next)*len(kinds))
	for s := range m.next {
		for k, b := range kinds {
			if b < 0 {
				continue // no word goes on: back to the beginning
			}
			to := uint32(m.next[s][b])
			at := to * m.width << 1
			if len(m.out[to]) > 0 {
				at |= 1
			}
			m.step[s*len(kinds)+k] = at
		}
	}
	m.next = nil
}

// link sends every byte that does not go on with a word to where the longest
// other word goes on, breadth first.
func (m *Matcher) link() {
	fail := make([]uint16, len(m.next))
	var queue []uint16
	for _, to := range m.next[0] {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		m.out[state] = append(m.out[state], m.out[fail[state]]...)
		for b, to := range m.next[state] {
			other := m.next[fail[state]][b]
			if to == 0 {
				m.next[state][b] = other
				continue
			}
			fail[to] = other
			queue = append(queue, to)
		}
	}
}

// Find appends to found the words that are in text, in the order of their
// ends. A word that is there twice may be named twice.
func (m *Matcher) Find(text []byte, found []uint16) []uint16 {
	state := uint32(0)
	for _, b := range text {
		state = m.step[state>>1+uint32(m.kind[b])]
		if state&1 != 0 {
			found = append(found, m.out[state>>1/m.width]...)
		}
	}
	return found
}
