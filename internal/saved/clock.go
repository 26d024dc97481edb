package saved

import "time"

// stamp is a time that a logger put in front of a line.
type stamp struct {
	len   int // with what separates it from the line
	at    time.Duration
	dated bool
}

// clock reads a stamp at p's beginning, bracketed or not. The kernel's own is
// none.
func clock(p []byte) (stamp, bool) {
	if len(p) < 6 {
		return stamp{}, false
	}
	i, shut := 0, byte(0)
	switch p[0] {
	case '[':
		i, shut = 1, ']'
	case '(':
		i, shut = 1, ')'
	case '<':
		i, shut = 1, '>'
	}
	if shut == ']' && stampLen(p) > 0 {
		return stamp{}, false
	}
	s := reading{p: p, i: i}
	if !s.iso() && !s.slashed() && !s.syslog() && !s.ofDay() && !s.elapsed(shut) {
		return stamp{}, false
	}
	if shut != 0 && !s.take(shut) {
		return stamp{}, false
	}
	s.take(':')
	end := s.i
	s.take(' ')
	if s.i == end && s.i < len(p) && !s.take('\t') && p[s.i] != '|' && p[s.i] != '\r' && shut == 0 {
		return stamp{}, false // more than a stamp: 12:34:56:78:9a:bc
	}
	if s.i+1 < len(p) && (p[s.i] == '|' || p[s.i] == '-') && p[s.i+1] == ' ' {
		s.i += 2
	}
	return stamp{s.i, s.at, s.dated}, true
}

// reading is a place in a line, and the time read so far.
type reading struct {
	p     []byte
	i     int
	at    time.Duration
	dated bool
}

func (s *reading) take(b byte) bool {
	if s.i < len(s.p) && s.p[s.i] == b {
		s.i++
		return true
	}
	return false
}

// number reads exactly n digits.
func (s *reading) number(n int) (v int, ok bool) {
	if s.i+n > len(s.p) {
		return 0, false
	}
	for _, b := range s.p[s.i : s.i+n] {
		if !digit(b) {
			return 0, false
		}
		v = v*10 + int(b-'0')
	}
	s.i += n
	return v, true
}

// numbers reads numbers of two digits with sep between them.
func (s *reading) pairs(sep byte, to ...*int) bool {
	for k, v := range to {
		if k > 0 && !s.take(sep) {
			return false
		}
		var ok bool
		if *v, ok = s.number(2); !ok {
			return false
		}
	}
	return true
}

// back undoes what was read, for the next form to be tried.
func (s *reading) back(i int) bool {
	s.i = i
	return false
}

// iso reads 2024-05-01T12:00:00.123Z and its like, and what journalctl -o
// short-full writes, "Wed 2024-05-01 12:00:00 CEST".
func (s *reading) iso() bool {
	from := s.i
	weekday := s.name(weekdays) > 0
	if weekday && !s.take(' ') {
		return s.back(from)
	}
	year, ok := s.number(4)
	if !ok || year < 1970 || year > 2199 || s.i >= len(s.p) {
		return s.back(from)
	}
	sep := s.p[s.i]
	var month, day int
	if sep != '-' && sep != '/' || !s.take(sep) || !s.pairs(sep, &month, &day) || !s.take('T') && !s.take(' ') || !s.ofDay() {
		return s.back(from)
	}
	s.date(year, month, day)
	if weekday {
		s.zoneName()
	} else if !s.take('Z') {
		s.zone()
	}
	return true
}

// zoneName passes a blank and a time zone's name, or its hours: " CEST", " +07".
func (s *reading) zoneName() {
	from := s.i
	if !s.take(' ') {
		return
	}
	start := s.i
	for s.i < len(s.p) && s.i-start < 6 && (s.p[s.i] >= 'A' && s.p[s.i] <= 'Z' || s.p[s.i] == '+' || s.p[s.i] == '-' || digit(s.p[s.i])) {
		s.i++
	}
	if s.i-start < 3 || s.i >= len(s.p) || s.p[s.i] != ' ' {
		s.back(from)
	}
}

// slashed reads 13/05/2024 12:00:00, or the day behind the month.
func (s *reading) slashed() bool {
	from := s.i
	var day, month int
	if !s.pairs('/', &day, &month) || !s.take('/') {
		return s.back(from)
	}
	year, ok := s.number(4)
	if !ok || year < 1970 || year > 2199 || !s.take(' ') || !s.ofDay() {
		return s.back(from)
	}
	if month > 12 {
		day, month = month, day
	}
	if day < 1 || day > 31 || month < 1 || month > 12 {
		return s.back(from)
	}
	s.date(year, month, day)
	return true
}

