package fakevm

import (
	"io"
	"net"
	"os"
	"sync"

	"github.com/creack/pty"
)

// guestPort is a pty whose other side is a socket with one client at a time, and
// a file.
type guestPort struct {
	listener net.Listener
	pty, tty *os.File
	log      *os.File // or nil

	mu     sync.Mutex
	client net.Conn
}

func newGuestPort(listener net.Listener, log string) (p *guestPort, err error) {
	p = &guestPort{listener: listener}
	if p.pty, p.tty, err = pty.Open(); err != nil {
		return nil, err
	}
	if err := pty.Setsize(p.pty, &pty.Winsize{Cols: 132, Rows: 50}); err != nil {
		return nil, err
	}
	if log != "" {
		if p.log, err = os.Create(log); err != nil {
			return nil, err
		}
	}
	go p.accept()
	go p.pump()
	return p, nil
}

func (p *guestPort) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.client = conn
		p.mu.Unlock()
		_, _ = io.Copy(p.pty, conn)
		p.mu.Lock()
		p.client = nil
		p.mu.Unlock()
		conn.Close()
	}
}

// pump hands on what the guest writes. A client that does not read makes the
// guest wait; without a client it goes to the file alone.
func (p *guestPort) pump() {
	buf := make([]byte, 4096)
	for {
		n, err := p.pty.Read(buf)
		if err != nil {
			return
		}
		if p.log != nil {
			_, _ = p.log.Write(buf[:n])
		}
		p.mu.Lock()
		client := p.client
		p.mu.Unlock()
		if client != nil {
			_, _ = client.Write(buf[:n])
		}
	}
}
