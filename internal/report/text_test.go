package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestTail(t *testing.T) {
	var small, big tail
	small.add("a short ")
	small.add("text")
	assert.Equal(t, "a short text", small.String())
	for range 10_000 {
		big.add("0123456789")
	}
	big.add("the end")
	assert.Less(t, len(big.String()), 40<<10)
	assert.True(t, strings.HasPrefix(big.String(), "0123456789"))
	assert.True(t, strings.HasSuffix(big.String(), "the end"))
	assert.Contains(t, big.String(), "bytes left out")
}

func TestBoundKeepsRunes(t *testing.T) {
	for n := range 40 {
		assert.True(t, utf8.ValidString(bound(strings.Repeat("ä…𝄞", 20), n)))
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0.0s", 0.04: "0.0s", 0.31: "0.3s", 9.96: "10s", 34.2: "34s", 59.6: "1m00s", 61: "1m01s", 3599.7: "1h00m", 7260: "2h01m", -3: "0.0s"} {
		assert.Equal(t, want, seconds(s), "%v", s)
	}
}
