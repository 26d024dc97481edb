package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Client is a connection to an export. It is an [io.ReaderAt], safe for concurrent
// use; what it is asked for is answered one after the other.
type Client struct {
	size int64
	stop func() bool

	mu     sync.Mutex
	conn   net.Conn
	cookie uint64
	broken error // a connection out of step is of no more use
}

const (
	magic       = 0x4e42444d41474943 // NBDMAGIC
	optionMagic = 0x49484156454f5054 // IHAVEOPT
	replyMagic  = 0x3e889045565a9
	askMagic    = 0x25609513
	answerMagic = 0x67446698

	fixedNewstyle, noZeroes = 1, 2

	optExportName, optGo            = 1, 7
	repAck, repInfo, repUnsupported = 1, 3, 1<<31 + 1
	infoExport                      = 0

	cmdRead, cmdDisconnect = 0, 2

	maxReply = 4 << 10 // bytes of an option's reply
	maxChunk = 1 << 20 // bytes asked for at once; 32 MiB is what servers take
)

// New shakes hands over the connection and opens the export that has no name. The
// connection is closed when the context ends.
func New(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{conn: conn}
	c.stop = context.AfterFunc(ctx, func() { conn.Close() })
	if err := c.handshake(); err != nil {
		c.stop()
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("nbd: %w", err)
	}
	return c, nil
}

func (c *Client) handshake() error {
	be := binary.BigEndian
	b, err := c.read(18)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if be.Uint64(b) != magic || be.Uint64(b[8:]) != optionMagic || be.Uint16(b[16:])&fixedNewstyle == 0 {
		return fmt.Errorf("greeting: % x is not the fixed newstyle", b)
	}
	zeroes := be.Uint16(b[16:])&noZeroes == 0
	flags := uint32(fixedNewstyle)
	if !zeroes {
		flags |= noZeroes
	}
	if _, err := c.conn.Write(be.AppendUint32(nil, flags)); err != nil {
		return err
	}
	// No name, and no more information asked for than comes by itself.
	if err := c.option(optGo, make([]byte, 6)); err != nil {
		return err
	}
	for told := false; ; {
		kind, data, err := c.reply(optGo)
		if err != nil {
			return err
		}
		switch {
		case kind == repInfo && len(data) >= 12 && be.Uint16(data) == infoExport:
			told = true
			if err := c.setSize(be.Uint64(data[2:])); err != nil {
				return err
			}
		case kind == repInfo:
		case kind == repAck && told:
			return nil
		case kind == repUnsupported:
			return c.exportName(zeroes)
		case kind&(1<<31) != 0:
			return fmt.Errorf("the server refuses: %q (%#x)", data, kind)
		default:
			return fmt.Errorf("a reply of kind %d", kind)
		}
	}
}

// exportName is how servers are asked that are older than NBD_OPT_GO.
func (c *Client) exportName(zeroes bool) error {
	if err := c.option(optExportName, nil); err != nil {
		return err
	}
	n := 10
	if zeroes {
		n += 124
	}
	b, err := c.read(n)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return c.setSize(binary.BigEndian.Uint64(b))
}

func (c *Client) setSize(size uint64) error {
	if size > 1<<62 {
		return fmt.Errorf("an export of %d bytes", size)
	}
	c.size = int64(size)
	return nil
}

func (c *Client) option(option uint32, data []byte) error {
	be := binary.BigEndian
	b := be.AppendUint64(nil, optionMagic)
	b = be.AppendUint32(b, option)
	b = be.AppendUint32(b, uint32(len(data)))
	_, err := c.conn.Write(append(b, data...))
	return err
}

func (c *Client) reply(option uint32) (kind uint32, data []byte, err error) {
	be := binary.BigEndian
	b, err := c.read(20)
	if err != nil {
		return 0, nil, fmt.Errorf("reply: %w", err)
	}
	if be.Uint64(b) != replyMagic || be.Uint32(b[8:]) != option {
		return 0, nil, fmt.Errorf("reply: malformed: % x", b)
	}
	n := be.Uint32(b[16:])
	if n > maxReply {
		return 0, nil, fmt.Errorf("reply: %d bytes", n)
	}
	data, err = c.read(int(n))
	return be.Uint32(b[12:]), data, err
}

func (c *Client) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c.conn, b)
	return b, err
}

// Size is the export's, in bytes.
func (c *Client) Size() int64 { return c.size }

// ReadAt reads from the export.
func (c *Client) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("nbd: a negative offset")
	}
	want := max(0, min(int64(len(b)), c.size-at))
	done := 0
	for int64(done) < want {
		n := min(want-int64(done), maxChunk)
		if err := c.chunk(b[done:done+int(n)], at+int64(done)); err != nil {
			return done, fmt.Errorf("nbd: %d bytes at byte %d: %w", n, at+int64(done), err)
		}
		done += int(n)
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}

func (c *Client) chunk(b []byte, at int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	refused, err := c.ask(b, at)
	if err != nil {
		c.broken = err
		c.conn.Close()
		return err
	}
	return refused
}

// ask reads a chunk. What the server refuses leaves the connection in step.
func (c *Client) ask(b []byte, at int64) (refused, err error) {
	be := binary.BigEndian
	c.cookie++
	if _, err := c.conn.Write(request(cmdRead, c.cookie, at, len(b))); err != nil {
		return nil, err
	}
	h, err := c.read(16)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if be.Uint32(h) != answerMagic || be.Uint64(h[8:]) != c.cookie {
		return nil, fmt.Errorf("answer: malformed: % x", h)
	}
	if code := be.Uint32(h[4:]); code != 0 {
		return fmt.Errorf("the server says error %d", code), nil
	}
	if _, err := io.ReadFull(c.conn, b); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return nil, nil
}

func request(kind uint16, cookie uint64, at int64, length int) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, askMagic)
	b = be.AppendUint16(b, 0)
	b = be.AppendUint16(b, kind)
	b = be.AppendUint64(b, cookie)
	b = be.AppendUint64(b, uint64(at))
	return be.AppendUint32(b, uint32(length))
}

// Close says goodbye: a server that serves one client ends.
func (c *Client) Close() error {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = net.ErrClosed
		_, _ = c.conn.Write(request(cmdDisconnect, 0, 0, 0)) // it may be gone
	}
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("nbd: %w", err)
	}
	return nil
}
