// Package words looks for many words in a line at once, so that a table of a
// hundred patterns costs a flood of lines little more than one.
package words

// Matcher is an Aho-Corasick automaton: one step per byte, however many words.
type Matcher struct {
	next []([256]uint16) // state and byte -> state
	out  [][]uint16      // the words that end in a state
	hot  []bool          // whether out is not empty
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
	m.hot = make([]bool, len(m.out))
	for s, out := range m.out {
		m.hot[s] = len(out) > 0
	}
	return m
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
	state := uint16(0)
	for _, b := range text {
		state = m.next[state][b]
		if m.hot[state] {
			found = append(found, m.out[state]...)
		}
	}
	return found
}
