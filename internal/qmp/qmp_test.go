package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"bootaudit/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}` + "\n"

// fake is a monitor that answers each command with reply(command, id).
func fake(t *testing.T, greeting string, reply func(command string, id uint64) string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer theirs.Close()
		if _, err := theirs.Write([]byte(greeting)); err != nil {
			return
		}
		lines := bufio.NewScanner(theirs)
		for lines.Scan() {
			var command struct {
				Execute string
				ID      uint64
			}
			if json.Unmarshal(lines.Bytes(), &command) != nil {
				return
			}
			text := fmt.Sprintf(`{"return": {}, "id": %d}`, command.ID)
			if command.Execute != "qmp_capabilities" {
				text = reply(command.Execute, command.ID)
			}
			if text == "" {
				continue
			}
			if _, err := theirs.Write([]byte(text + "\n")); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { ours.Close(); wg.Wait() })
	return ours
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestExecute(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	events := make(chan Event, 10)
	conn := fake(t, hello, func(command string, id uint64) string {
		switch command {
		case "refuse":
			return fmt.Sprintf(`{"error": {"class": "GenericError", "desc": "no such disk"}, "id": %d}`, id)
		case "long":
			return fmt.Sprintf(`{"return": "%s", "id": %d}`, long, id)
		case "stray":
			// An event and a reply to a command nobody waits for come first.
			return `{"event": "RESUME", "timestamp": {"seconds": 5, "microseconds": 7}}` +
				`{"return": 1, "id": 999}` + fmt.Sprintf(`{"return": 42, "id": %d}`, id)
		case "silent":
			return ""
		}
		return fmt.Sprintf(`{"return": {}, "id": %d}`, id)
	})
	c, err := New(within(t, 10*time.Second), conn, func(e Event) { events <- e })
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, "7.2.22 (Debian)", c.Version())

	var refused *Error
	err = c.Execute(t.Context(), "refuse", nil, nil)
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "GenericError", refused.Class)
	assert.EqualError(t, err, "qemu refused refuse: no such disk (GenericError)")

	var text string
	require.NoError(t, c.Execute(t.Context(), "long", nil, &text))
	assert.Equal(t, long, text)

	var number int
	require.NoError(t, c.Execute(t.Context(), "stray", nil, &number))
	assert.Equal(t, 42, number)
	assert.Equal(t, Event{Name: "RESUME", At: time.Unix(5, 7000)}, <-events)

	err = c.Execute(within(t, 20*time.Millisecond), "silent", nil, nil)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, c.Execute(t.Context(), "stray", nil, &text), "qemu's reply")
}

// A handler that blocks must delay neither replies nor the end.
func TestSlowHandler(t *testing.T) {
	release := make(chan struct{})
	conn := fake(t, hello, func(command string, id uint64) string {
		return `{"event": "STOP"}` + fmt.Sprintf(`{"return": {}, "id": %d}`, id)
	})
	c, err := New(within(t, 10*time.Second), conn, func(Event) { <-release })
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, c.Execute(within(t, 10*time.Second), "stop", nil, nil))
	}
	c.Close()
	select {
	case <-c.Drained():
		t.Error("drained, though no event has been handled")
	default:
	}
	close(release)
	<-c.Drained()
}

func TestClosedMonitor(t *testing.T) {
	conn := fake(t, hello, func(string, uint64) string { return "" })
	c, err := New(within(t, 10*time.Second), conn, nil)
	require.NoError(t, err)
	failed := make(chan error)
	go func() { failed <- c.Execute(context.Background(), "wait", nil, nil) }()
	time.Sleep(10 * time.Millisecond)
	conn.Close()
	assert.ErrorIs(t, <-failed, ErrClosed)
	<-c.done
	assert.ErrorIs(t, c.Execute(t.Context(), "more", nil, nil), ErrClosed)
}

func TestForeignGreeting(t *testing.T) {
	for name, greeting := range map[string]string{
		"text":   "HTTP/1.1 400 Bad Request\r\n\r\n",
		"silent": "",
	} {
		t.Run(name, func(t *testing.T) {
			conn := fake(t, greeting, func(string, uint64) string { return "" })
			_, err := New(within(t, 50*time.Millisecond), conn, nil)
			assert.ErrorContains(t, err, "qemu monitor: ")
		})
	}
	_, err := Dial(within(t, 30*time.Millisecond), filepath.Join(t.TempDir(), "none"), nil)
	assert.ErrorContains(t, err, "no qemu monitor at ")
}

// A monitor that does not read keeps nobody longer than they want to wait, with
// a deadline or without, neither who writes nor who would be next.
func TestMonitorThatDoesNotRead(t *testing.T) {
	for name, takes := range map[string]int{"nothing": 0, "half a command": 10} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			go func() {
				_, _ = theirs.Write([]byte(hello))
				lines := bufio.NewReaderSize(theirs, 16)
				_, _ = lines.ReadString('\n')
				_, _ = theirs.Write([]byte(`{"return": {}, "id": 1}`))
				_, _ = io.ReadFull(theirs, make([]byte, takes))
			}()
			c, err := New(within(t, 10*time.Second), ours, nil)
			require.NoError(t, err)
			defer c.Close()
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			failed := make(chan error, 2)
			for range 2 {
				go func() { failed <- c.Execute(ctx, "stop", nil, nil) }()
			}
			time.Sleep(20 * time.Millisecond) // so that they are in the middle of it
			cancel(why)
			closed := 0
			for range 2 {
				err := <-failed
				assert.ErrorIs(t, err, why)
				if errors.Is(err, ErrClosed) {
					closed++
				}
			}
			if takes == 0 {
				assert.Zero(t, closed)
				assert.NoError(t, c.Err())
				go func() { // it reads again
					_, _ = bufio.NewReader(theirs).ReadString('\n')
					_, _ = theirs.Write([]byte(`{"return": {}, "id": 4}`))
				}()
				assert.NoError(t, c.Execute(within(t, 10*time.Second), "stop", nil, nil))
				return
			}
			assert.Equal(t, 1, closed)
			<-c.done
			assert.ErrorIs(t, c.Execute(t.Context(), "stop", nil, nil), ErrClosed)
		})
	}
}

func TestRealQEMU(t *testing.T) {
	if testing.Short() {
		t.Skip("starts QEMU; -short asks for none")
	}
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		config.Lacking(t, "no qemu-system-x86_64 on the PATH; install qemu-system-x86")
	}
	socket := filepath.Join(t.TempDir(), "qmp")
	cmd := exec.CommandContext(t.Context(), qemu, "-nodefaults", "-display", "none", "-machine", "none",
		"-qmp", "unix:"+socket+",server=on,wait=off")
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	events := make(chan Event, 10)
	c, err := Dial(within(t, time.Minute), socket, func(e Event) { events <- e })
	require.NoError(t, err)
	defer c.Close()
	assert.Regexp(t, `^\d+\.\d+\.\d+`, c.Version())
	// More than 64 KiB, which ends clients that read line by line.
	var schema json.RawMessage
	require.NoError(t, c.Execute(within(t, time.Minute), "query-qmp-schema", nil, &schema))
	assert.Greater(t, len(schema), 64<<10)
	text, err := c.Human(within(t, time.Minute), "info version")
	require.NoError(t, err)
	assert.Contains(t, c.Version(), strings.Fields(text)[0][:3])
	require.NoError(t, c.Execute(within(t, time.Minute), "quit", nil, nil))
	assert.Equal(t, "SHUTDOWN", (<-events).Name)
	<-c.done
}
