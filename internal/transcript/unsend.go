package transcript

import "bytes"

// unsend takes out of a transcript what a harness sent: pexpect writes it into
// the same file as what the guest printed, in the middle of whatever that was.
//
// A guest's terminal puts a carriage return before each line feed, so a line
// feed alone ends a text that was sent. Where the text begins is told by its
// echo, which comes later: it is the longest end of the line that is echoed.
type unsend struct {
	guest func([]byte)
	skip  func(int)

	buf    []byte
	line   int    // where in buf the current line begins
	seen   int    // up to where buf has been searched for line feeds
	prompt []byte // as the harness has set it
	budget int    // searches made
}

const (
	// ahead is how far an echo may be behind what was sent, in bytes.
	ahead = 16 << 10
	// maxSearches bounds the time that a file of nothing but such lines takes.
	maxSearches = 1_000
	// longest is the longest text sent that is looked for.
	longest = 1024
)

func (u *unsend) Write(p []byte) (int, error) {
	u.buf = append(u.buf, p...)
	u.run(false)
	return len(p), nil
}

// flush reads what is left: there is nothing ahead of it any more.
func (u *unsend) flush() {
	u.run(true)
	u.guest(u.buf)
	u.buf, u.line, u.seen = u.buf[:0], 0, 0
}

// run passes on all lines that have enough behind them.
func (u *unsend) run(all bool) {
	done := 0 // passed on
	for {
		i := bytes.IndexByte(u.buf[u.seen:], '\n')
		if i < 0 {
			u.seen = len(u.buf)
			break
		}
		end := u.seen + i
		if end > 0 && u.buf[end-1] == '\r' {
			u.seen, u.line = end+1, end+1
			continue
		}
		if !all && len(u.buf)-end <= ahead {
			break // its echo may not be here yet
		}
		if n := u.sent(u.buf[u.line:end], u.buf[end+1:]); n >= 0 {
			u.guest(u.buf[done : end-n])
			u.skip(n + 1)
			done = end + 1
		}
		u.seen, u.line = end+1, end+1
	}
	// The line being read is kept: a text sent may be at its end. One that has
	// grown too long for that is passed on.
	keep := max(u.line, done)
	if u.seen-keep > ahead {
		keep = u.seen - longest
		u.line = keep
	}
	u.guest(u.buf[done:keep])
	n := copy(u.buf, u.buf[keep:])
	u.buf = u.buf[:n]
	u.line = max(u.line-keep, 0)
	u.seen -= keep
}

// sent is the length of the text at line's end that was sent, or -1 when the
// line is to be left as it is.
func (u *unsend) sent(line, after []byte) int {
	// What was sent holds no escape sequence and no carriage return.
	from := max(bytes.LastIndexByte(line, '\r')+1, len(line)-longest)
	if i := bytes.LastIndexByte(line, 0x1b); i >= from {
		from = i + sequence(line[i:])
	}
	if i := bytes.LastIndexByte(line, '\a'); i >= from {
		from = i + 1
	}
	text := line[from:]
	if at := bytes.LastIndex(text, []byte("PS1='")); at >= 0 {
		if set, _, ok := bytes.Cut(text[at+5:], []byte("'")); ok && len(set) > 0 {
			u.prompt = bytes.Clone(set)
		}
	}
	if u.prompt != nil {
		text = bytes.TrimPrefix(text, u.prompt)
	}
	if len(text) == 0 {
		return 0 // Enter alone
	}
	if announces(text) || u.budget >= maxSearches {
		return -1
	}
	u.budget++
	after = after[:min(len(after), ahead)]
	// An echo is at the end of a line. If an end of the text is echoed, so is
	// every shorter one.
	echo := append(bytes.Clone(text), '\r')
	echoed := func(n int) bool { return bytes.Contains(after, echo[len(text)-n:]) }
	if echoed(len(text)) {
		return len(text)
	}
	const chance = 3 // an end shorter than this may be anything's
	if len(text) <= chance || !echoed(chance) {
		return -1
	}
	low, high := chance, len(text)-1
	for low < high {
		if middle := (low + high + 1) / 2; echoed(middle) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// announces is true of a line that a guest prints and nobody types: a program
// may write it with a line feed alone.
func announces(text []byte) bool {
	for _, word := range []string{"LAN IPv4 address", "STATE=", "DETAIL=", "pre-nixos boot image"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return true
		}
	}
	return false
}

// sequence is the length of the escape sequence at p's beginning.
func sequence(p []byte) int {
	if len(p) < 2 {
		return len(p)
	}
	if p[1] != '[' {
		return 2
	}
	for i, b := range p[2:] {
		if b >= 0x40 && b <= 0x7e {
			return i + 3
		}
	}
	return len(p)
}
