package screen

// charset is one of the character sets that are designated by ESC ( and its
// like and shifted to by SO and SI.
type charset byte

const (
	ascii charset = iota
	graphics
	british
)

// graphicsRunes are what DEC special graphics shows for ` to ~.
var graphicsRunes = [...]rune{
	'◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺',
	'⎻', '─', '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
}

func (c charset) rune(b byte) rune {
	switch {
	case c == graphics && b >= '`' && b <= '~':
		return graphicsRunes[b-'`']
	case c == british && b == '#':
		return '£'
	}
	return rune(b)
}

type charsets struct {
	g      [4]charset
	level  int
	active charset
}

func (c *charsets) shift(level int) {
	c.level, c.active = level, c.g[level]
}

func (c *charsets) designate(g int, name byte) {
	set := ascii
	switch name {
	case '0':
		set = graphics
	case 'A':
		set = british
	}
	c.g[g] = set
	if g == c.level {
		c.active = set
	}
}
