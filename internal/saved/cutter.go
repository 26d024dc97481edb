package saved

import "bytes"

// Cutter cuts a line in which the kernel begins to speak in the middle of
// somebody else's, in front of the kernel's stamp. The line end that it hands
// out there is not in the file, and is taken back by a negative Skip.
type Cutter struct {
	Guest func([]byte)
	Skip  func(int)
	held  []byte // a line that has not ended
}

// maxHeld is how much of a line is looked at.
const maxHeld = 8 << 10

func (c *Cutter) Write(p []byte) (int, error) {
	n := len(p)
	if len(c.held) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		c.held = append(c.held, p[:end]...)
		p = p[end:]
		if c.held[len(c.held)-1] == '\n' || len(c.held) > maxHeld {
			c.Flush()
		}
	}
	end := bytes.LastIndexByte(p, '\n') + 1
	c.lines(p[:end])
	c.held = append(c.held, p[end:]...)
	if len(c.held) > maxHeld {
		c.Flush()
	}
	return n, nil
}

// Pass counts n bytes of the file that are not the guest's.
func (c *Cutter) Pass(n int) {
	c.Flush()
	c.Skip(n)
}

// Flush hands out the line that has not ended.
func (c *Cutter) Flush() {
	c.lines(c.held)
	c.held = c.held[:0]
}

func (c *Cutter) lines(p []byte) {
	done := 0 // handed out
	for at := 0; at < len(p); {
		end := bytes.IndexByte(p[at:], '\n')
		if end < 0 {
			end = len(p)
		} else {
			end += at + 1
		}
		for i := at; i < end; i++ {
			next := bytes.IndexByte(p[i:end], '[')
			if next < 0 {
				break
			}
			i += next
			n := stampLen(p[i:end])
			if n == 0 {
				continue
			}
			from := i - levelBefore(p[at:i])
			switch before := p[at:from]; {
			case !bare(before):
				if quoted(before) {
					break
				}
				c.give(p[done:from])
				feed := []byte("\n")
				if bytes.HasSuffix(p[at:end], []byte("\r\n")) {
					feed = []byte("\r\n")
				}
				c.Guest(feed)
				c.Skip(i - from - len(feed))
				done, at = i, i
			case from < i:
				c.give(p[done:from])
				c.Skip(i - from)
				done = i
			}
			i += n - 1
		}
		at = end
	}
	c.give(p[done:])
}

func (c *Cutter) give(p []byte) {
	if len(p) > 0 {
		c.Guest(p)
	}
}

// stampLen is the length of the kernel's stamp at p's beginning, with the
// caller's (CONFIG_PRINTK_CALLER) if it is there; 0 for none. The kernel writes
// it as [%5lu.%06lu] and a blank.
func stampLen(p []byte) int {
	i := 1
	for i < len(p) && p[i] == ' ' {
		i++
	}
	first := i
	for i < len(p) && digit(p[i]) {
		i++
	}
	if i == first || i < 6 || i+8 >= len(p) || p[i] != '.' {
		return 0
	}
	for _, b := range p[i+1 : i+7] {
		if !digit(b) {
			return 0
		}
	}
	i += 7
	if p[i] != ']' {
		return 0
	}
	i++
	if p[i] == '[' {
		if end := bytes.IndexByte(p[i:min(len(p), i+12)], ']'); end > 0 {
			i += end + 1
		}
	}
	if i >= len(p) || p[i] != ' ' {
		return 0
	}
	return i
}

// levelBefore is the length of a level as /dev/kmsg has it (<6>) at p's end.
func levelBefore(p []byte) int {
	if len(p) == 0 || p[len(p)-1] != '>' {
		return 0
	}
	open := bytes.LastIndexByte(p[max(0, len(p)-5):], '<')
	if open < 0 {
		return 0
	}
	level := p[max(0, len(p)-5)+open:]
	return levelLen(level)
}

// bare is true of what a line may begin with before the kernel's stamp: blanks,
// and escape sequences. A carriage return begins the line anew.
func bare(p []byte) bool {
	if i := bytes.LastIndexByte(p, '\r'); i >= 0 {
		p = p[i+1:]
	}
	for len(p) > 0 {
		switch {
		case p[0] == 0x1b:
			p = p[escapeLen(p):]
		case p[0] <= ' ':
			p = p[1:]
		default:
			return false
		}
	}
	return true
}

// quoted is true before a stamp that somebody cites.
func quoted(before []byte) bool {
	last := before[len(before)-1]
	return last == '"' || last == '\'' || last == '`' || last == '('
}

// escapeLen is the length of the escape sequence at p's beginning.
func escapeLen(p []byte) int {
	if len(p) < 2 || p[1] != '[' {
		return min(len(p), 2)
	}
	for i, b := range p[2:] {
		if b >= 0x40 && b <= 0x7e {
			return i + 3
		}
	}
	return len(p)
}

func digit(b byte) bool { return b >= '0' && b <= '9' }
