// Package mirror finds where this host gets Debian's packages from: people sit
// behind mirrors of their own, so the tree names none.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path"
	"strings"
	"time"
)

// Mirror is a mirror of Debian's packages.
type Mirror struct {
	// Debian is the address below which dists/ and pool/ are.
	Debian string
	// Security is that of the security updates, or "" for none.
	Security string
	// From says who named it.
	From string
}

// Variable names a mirror in place of the host's own.
const Variable = "BOOT_IMAGE_MIRROR"

// Find is the mirror that was configured as [Variable] has it (an address, and
// after a blank that of the security updates), or else the one that this host's
// apt uses.
func Find(ctx context.Context, configured string) (Mirror, error) {
	if configured != "" {
		return Parse(configured)
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return Mirror{}, fmt.Errorf("this host has no apt whose mirror could be used: %w; name a mirror of Debian in %s", err, Variable)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, apt, "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return Mirror{}, fmt.Errorf("apt-get indextargets, which lists the host's mirrors: %w; name a mirror of Debian in %s", err, Variable)
	}
	return choose(string(out))
}

// choose takes the first of apt's addresses that is a mirror of Debian, and the
// first of its security updates: they are told by their last folder.
func choose(addresses string) (Mirror, error) {
	m := Mirror{From: "apt's sources"}
	for line := range strings.Lines(addresses) {
		address := strings.TrimRight(strings.TrimSpace(line), "/")
		switch path.Base(address) {
		case "debian":
			if m.Debian == "" {
				m.Debian = address
			}
		case "debian-security":
			if m.Security == "" {
				m.Security = address
			}
		}
	}
	if m.Debian == "" {
		return Mirror{}, fmt.Errorf("none of this host's apt sources is a mirror of Debian; name one in %s", Variable)
	}
	return m, nil
}

// Parse reads what [Variable] says.
func Parse(configured string) (Mirror, error) {
	words := strings.Fields(configured)
	if len(words) == 0 || len(words) > 2 {
		return Mirror{}, fmt.Errorf("%s is %q; want the address of a mirror of Debian and, after a blank, of its security updates", Variable, configured)
	}
	for i, word := range words {
		address, err := url.Parse(word)
		if err == nil && (address.Scheme != "http" && address.Scheme != "https" && address.Scheme != "file" || address.Scheme != "file" && address.Host == "") {
			err = errors.New("want http://, https:// or file://")
		}
		if err != nil {
			return Mirror{}, fmt.Errorf("%s: %q is no address: %w", Variable, word, err)
		}
		words[i] = strings.TrimRight(word, "/")
	}
	m := Mirror{Debian: words[0], From: Variable}
	if len(words) == 2 {
		m.Security = words[1]
	}
	return m, nil
}

// Environ are the variables by which a recipe learns of the mirror.
func (m Mirror) Environ() []string {
	return []string{"MIRROR=" + m.Debian, "MIRROR_SECURITY=" + m.Security}
}
