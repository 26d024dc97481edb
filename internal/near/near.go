// Package near finds what somebody may have meant who wrote a name that is not
// known.
package near

import "strings"

// Name is the one of known that is nearest to name, by the characters that must
// be changed; "" where none is near.
func Name(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToUpper(name), strings.ToUpper(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// Hint is the end of an error about name: whether one of known was meant.
func Hint(name string, known []string) string {
	if meant := Name(name, known); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return "; known are " + strings.Join(known, ", ")
}

// distance is the least number of bytes to insert, delete, replace or swap with
// their neighbour that make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
