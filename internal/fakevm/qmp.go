package fakevm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// serveMonitor answers QMP clients, one after the other as QEMU does.
func (vm *machine) serveMonitor() {
	for {
		conn, err := vm.monitor.Accept()
		if err != nil {
			return
		}
		vm.mu.Lock()
		vm.clients = append(vm.clients, conn)
		vm.mu.Unlock()
		vm.serveClient(conn)
	}
}

func (vm *machine) serveClient(conn net.Conn) {
	defer conn.Close()
	fmt.Fprintln(conn, `{"QMP": {"version": {"qemu": {"micro": 1, "minor": 0, "major": 99}, "package": "fake"}, "capabilities": []}}`)
	lines := json.NewDecoder(conn)
	for {
		var c struct {
			Execute   string
			Arguments struct {
				Up   bool
				Line string `json:"command-line"`
			}
			ID uint64
		}
		if err := lines.Decode(&c); err != nil {
			return
		}
		if _, err := os.Stat(filepath.Join(vm.guest, "deaf-monitor")); err == nil {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		result, err := vm.command(c.Execute, c.Arguments.Line, c.Arguments.Up)
		if err != nil {
			fmt.Fprintf(conn, `{"error": {"class": "GenericError", "desc": %q}, "id": %d}`+"\n", err.Error(), c.ID)
			continue
		}
		text, _ := json.Marshal(result) // a string or a map
		fmt.Fprintf(conn, `{"return": %s, "id": %d}`+"\n", text, c.ID)
		// What comes of a command comes after its answer.
		switch c.Execute {
		case "quit":
			vm.ended <- `{"guest": false, "reason": "host-qmp-quit"}`
		case "system_powerdown":
			// A guest without the file does not listen to its button.
			if _, err := os.Stat(filepath.Join(vm.guest, "acpi")); err == nil {
				vm.ended <- `{"guest": true, "reason": "guest-shutdown"}`
			}
		}
	}
}

func (vm *machine) command(name, line string, up bool) (any, error) {
	file := func(name string) string { return filepath.Join(vm.guest, name) }
	switch name {
	case "qmp_capabilities", "stop", "quit", "system_powerdown":
	case "cont":
		return struct{}{}, vm.run()
	case "query-status":
		return map[string]any{"running": vm.init != nil}, nil
	case "set_link":
		carrier := "0\n"
		if up {
			carrier = "1\n"
		}
		return struct{}{}, errors.Join(os.MkdirAll(file("net/lan"), 0o755), os.WriteFile(file("net/lan/carrier"), []byte(carrier), 0o644))
	case "human-monitor-command":
		if line != "info usernet" {
			return "unknown command: '" + line + "'\r\n", nil
		}
		return fmt.Sprintf("Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"+
			"  TCP[HOST_FORWARD]  12       127.0.0.1 %5d       10.0.2.15    22     0     0\r\n", vm.sshPort), nil
	default:
		return nil, fmt.Errorf("the command %s has not been found", name)
	}
	return struct{}{}, nil
}

// event tells the monitor's clients.
func (vm *machine) event(name, data string) {
	now := time.Now()
	vm.mu.Lock()
	defer vm.mu.Unlock()
	for _, conn := range vm.clients {
		_ = conn.SetWriteDeadline(now.Add(time.Second))
		fmt.Fprintf(conn, `{"event": %q, "data": %s, "timestamp": {"seconds": %d, "microseconds": %d}}`+"\n",
			name, data, now.Unix(), now.Nanosecond()/1000)
	}
}
