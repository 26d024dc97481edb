package iso

import "strings"

// scanner splits GRUB's shell language into commands.
type scanner struct {
	*reading
	text string
	pos  int
	line int

	words   []string // of the command
	size    int      // bytes of them
	word    strings.Builder
	started bool // the word: it may be empty, between quotes
}

// command is the next command's words and what ended it: newline, ';', '{',
// '}' or 0 at the end of the text.
func (s *scanner) command(vars map[string]string) (words []string, end byte, err error) {
	s.words, s.size = nil, 0
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
		case c == '#' && !s.started:
			for s.pos < len(s.text) && s.text[s.pos] != '\n' {
				s.pos++
			}
		case c == '\\':
			if s.pos < len(s.text) {
				if s.text[s.pos] == '\n' {
					s.line++
					s.pos++
				} else {
					s.literal()
				}
			}
		case c == '\'':
			s.started = true
			for s.pos < len(s.text) && s.text[s.pos] != '\'' {
				s.literal()
			}
			s.pos++
		case c == '"':
			err = s.quoted(vars)
		case c == '$':
			if strings.HasPrefix(s.text[s.pos:], "menuentry_id_option") {
				s.word.WriteByte('$')
				s.started = true
				continue
			}
			err = s.expand(vars)
		default:
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

// quoted reads on to the end of a "word".
func (s *scanner) quoted(vars map[string]string) error {
	s.started = true
	for s.pos < len(s.text) && s.text[s.pos] != '"' {
		if s.text[s.pos] == '$' {
			s.pos++
			if err := s.expand(vars); err != nil {
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
	if !s.started {
		s.word.Reset()
		return nil
	}
	word := s.word.String()
	s.word.Reset()
	s.started = false
	s.reading.line = s.line
	s.words, s.size = append(s.words, word), s.size+len(word)
	if s.size > maxCommand {
		return s.over("a command of more than %d bytes", maxCommand)
	}
	return s.reading.word(len(word))
}

func (s *scanner) literal() {
	if s.text[s.pos] == '\n' {
		s.line++
	}
	s.word.WriteByte(s.text[s.pos])
	s.started = true
	s.pos++
}

// expand adds a variable's value to the word.
func (s *scanner) expand(vars map[string]string) error {
	value := s.variable(vars)
	if value == "" {
		return nil
	}
	s.reading.line = s.line
	if length := s.word.Len() + len(value); length > maxWord {
		return s.over("a word of %d bytes, more than %d", length, maxWord)
	}
	s.word.WriteString(value)
	s.started = true
	return s.spend(len(value))
}

// variable is the value of the name at pos: $name or ${name}. One that is not
// set, such as those that only GRUB itself knows, is empty.
func (s *scanner) variable(vars map[string]string) string {
	// No name is longer; what is not closed must not be searched to the end
	// of the file each time.
	rest := s.text[s.pos:min(len(s.text), s.pos+maxTitle)]
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexAny(rest, "}\n")
		if end < 0 || rest[end] == '\n' {
			return ""
		}
		s.pos += end + 1
		return vars[rest[1:end]]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] >= '0' && rest[n] <= '9' || rest[n] >= 'a' && rest[n] <= 'z' || rest[n] >= 'A' && rest[n] <= 'Z') {
		n++
	}
	s.pos += n
	return vars[rest[:n]]
}