func (s *reading) date(year, month, day int) {
	s.at += time.Duration(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).UnixNano())
	s.dated = true
}

// zone reads +0200, or +02:00.
func (s *reading) zone() {
	from := s.i
	minus := s.take('-')
	if !minus && !s.take('+') {
		return
	}
	hours, ok := s.number(2)
	s.take(':')
	minutes, ok2 := s.number(2)
	if !ok || !ok2 {
		s.back(from)
		return
	}
	shift := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if minus {
		shift = -shift
	}
	s.at -= shift
}

const (
	months   = "JanFebMarAprMayJunJulAugSepOctNovDec"
	weekdays = "MonTueWedThuFriSatSun"
)

// name reads one of names, each of three letters, and is its number from 1.
func (s *reading) name(names string) int {
	if s.i+3 > len(s.p) {
		return 0
	}
	for at := 0; at < len(names); at += 3 {
		if string(s.p[s.i:s.i+3]) == names[at:at+3] {
			s.i += 3
			return at/3 + 1
		}
	}
	return 0
}

// syslog reads "May  1 12:00:00", with weekday and year (dmesg -T, ctime) or
// without, and what dmesg -e writes, "May 1 12:00".
func (s *reading) syslog() bool {
	from := s.i
	if s.name(weekdays) > 0 {
		s.take(' ')
	}
	month := s.name(months)
	if month == 0 || !s.take(' ') {
		return s.back(from)
	}
	s.take(' ')
	day, ok := s.number(2)
	if !ok {
		if day, ok = s.number(1); !ok {
			return s.back(from)
		}
	}
	if day < 1 || day > 31 || !s.take(' ') || !s.ofDay() {
		return s.back(from)
	}
	year := 2000 // which has a 29 February
	mark := s.i
	if s.take(' ') {
		if y, ok := s.number(4); ok && y >= 1970 && y < 2200 {
			year = y
		} else {
			s.back(mark)
		}
	}
	s.date(year, month, day)
	return true
}

// ofDay reads 12:00:00, with a fraction or without, and 12:00 before a bracket.
func (s *reading) ofDay() bool {
	from := s.i
	var h, m, sec int
	if !s.pairs(':', &h, &m) || h > 23 || m > 59 {
		return s.back(from)
	}
	if s.take(':') {
		var ok bool
		if sec, ok = s.number(2); !ok || sec > 60 {
			return s.back(from)
		}
	} else if s.i >= len(s.p) || s.p[s.i] != ']' {
		return s.back(from)
	}
	s.at = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
	if !s.take('.') {
		if s.i+1 >= len(s.p) || s.p[s.i] != ',' || !digit(s.p[s.i+1]) {
			return true
		}
		s.i++
	}
	s.fraction()
	return true
}

func (s *reading) fraction() (digits int) {
	unit := time.Second
	for s.i < len(s.p) && digit(s.p[s.i]) {
		unit /= 10
		s.at += time.Duration(s.p[s.i]-'0') * unit
		s.i++
		digits++
	}
	return digits
}

// elapsed reads seconds with a fraction: ts -s %.s, grabserial's [1.234567
// 0.000123], dmesg -d's [    1.234567 <    0.000123>], and what journalctl -o
// short-delta writes, [    1.234567 <    0.000123 >].
func (s *reading) elapsed(shut byte) bool {
	from := s.i
	one := func() bool {
		for s.take(' ') {
		}
		seconds, n := 0, 0
		for ; s.i < len(s.p) && digit(s.p[s.i]) && n < 10; n++ {
			seconds = seconds*10 + int(s.p[s.i]-'0')
			s.i++
		}
		s.at = time.Duration(seconds) * time.Second
		return n > 0 && s.take('.') && s.fraction() >= 3
	}
	if shut == '>' || shut == 0 && (s.i >= len(s.p) || s.p[s.i] == ' ') || !one() {
		return s.back(from)
	}
	if shut == 0 {
		return true
	}
	// In brackets one number alone is the kernel's, or a program's own.
	at := s.at
	if !s.take(' ') {
		return s.back(from)
	}
	angle := s.take('<')
	if !one() {
		return s.back(from)
	}
	if angle {
		if !s.take(' ') {
			s.take('*') // another boot's
		}
		if !s.take('>') {
			return s.back(from)
		}
	}
	s.at = at
	return true
}
