package verdict

// span is how many lines before and after an event's are kept.
const span = 2

// Around are the lines before and after one.
type Around struct {
	Before, After []Line
	begun         bool
}

// context keeps the last lines, and follows those that are told of.
type context struct {
	last   [span]kept // a ring
	count  int        // of lines
	follow []*Around
}

type kept struct {
	at   Line
	text []byte
}

// begin is what is around the line that is being read.
func (c *context) begin() *Around {
	a := &Around{}
	for i := max(0, c.count-span); i < c.count; i++ {
		k := &c.last[i%span]
		line := k.at
		line.Text = string(k.text)
		a.Before = append(a.Before, line)
	}
	c.follow = append(c.follow, a)
	return a
}

// add ends the line that was read.
func (c *context) add(at Line, text []byte) {
	text = text[:min(len(text), maxText)]
	k := &c.last[c.count%span]
	k.at = Line{Number: at.Number, Offset: at.Offset}
	k.text = append(k.text[:0], text...)
	c.count++
	if len(c.follow) == 0 {
		return
	}
	going := c.follow[:0]
	for _, a := range c.follow {
		// One that began with this line has it not after itself.
		if a.begun {
			line := k.at
			line.Text = string(text)
			a.After = append(a.After, line)
		}
		if a.begun = true; len(a.After) < span {
			going = append(going, a)
		}
	}
	c.follow = going
}
