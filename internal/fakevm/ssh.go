package fakevm

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// forwardSSH listens on a port of the host. As behind QEMU, a connection is
// accepted before the guest's sshd listens (until its unit is active), and then
// ends at once.
func (vm *machine) forwardSSH() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	vm.sshPort = listener.Addr().(*net.TCPAddr).Port
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	host, err := ssh.NewSignerFromKey(secret)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: vm.authorized}
	config.AddHostKey(host)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go vm.serveSSH(conn, config)
		}
	}()
	return nil
}

// authorized lets in who has the key that the guest was given at boot.
func (vm *machine) authorized(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	text, err := os.ReadFile(filepath.Join(vm.guest, "authorized_keys"))
	if err != nil {
		text, err = os.ReadFile(filepath.Join(vm.guest, "fw_cfg/opt/bootaudit/root-key"))
	}
	if err != nil {
		return nil, err
	}
	known, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err == nil && string(known.Marshal()) != string(key.Marshal()) {
		err = errors.New("not this key")
	}
	return nil, err
}

func (vm *machine) serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	state, _ := os.ReadFile(filepath.Join(vm.guest, "units/sshd.service"))
	// The file sshd-refuses is how often, one X for each time.
	refuses, _ := os.ReadFile(filepath.Join(vm.guest, "sshd-refuses"))
	if len(refuses) > 0 {
		_ = os.WriteFile(filepath.Join(vm.guest, "sshd-refuses"), refuses[1:], 0o644)
	}
	if len(refuses) > 0 || !strings.Contains(string(state), "ActiveState=active") {
		return
	}
	transport, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer transport.Close()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil)
			if r.Type != "exec" {
				continue
			}
			cmd := exec.Command(filepath.Join(vm.guest, "real", "sh"), "-c", string(r.Payload[4:]))
			cmd.Env, cmd.Dir = vm.environ(transport.User(), "0"), vm.guest
			if user, err := os.ReadFile(filepath.Join(vm.guest, "ssh-user")); err == nil {
				cmd.Env = append(cmd.Env, "GUEST_USER="+strings.TrimSpace(string(user)))
			}
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			status := struct{ Status uint32 }{}
			if cmd.Run() != nil {
				status.Status = 1
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
			channel.Close()
		}
	}
}
