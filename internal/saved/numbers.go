package saved

import "slices"

// window is how far back a line's number is known, in bytes. Who reads behind a
// Reader may hold that much back.
const window = 512 << 10

// numbers knows the numbers of the latest lines.
type numbers struct {
	starts  []int64 // of lines
	dropped int     // lines before the first of starts
}

func (n *numbers) add(start int64) {
	n.starts = append(n.starts, start)
	if len(n.starts) >= 2<<10 && n.starts[len(n.starts)/2] < start-window {
		half := len(n.starts) / 2
		n.dropped += half
		n.starts = n.starts[:copy(n.starts, n.starts[half:])]
	}
}

// at is the number, from 1, of the line that the byte at offset is in; 0 when
// that is too long ago.
func (n *numbers) at(offset int64) int {
	i, found := slices.BinarySearch(n.starts, offset)
	if found {
		i++
	}
	if i == 0 {
		return 0
	}
	return n.dropped + i
}
