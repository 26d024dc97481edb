package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var be = binary.BigEndian

// server is one of a test: it does what the protocol says, and what a case changes.
type server struct {
	data     []byte
	old      bool // knows no NBD_OPT_GO
	zeroes   bool
	flags    uint16
	before   []byte // what is said before the reply that tells the size
	size     uint64
	badMagic bool
	refuse   bool
	short    bool
}

func (s server) serve(c net.Conn) {
	defer c.Close()
	flags := s.flags | fixedNewstyle
	if !s.zeroes {
		flags |= noZeroes
	}
	greeting := be.AppendUint16(append([]byte("NBDMAGIC"), "IHAVEOPT"...), flags)
	_, _ = c.Write(greeting)
	b := make([]byte, 28)
	if _, err := io.ReadFull(c, b[:4]); err != nil {
		return
	}
	for {
		if _, err := io.ReadFull(c, b[:16]); err != nil || string(b[:8]) != "IHAVEOPT" {
			return
		}
		option := be.Uint32(b[8:])
		_, _ = io.CopyN(io.Discard, c, int64(be.Uint32(b[12:])))
		info := be.AppendUint16(be.AppendUint64(nil, s.size), 3)
		if option == optGo && !s.old {
			_, _ = c.Write(s.before)
			_, _ = c.Write(reply(repInfo, append([]byte{0, 0}, info...)))
			_, _ = c.Write(reply(repAck, nil))
			break
		}
		if option == optExportName {
			if s.zeroes {
				info = append(info, make([]byte, 124)...)
			}
			_, _ = c.Write(info)
			break
		}
		_, _ = c.Write(reply(repUnsupported, []byte("no")))
	}
	for {
		if _, err := io.ReadFull(c, b); err != nil || be.Uint16(b[6:]) == cmdDisconnect {
			return
		}
		answer := be.AppendUint32(nil, answerMagic)
		if s.badMagic {
			answer = be.AppendUint32(nil, 7)
		}
		code := uint32(0)
		if s.refuse {
			code = 5
		}
		answer = append(be.AppendUint32(answer, code), b[8:16]...)
		if !s.refuse {
			at, n := be.Uint64(b[16:]), uint64(be.Uint32(b[24:]))
			if s.short {
				n /= 2
			}
			answer = append(answer, s.data[at:at+n]...)
		}
		_, _ = c.Write(answer)
		if s.short {
			return
		}
	}
}

func reply(kind uint32, data []byte) []byte {
	b := be.AppendUint64(nil, replyMagic)
	b = be.AppendUint32(b, optGo)
	b = be.AppendUint32(b, kind)
	b = be.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

func connect(t *testing.T, s server) (*Client, error) {
	ours, its := net.Pipe()
	done := make(chan struct{})
	go func() { s.serve(its); close(done) }()
	c, err := New(t.Context(), ours)
	t.Cleanup(func() {
		if c != nil {
			assert.NoError(t, c.Close())
		}
		<-done
	})
	return c, err
}

func TestRead(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)
	for name, s := range map[string]server{
		"go": {}, "name": {old: true}, "name and zeroes": {old: true, zeroes: true}, "more information": {before: reply(repInfo, []byte{0, 3, 0, 0, 0, 1, 0, 0, 16, 0, 2, 0, 0, 0})},
	} {
		t.Run(name, func(t *testing.T) {
			s.data, s.size = data, uint64(len(data))
			c, err := connect(t, s)
			require.NoError(t, err)
			assert.Equal(t, int64(len(data)), c.Size())
			all, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(data, all))
			b := make([]byte, 2<<20)
			n, err := c.ReadAt(b, 7)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(data[7:7+n], b))
			n, err = c.ReadAt(b[:100], int64(len(data))-10)
			assert.ErrorIs(t, err, io.EOF)
			assert.Equal(t, 10, n)
			_, err = c.ReadAt(b[:1], 1<<40)
			assert.ErrorIs(t, err, io.EOF)
			_, err = c.ReadAt(b[:1], -1)
			assert.Error(t, err)
		})
	}
}

func TestHostile(t *testing.T) {
	long := reply(repInfo, nil)
	be.PutUint32(long[16:], 0xffffffff)
	for name, tt := range map[string]struct {
		s    server
		want string
	}{
		"a reply of 4 GiB": {server{before: long}, "reply: 4294967295 bytes"},
		"no reply":         {server{before: bytes.Repeat([]byte("x"), 20)}, "reply: malformed"},
		"size":             {server{size: 1 << 63}, "an export of 9223372036854775808 bytes"},
		"refused":          {server{before: reply(1<<31+6, []byte("no such export"))}, `refuses: "no such export"`},
		"kind":             {server{before: reply(9, nil)}, "a reply of kind 9"},
		"no size":          {server{before: reply(repAck, nil)}, "a reply of kind 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, tt.s)
			assert.ErrorContains(t, err, tt.want)
		})
	}
	ours, its := net.Pipe()
	go func() { _, _ = its.Write([]byte(strings.Repeat("HTTP/1.0 400 ", 9))); its.Close() }()
	_, err := New(t.Context(), ours)
	assert.ErrorContains(t, err, "is not the fixed newstyle")
}

func TestErrors(t *testing.T) {
	data := make([]byte, 1<<16)
	b := make([]byte, 4096)
	c, err := connect(t, server{data: data, size: 1 << 16, refuse: true})
	require.NoError(t, err)
	for range 2 {
		_, err = c.ReadAt(b, 0)
		assert.ErrorContains(t, err, "the server says error 5")
	}
	for name, s := range map[string]server{"malformed": {badMagic: true}, "EOF": {short: true}} {
		s.data, s.size = data, 1<<16
		c, err := connect(t, s)
		require.NoError(t, err)
		for range 2 { // and it stays so
			_, err = c.ReadAt(b, 0)
			assert.ErrorContains(t, err, name)
		}
	}
}

// TestContext: a server that says nothing is left when the context ends.
func TestContext(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	ours, its := net.Pipe()
	defer its.Close()
	go cancel(enough)
	_, err := New(ctx, ours)
	assert.ErrorIs(t, err, enough)
}

// answers is a connection whose other end has said all that it will.
type answers struct {
	net.Conn
	*bytes.Reader
}

func (a answers) Read(b []byte) (int, error)  { return a.Reader.Read(b) }
func (a answers) Write(b []byte) (int, error) { return len(b), nil }
func (a answers) Close() error                { return nil }

// FuzzNew: whatever a server says, no more is allocated than a reply may have.
func FuzzNew(f *testing.F) {
	greeting := be.AppendUint16([]byte("NBDMAGICIHAVEOPT"), 3)
	info := reply(repInfo, append([]byte{0, 0}, be.AppendUint16(be.AppendUint64(nil, 1<<20), 3)...))
	f.Add(append(append(bytes.Clone(greeting), info...), reply(repAck, nil)...))
	f.Add(append(append(bytes.Clone(greeting), reply(repUnsupported, nil)...), info...))
	f.Fuzz(func(t *testing.T, said []byte) {
		c, err := New(t.Context(), answers{Reader: bytes.NewReader(said)})
		if err != nil {
			return
		}
		b := make([]byte, 100)
		if n, err := c.ReadAt(b, 0); err == nil && n != len(b) {
			t.Errorf("%d bytes and no error", n)
		}
		_ = c.Close()
	})
}
