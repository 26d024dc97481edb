package screen

import (
	"strings"
	"sync"

	"github.com/charmbracelet/x/ansi"
	"github.com/hinshun/vt10x"
)

// Config is a screen's size and where its answers go.
type Config struct {
	Cols, Rows int // default 132x50: boot menus are up to 100 columns wide
	Scrollback int // lines kept of what has scrolled away; default 2000
	// Reply gets the answers to the guest's queries (CSI 6n, 18t, c). It is
	// called from Write, with no lock held, before Write returns: an answer
	// that comes late is typed at whatever prompt is there by then.
	Reply func([]byte)
}

// Screen is the terminal a guest's console is shown on. It is a writer of the
// console's raw bytes, in pieces of any size. All methods may be called at
// the same time.
type Screen struct {
	reply func([]byte)

	mu      sync.Mutex
	vt      vt10x.Terminal
	p       *ansi.Parser
	out     []byte   // for vt, not yet written
	answers [][]byte // for Reply, not yet sent

	cols, rows  int
	top, bottom int // scrolling region, rows from 0
	alt         bool
	origin      bool
	wrap        bool
	insert      bool
	lnm         bool // line feed mode: LF is CR LF
	charset     charsets
	saved       charset // of the active set, as DECSC keeps it
	title       string
	last        rune   // the last one printed, for REP; 0 after anything else
	marks       []rune // that were combined with it
	repeats     int    // characters that may be repeated now

	utf      []byte // the beginning of a character
	osc      []byte
	digits   int  // of the parameter being read
	malform  bool // the control sequence being read is to be dropped
	swallow  bool // what follows up to a final byte is to be dropped
	clusters clusters
	history  history
	panics   int // of vt10x, survived
}

// New is a blank screen.
func New(cfg Config) *Screen {
	if cfg.Cols <= 0 {
		cfg.Cols = 132
	}
	if cfg.Rows <= 0 {
		cfg.Rows = 50
	}
	if cfg.Scrollback <= 0 {
		cfg.Scrollback = 2000
	}
	// Two columns are what a wide character needs.
	cols, rows := max(cfg.Cols, 2), max(cfg.Rows, 2)
	s := &Screen{
		reply: cfg.Reply, vt: vt10x.New(vt10x.WithSize(cols, rows)), p: ansi.NewParser(),
		cols: cols, rows: rows, bottom: rows - 1, wrap: true,
		history: history{most: cfg.Scrollback}, repeats: 2 * cols * rows,
	}
	s.p.SetDataSize(64)
	s.p.SetHandler(ansi.Handler{
		Execute: s.control, HandleCsi: s.csi, HandleEsc: s.escape,
		HandleOsc: func(cmd int, _ []byte) { s.oscEnd(cmd) },
	})
	return s
}

// Write draws p. It always takes all of it and never fails.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.feed(p)
	s.flush()
	answers := s.answers
	s.answers = nil
	s.mu.Unlock()
	for _, a := range answers {
		s.reply(a)
	}
	return len(p), nil
}

// Text is the screen: its rows, each without trailing blanks, without the
// empty rows at its end.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := make([]string, s.rows)
	for y := range rows {
		rows[y] = s.row(y)
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// Line is the row that the cursor is on, without trailing blanks.
func (s *Screen) Line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.row(s.vt.Cursor().Y)
}

// Cursor is the cursor's column and row, from 0.
func (s *Screen) Cursor() (col, row int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.vt.Cursor()
	return c.X, c.Y
}

// Title is the window title that the guest has set.
func (s *Screen) Title() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.title
}

// Scrollback is what has scrolled off the top, oldest first. What a guest
// erases there (ED 3, RIS) is kept: it is evidence.
func (s *Screen) Scrollback() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.all()
}

// row is the text of row y.
func (s *Screen) row(y int) string {
	var b strings.Builder
	b.Grow(s.cols)
	blanks := 0
	for x := 0; x < s.cols; x++ {
		c := s.vt.Cell(x, y).Char
		next := rune(0)
		if x+1 < s.cols {
			next = s.vt.Cell(x+1, y).Char
		}
		switch {
		case c == filler:
			// The second half of a wide character that is not there any more.
			c = ' '
		case s.clusters.width(c) == 2:
			if next != filler {
				c = ' ' // its second half is not there any more
			} else {
				x++
			}
		}
		if c == ' ' || c == 0 {
			blanks++
			continue
		}
		for ; blanks > 0; blanks-- {
			b.WriteByte(' ')
		}
		s.clusters.write(&b, c)
	}
	return b.String()
}

// flush writes to vt what is due, so that its cursor and cells are true.
func (s *Screen) flush() {
	if len(s.out) == 0 {
		return
	}
	defer func() {
		// No input is known to make vt10x panic behind the filter. Should
		// there be one, a blank screen is better than the end of the audit.
		if recover() != nil {
			s.panics++
			s.vt = vt10x.New(vt10x.WithSize(s.cols, s.rows))
			s.hardReset()
			s.out = s.out[:0]
		}
	}()
	out := s.out
	s.out = s.out[:0]
	s.vt.Write(out)
}

// history is a ring of lines.
type history struct {
	lines []string
	next  int
	most  int
}

func (h *history) add(line string) {
	if len(h.lines) < h.most {
		h.lines = append(h.lines, line)
		return
	}
	h.lines[h.next] = line
	h.next = (h.next + 1) % h.most
}

func (h *history) all() []string {
	return append(append(make([]string, 0, len(h.lines)), h.lines[h.next:]...), h.lines[:h.next]...)
}
