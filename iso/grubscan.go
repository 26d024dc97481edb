package iso

import (
	"slices"
	"strings"
)

// scanner splits GRUB's shell language into commands.
type scanner struct {
	*reading
	text string
	pos  int
	line int

	words   []word // of the command
	size    int    // bytes of them
	word    strings.Builder
	started bool   // the word: it may be empty, between quotes
	quoted  bool   // the word, or a part of it; a variable's value is, too
	quotes  bool   // around the word, or a part of it: eval may have a whole menu between them
	bare    bool   // the word begins with a letter as it stands
	glob    bool   // the word has a * or ? that GRUB may put files' names for
	why     string // of the word
}

// word is one of a command's, as a variable's value is.
type word struct {
	value
	plain bool // neither quoted nor a variable's
	bare  bool // it begins so
	glob  bool
}

// fronts are GRUB's words that a command may stand behind.
var fronts = []string{"if", "elif", "while", "until", "then", "else", "do", "!"}

// command is the next command's words and what ended it: newline, ';', '{',
// '}', ' ' behind a word of fronts, or 0 at the end of the text. get tells what a
// variable says; nil for what is only gone through. The words are good until the
// next command.
func (s *scanner) command(get func(string) value) (words []word, end byte, err error) {
	s.words, s.size = s.words[:0], 0
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\n':
			err := s.finish()
			s.line++
			return s.words, c, err
		case c == ';' || c == '}' && !s.started, c == '{' && !s.started:
			err := s.finish()
			return s.words, c, err
		case c == ' ' || c == '\t' || c == '\r':
			err = s.finish()
			if err == nil && len(s.words) == 1 && s.words[0].plain && slices.Contains(fronts, s.words[0].text) {
				return s.words, ' ', nil
			}
		case c == '#' && !s.started:
			s.comment()
		case c == '\\':
			s.escaped()
		case c == '\'':
			s.single()
		case c == '"':
			err = s.double(get)
		case c == '$':
			err = s.expand(get, false)
		default:
			s.glob = s.glob || c == '*' || c == '?'
			s.bare = s.bare || !s.started
			s.word.WriteByte(c)
			s.started = true
		}
		if err != nil {
			return nil, 0, err
		}
	}
	err = s.finish()
	return s.words, 0, err
}

// block is the text up to the brace that closes the one before pos, and the
// line that it starts in.
func (s *scanner) block() (text string, line int) {
	start, line := s.pos, s.line
	for depth := 1; s.pos < len(s.text); {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\n':
			s.line, s.started = s.line+1, false
		case c == ';' || c == ' ' || c == '\t' || c == '\r':
			s.started = false
		case c == '#' && !s.started:
			s.comment()
		case c == '\\':
			s.escaped()
		case c == '\'':
			s.single()
		case c == '"':
			_ = s.double(nil) // makes nothing, so that nothing can be too much
		case c == '{' && !s.started:
			depth++
		case c == '}' && !s.started:
			if depth--; depth == 0 {
				s.word.Reset()
				return s.text[start : s.pos-1], line
			}
		default:
			s.started = true
		}
		s.word.Reset()
	}
	s.started, s.quoted, s.quotes, s.bare, s.glob = false, false, false, false, false
	return s.text[start:], line
}

func (s *scanner) comment() {
	for s.pos < len(s.text) && s.text[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) escaped() {
	switch {
	case s.pos == len(s.text):
	case s.text[s.pos] == '\n':
		s.line++
		s.pos++
	default:
		s.quoted = true
		s.literal()
	}
}

func (s *scanner) single() {
	s.started, s.quoted, s.quotes = true, true, true
	for s.pos < len(s.text) && s.text[s.pos] != '\'' {
		s.literal()
	}
	s.pos++
}

// double reads on to the end of a "word".
func (s *scanner) double(get func(string) value) error {
	s.started, s.quoted, s.quotes = true, true, true
	for s.pos < len(s.text) && s.text[s.pos] != '"' {
		if s.text[s.pos] == '$' {
			s.pos++
			if err := s.expand(get, true); err != nil {
				return err
			}
			continue
		}
		if s.text[s.pos] == '\\' && s.pos+1 < len(s.text) {
			s.pos++
		}
		s.literal()
	}
	s.pos++
	return nil
}

// finish ends the word, if there is one.
func (s *scanner) finish() error {
	text, w := "", word{value: value{why: s.why}, plain: !s.quoted, bare: s.bare, glob: s.glob}
	started, quotes := s.started, s.quotes
	if started {
		text = s.word.String()
	}
	s.word.Reset()
	s.started, s.quoted, s.quotes, s.bare, s.glob, s.why = false, false, false, false, false, ""
	if !started {
		return nil
	}
	w.text = text
	s.reading.line = s.line
	s.words, s.size = append(s.words, w), s.size+len(text)
	if s.size > maxStatement {
		return s.over("a command of more than %d bytes", maxStatement)
	}
	if quotes {
		return s.spend(wordCost + len(text))
	}
	return s.reading.word(len(text))
}

func (s *scanner) literal() {
	if s.text[s.pos] == '\n' {
		s.line++
	}
	s.word.WriteByte(s.text[s.pos])
	s.started = true
	s.pos++
}

// expand adds a variable's value to the word. Its blanks end the word, as GRUB
// has it, unless it stands between quotes.
func (s *scanner) expand(get func(string) value, quoted bool) error {
	name := s.name()
	if get == nil {
		s.started = true
		return nil
	}
	v := get(name)
	if v.why != "" {
		s.why, s.started = v.why, true
	}
	if v.text == "" {
		return nil
	}
	s.quoted = true // what it is, is not written here
	s.reading.line = s.line
	if err := s.spend(len(v.text)); err != nil {
		return err
	}
	if quoted {
		return s.add(v.text)
	}
	for i, part := range strings.FieldsFunc(v.text, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }) {
		if i > 0 || strings.HasPrefix(v.text, " ") {
			why := s.why
			if err := s.finish(); err != nil {
				return err
			}
			s.why = why
		}
		if err := s.add(part); err != nil {
			return err
		}
	}
	if strings.HasSuffix(v.text, " ") {
		return s.finish()
	}
	return nil
}

func (s *scanner) add(text string) error {
	most := maxWord
	if s.quotes {
		most = maxStatement
	}
	if length := s.word.Len() + len(text); length > most {
		return s.over("a word of %d bytes, more than %d", length, most)
	}
	s.word.WriteString(text)
	s.started, s.quoted = true, true
	return nil
}

// name is the name of the variable at pos: $name, ${name}, $1 or $@.
func (s *scanner) name() string {
	// No name is longer; what is not closed must not be searched to the end
	// of the file each time.
	rest := s.text[s.pos:min(len(s.text), s.pos+maxTitle)]
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexAny(rest, "}\n")
		if end < 0 || rest[end] == '\n' {
			return ""
		}
		s.pos += end + 1
		return rest[1:end]
	}
	if rest != "" && strings.ContainsRune("@*#?", rune(rest[0])) {
		s.pos++
		return rest[:1]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'z' || rest[n] >= 'A' && rest[n] <= 'Z') {
		n++
	}
	s.pos += n
	return rest[:n]
}
