package vmtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshTry is how long one try to log in over SSH may take.
const sshTry = 20 * time.Second

// SSH runs a command in the guest over the forwarded port, as user, with the
// private key in the file named key, and returns what it wrote to its standard
// output and error. It tries once, for 20 s at most: a guest's sshd may refuse
// while it makes its host keys.
func (vm *VM) SSH(ctx context.Context, user, key, command string) (string, error) {
	ctx, cancel := vm.bound(ctx)
	defer cancel()
	out, err := vm.ssh(ctx, user, key, command)
	return out, vm.explain(err)
}

func (vm *VM) ssh(ctx context.Context, user, key, command string) (string, error) {
	text, err := os.ReadFile(key)
	if err != nil {
		return "", err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return "", err
	}
	// QEMU accepts before sshd listens.
	ctx, cancel := context.WithTimeoutCause(ctx, sshTry, fmt.Errorf("no answer for %s", sshTry))
	defer cancel()
	var dialer net.Dialer
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(vm.SSHPort))
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	transport, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		// The guest makes its host key at each boot, and the port is QEMU's.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return "", err
	}
	client := ssh.NewClient(transport, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	return string(out), err
}
