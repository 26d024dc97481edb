package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"bootaudit/internal/command"
	"bootaudit/internal/nbd"
)

// server is a qemu-nbd of ours and the connection to it.
type server struct {
	*nbd.Client
	dir  string
	stop context.CancelFunc
	done chan error
	once sync.Once
}

// serve starts qemu-nbd for a file that was found to lead to no other.
func serve(ctx context.Context, format Format, path string) (*server, error) {
	program, err := exec.LookPath("qemu-nbd")
	if err != nil {
		return nil, fmt.Errorf("disk: %s is no raw image, and qemu-nbd, which reads it, is missing: install qemu-utils, or convert it with qemu-img convert -O raw", path)
	}
	image, err := description(format, path)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nbd") // 0700: the socket in it is ours alone
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	s := &server{dir: dir, stop: stop, done: make(chan error, 1)}
	socket := filepath.Join(dir, "s")
	go func() {
		// It serves one client, and ends with it.
		_, err := command.Command{
			Args:      []string{program, "--read-only", "--shared=1", "--socket=" + socket, image},
			MaxOutput: 64 << 10,
		}.Run(ctx)
		s.done <- err
	}()
	conn, err := s.dial(ctx, socket)
	if err == nil {
		if s.Client, err = nbd.New(ctx, conn); err != nil {
			err = s.why(err)
		}
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("disk: %s: %w", path, err)
	}
	return s, nil
}

// description tells QEMU the format and the file, so that it guesses neither, and
// that there is no other.
func description(format Format, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("disk: %w", err)
	}
	if !utf8.ValidString(path) {
		return "", fmt.Errorf("disk: %q is not UTF-8, as QEMU wants a file's name", path)
	}
	d := map[string]any{"driver": string(format), "file": map[string]any{"driver": "file", "filename": path}}
	if format == QCOW2 || format == VMDK { // the others know none
		d["backing"] = nil
	}
	b, err := json.Marshal(d)
	return "json:" + string(b), err
}

// dial waits for the socket, or for the end of what should make it.
func (s *server) dial(ctx context.Context, socket string) (net.Conn, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return conn, nil
		}
		select {
		case err := <-s.done:
			s.done <- err // end waits for it, too
			if err == nil {
				err = errors.New("qemu-nbd ended and served nothing")
			}
			return nil, err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// why is what qemu-nbd says when it ends, rather than that the connection did: it
// listens before it opens the image.
func (s *server) why(err error) error {
	select {
	case ended := <-s.done:
		s.done <- ended
		if ended != nil {
			return ended
		}
	case <-time.After(time.Second):
	}
	return err
}

func (s *server) end() {
	s.once.Do(func() {
		s.stop()
		<-s.done
		os.RemoveAll(s.dir)
	})
}

// Close ends qemu-nbd.
func (s *server) Close() error {
	err := s.Client.Close()
	s.end()
	return err
}
