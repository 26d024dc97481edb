package serial

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// A frame is one line of an agent's answer:
//
//	@KEY.JOB.KIND.ARG.DATA.LEN;
//
// The key is made anew for each session and never typed in one piece, so no
// echo holds it; LEN is the length of DATA. Whatever is put into the middle of
// a frame (a kernel line, a broadcast) brings a character that no frame has or
// makes the length wrong, so that a damaged frame is dropped and asked for
// again, never taken for a shorter one.
type frame struct {
	job  uint32
	kind byte
	arg  string
	data string
}

// Kinds of frame.
const (
	frameHello  = 'h' // arg: the agent's uid
	frameAck    = 'a' // the request arrived; the job runs, or data was stored
	frameMeta   = 'm' // data: status/stdout lines/stderr lines/stdout cksum/stderr cksum
	frameStdout = 'o' // arg: number of the line, data: its base64
	frameStderr = 'e'
	frameFin    = 'f' // the lines that were asked for again have been sent
	frameBoot   = 'b' // arg: lines of the agent received while it is being typed
	frameID     = 'u' // arg: uid, data: user name
)

const maxFrame = 8 << 10

// deframer finds frames in a stream of which anything else may be part.
type deframer struct {
	start []byte // "@KEY."
	buf   []byte
}

func newDeframer(key string) *deframer {
	return &deframer{start: []byte("@" + key + ".")}
}

// feed takes the stream's next bytes and hands over the frames that end in them,
// until take is false: it returns how many bytes it has read. It keeps at most
// maxFrame of them.
func (d *deframer) feed(p []byte, take func(frame) bool) int {
	size := len(p)
	for len(p) > 0 {
		if len(d.buf) < len(d.start) {
			if len(d.buf) == 0 {
				i := bytes.IndexByte(p, '@')
				if i < 0 {
					return size
				}
				p = p[i:]
			}
			c := p[0]
			p = p[1:]
			if c == d.start[len(d.buf)] {
				d.buf = append(d.buf, c)
			} else if d.buf = d.buf[:0]; c == '@' {
				d.buf = append(d.buf, c)
			}
			continue
		}
		i := bytes.IndexFunc(p, func(r rune) bool { return !frameChar(r) })
		if i < 0 {
			i = len(p)
		}
		if len(d.buf)+i > maxFrame {
			d.buf = d.buf[:0]
			p = p[i:]
			continue
		}
		d.buf = append(d.buf, p[:i]...)
		p = p[i:]
		if len(p) == 0 {
			return size
		}
		more := true
		if p[0] == ';' {
			if f, ok := parseFrame(d.buf[len(d.start):]); ok {
				more = take(f)
			}
			p = p[1:]
		}
		// Otherwise noise: look at this byte again, it may begin a frame.
		d.buf = d.buf[:0]
		if !more {
			break
		}
	}
	return size - len(p)
}

func frameChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r == '+' || r == '/' || r == '=' || r == '.' || r == '-' || r == '_'
}

func parseFrame(b []byte) (frame, bool) {
	head := strings.SplitN(string(b), ".", 4)
	if len(head) < 4 || len(head[1]) != 1 {
		return frame{}, false
	}
	end := strings.LastIndexByte(head[3], '.')
	if end < 0 {
		return frame{}, false
	}
	data, size := head[3][:end], head[3][end+1:]
	if n, err := strconv.Atoi(size); err != nil || n != len(data) || strconv.Itoa(n) != size {
		return frame{}, false
	}
	job, err := strconv.ParseUint(head[0], 10, 32)
	if err != nil {
		return frame{}, false
	}
	return frame{job: uint32(job), kind: head[1][0], arg: head[2], data: data}, true
}

// request is a line for the agent, which drops it when its length is wrong.
func request(key, line string) []byte {
	return []byte(key + " " + strconv.Itoa(len(line)) + " " + line + "\n")
}

// escape writes a command as one line for the guest's printf %b. Should root's
// agent be gone, a shell may read the line: there is nothing in it to run.
func escape(command string) string {
	var b strings.Builder
	for i := range len(command) {
		switch c := command[i]; {
		case c == '\n':
			b.WriteString(`\n`)
		case c == ' ' || c == '/' || c == ':' || frameChar(rune(c)):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\0%03o`, c)
		}
	}
	return b.String()
}

// cksum is the checksum of POSIX cksum(1): a CRC of the bytes, then of their
// number. hash/crc32 has only CRCs of reflected bits.
func cksum(p []byte) uint32 {
	crc := uint32(0)
	add := func(c byte) { crc = crc<<8 ^ cksumTable[byte(crc>>24)^c] }
	for _, c := range p {
		add(c)
	}
	for n := len(p); n > 0; n >>= 8 {
		add(byte(n))
	}
	return ^crc
}

var cksumTable = func() (table [256]uint32) {
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	return table
}()
