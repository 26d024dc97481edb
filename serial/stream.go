package serial

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type meta struct {
	status string
	out    digest
	errs   digest
}

// digest is of a stream's base64: its lines, and the cksum(1) of them.
type digest struct {
	lines int
	sum   uint32
}

func parseMeta(data string) (*meta, bool) {
	part := strings.Split(data, "/")
	if len(part) != 5 {
		return nil, false
	}
	var n [4]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(part[i+1], 10, 32); err != nil {
			return nil, false
		}
	}
	if most := uint64(mostLines(MaxOutput)); n[0] > most || n[1] > most {
		return nil, false
	}
	return &meta{status: part[0], out: digest{int(n[0]), uint32(n[2])}, errs: digest{int(n[1]), uint32(n[3])}}, true
}

// stream is the output of a job as far as it has come: its lines of base64.
type stream struct {
	at   map[int]string
	size int
}

// add files a line. bash lets the guest keep twice as much as other shells do,
// whose ulimit -f counts in 512 bytes and not in 1024; more is no guest of ours.
func (s *stream) add(f frame, limit int) {
	n, err := strconv.Atoi(f.arg)
	if err != nil || n < 0 || n >= mostLines(limit) || f.data == "" || s.size > 2*encoded(limit) {
		return
	}
	if s.at == nil {
		s.at = map[int]string{}
	}
	s.size += len(f.data) - len(s.at[n])
	s.at[n] = f.data
}

// encoded is how long n bytes are as lines of base64, and some more.
func encoded(n int) int { return (n/3+1)*4*66/64 + 2*maxFrame }

// mostLines is how many lines that are, of which only the last may be short.
func mostLines(limit int) int { return 2*encoded(limit)/consoleLine + 1 }

// whole is asked at each frame: most of the time the number tells.
func (s *stream) whole(lines int) bool {
	return len(s.at) >= lines && len(s.missing(lines)) == 0
}

type span struct{ from, to int }

// missing are the holes in that many lines.
func (s *stream) missing(lines int) []span {
	var holes []span
	next := 0
	for _, n := range slices.Sorted(maps.Keys(s.at)) {
		if n >= lines {
			break
		}
		if n > next {
			holes = append(holes, span{next, n})
		}
		next = n + 1
	}
	if next < lines {
		holes = append(holes, span{next, lines})
	}
	return holes
}

// join is the output, of which no line is missing. What is larger than limit
// was cut by the guest, and is only told from what is not; else it is nil
// unless the guest's digest is that of its lines.
func (s *stream) join(want digest, limit int) []byte {
	var text, all []byte
	for n := range want.lines {
		data, err := base64.StdEncoding.DecodeString(s.at[n])
		if err != nil {
			return nil
		}
		text = append(append(text, s.at[n]...), '\n')
		all = append(all, data...)
	}
	if len(all) > limit {
		return all
	}
	if want.lines > 0 && cksum(text) != want.sum {
		return nil
	}
	return append([]byte{}, all...)
}
