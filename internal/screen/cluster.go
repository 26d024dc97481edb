package screen

import (
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// vt10x keeps one rune in a cell. What does not fit (a letter with combining
// marks) is kept here, and its cell holds a rune of the last private plane that
// stands for it.
const (
	filler       rune = 0x10fffe // the second cell of a wide character
	firstCluster rune = 0xf0000
	lastCluster  rune = 0xffffd
	// maxCluster bounds a cell's text, in bytes.
	maxCluster = 64
)

type clusters struct {
	text []string
	ids  map[string]rune
}

// id is the rune that stands for text, or 0 when there is no more room.
func (c *clusters) id(text string) rune {
	if r, ok := c.ids[text]; ok {
		return r
	}
	r := firstCluster + rune(len(c.text))
	if r > lastCluster || len(text) > maxCluster {
		return 0
	}
	if c.ids == nil {
		c.ids = map[string]rune{}
	}
	c.ids[text] = r
	c.text = append(c.text, text)
	return r
}

func (c *clusters) get(r rune) string {
	if i := int(r - firstCluster); r >= firstCluster && i < len(c.text) {
		return c.text[i]
	}
	return string(r)
}

func (c *clusters) write(b *strings.Builder, r rune) {
	if r < firstCluster {
		b.WriteRune(r)
		return
	}
	b.WriteString(c.get(r))
}

// width is the number of columns of what r stands for.
func (c *clusters) width(r rune) int {
	if r < 0x300 {
		return 1
	}
	if r >= firstCluster && r != filler {
		r, _ = utf8.DecodeRuneInString(c.get(r))
	}
	return displaywidth.Rune(r)
}
