package scenario

import (
	"context"
	"fmt"
	"net"
	"strings"

	"bootaudit/contract/check"
)

// listener answers "reached" to whoever connects, until ctx ends.
func listener(ctx context.Context, address string) (port string, err error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", net.JoinHostPort(address, "0"))
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, "reached")
			conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	return port, err
}

// dial connects from the guest and prints what it is told, or why not.
const dial = "timeout 20 bash -c 'exec 3<>/dev/tcp/%s/%s && head -n 1 <&3' 2>&1 || echo no: $?\n"

// reaches asks the guest what it can reach beside itself: what listens on the
// host's loopback, on an address of the host's own, and the server of names.
func (s *session) reaches(ctx context.Context) check.Result {
	if r := s.address(ctx); r.Outcome != check.Holds {
		return r
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type place struct{ name, guests, hosts, port string }
	places := []place{
		{"the host's loopback", "10.0.2.2", "127.0.0.1", ""},
		{"the host's own address", ownAddress(), ownAddress(), ""},
		{"the server of names", "10.0.2.3", "", "53"},
	}
	var reached []string
	said := ""
	for _, p := range places {
		if p.guests == "" {
			continue // a host without a network
		}
		if p.hosts != "" {
			port, err := listener(ctx, p.hosts)
			if err != nil {
				return check.Doubt(err.Error())
			}
			p.port = port
		}
		out, err := s.VM().Output(ctx, fmt.Sprintf(dial, p.guests, p.port))
		if err != nil {
			return s.Broke(err)
		}
		said += fmt.Sprintf("%s: %s", p.name, out)
		if strings.HasPrefix(out, "reached") {
			reached = append(reached, p.name)
		}
	}
	if len(reached) == 0 {
		return check.Hold("the guest reaches nothing").With(said)
	}
	return check.Break("the guest reaches " + strings.Join(reached, ", ")).With(said)
}

// ownAddress is an IPv4 address of the host's that is no loopback, or "".
func ownAddress() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return ""
}
