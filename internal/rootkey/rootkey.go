// Package rootkey keeps the SSH key that an image lets root log in with.
//
// The key is kept from run to run, because the image embeds its public half: a
// new key is a new image, which costs a full rebuild.
package rootkey

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"golang.org/x/crypto/ssh"

	"bootaudit/contract"
	"bootaudit/internal/config"
)

// For is the key that cfg asks for: the file that PRE_NIXOS_ROOT_KEY names,
// else the one kept in the cache folder, made anew under BOOT_IMAGE_NEW_KEY=1.
func For(cfg config.Config) (contract.Key, error) {
	if cfg.RootKey != "" {
		return fromPublic(string(cfg.RootKey))
	}
	return Load(string(cfg.CacheDir), cfg.NewKey)
}

// InImage is the key that cfg's image lets root log in with; the zero key is
// none that is known. An image that was given has whatever key it was built with.
func InImage(cfg config.Config) (contract.Key, error) {
	if given := []contract.Kind{contract.KindFile, contract.KindKernel}; slices.Contains(given, cfg.Target().Kind) && cfg.RootKey == "" {
		return contract.Key{}, nil
	}
	return For(cfg)
}

const comment = "bootaudit root key"

// Load is the key kept in cacheDir, which is made when there is none or when
// renew is set. Processes with the same parent renew it once between them: the
// packages of one `go test` run must agree on the key.
func Load(cacheDir string, renew bool) (contract.Key, error) {
	private := filepath.Join(cacheDir, "root-key")
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		return contract.Key{}, fmt.Errorf("root key: %w", err)
	}
	lock := flock.New(private + ".lock")
	if err := lock.Lock(); err != nil { // held for milliseconds
		return contract.Key{}, fmt.Errorf("root key: %w", err)
	}
	defer lock.Unlock()

	run := private + ".renewed-by"
	if renew {
		if last, err := os.ReadFile(run); err == nil && string(last) == parent() {
			renew = false
		}
	}
	if !renew {
		key, err := read(private)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
	}
	if err := generate(private); err != nil {
		return contract.Key{}, fmt.Errorf("root key: %w", err)
	}
	if renew {
		if err := os.WriteFile(run, []byte(parent()), 0o600); err != nil {
			return contract.Key{}, fmt.Errorf("root key: %w", err)
		}
	}
	return read(private)
}

// fromPublic is the key whose public half is the file named public. Its private
// half is looked for beside it, without ".pub".
func fromPublic(public string) (contract.Key, error) {
	text, err := os.ReadFile(public)
	if err != nil {
		return contract.Key{}, fmt.Errorf("root key: %w", err)
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return contract.Key{}, fmt.Errorf("root key: %s is not an OpenSSH public key (wanted one line like %q): %w",
			public, "ssh-ed25519 AAAA... comment", err)
	}
	key := contract.Key{Public: public, Authorized: strings.TrimSpace(string(text)), Fingerprint: ssh.FingerprintSHA256(parsed)}
	if private, ok := strings.CutSuffix(public, ".pub"); ok {
		if _, err := os.Stat(private); err == nil {
			key.Private = private
		}
	}
	return key, nil
}

// read is the key pair whose private half is the file named private. The
// public half is written again where it is missing or stale.
func read(private string) (contract.Key, error) {
	text, err := os.ReadFile(private)
	if err != nil {
		return contract.Key{}, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return contract.Key{}, fmt.Errorf("root key: %s is not an OpenSSH private key without passphrase: %w; remove it or set BOOT_IMAGE_NEW_KEY=1", private, err)
	}
	// ssh refuses a private key that others can read.
	if err := os.Chmod(private, 0o600); err != nil {
		return contract.Key{}, fmt.Errorf("root key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + comment
	public := private + ".pub"
	if old, err := os.ReadFile(public); err != nil || strings.TrimSpace(string(old)) != line {
		if err := replace(public, []byte(line+"\n"), 0o644); err != nil {
			return contract.Key{}, fmt.Errorf("root key: %w", err)
		}
	}
	return contract.Key{Private: private, Public: public, Authorized: line, Fingerprint: ssh.FingerprintSHA256(signer.PublicKey())}, nil
}

func generate(private string) error {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(secret, comment)
	if err != nil {
		return err
	}
	return replace(private, pem.EncodeToMemory(block), 0o600)
}

// replace writes a file whole or not at all. The half that is secret is never in
// another folder.
func replace(name string, content []byte, mode fs.FileMode) error {
	return renameio.WriteFile(name, content, mode, renameio.WithTempDir(filepath.Dir(name)))
}

// parent names the process that started us, unlike any other's: its number and
// the moment it started.
func parent() string {
	pid := os.Getppid()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return fmt.Sprint(pid)
	}
	// The command's name, in brackets, may hold blanks; field 22 is the start.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return fmt.Sprint(pid)
	}
	return fmt.Sprintf("%d at %s", pid, fields[19])
}
