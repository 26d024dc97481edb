package iso

import (
	"encoding/json"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Autologin is the user whom the console's getty logs in by itself, and the
// file that says so.
func (r *Root) Autologin(device string) (user, file string, err error) {
	var l consoleLogin
	err = r.img.ask(func() error {
		l, err = r.consoleLogin(device)
		return err
	})
	return l.user, l.file, err
}

// Groups is the groups that a user belongs to.
func (r *Root) Groups(user string) (groups []string) {
	_ = r.img.ask(func() error {
		groups = r.groups(user)
		return nil
	})
	return groups
}

func (r *Root) groups(user string) []string {
	var groups []string
	if text, err := r.readFile("/etc/group", maxScript); err == nil {
		for line := range strings.Lines(string(text)) {
			f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 5)
			if len(f) == 4 && len(groups) < maxMatches && (f[0] == user || slices.Contains(strings.Split(f[3], ","), user)) {
				groups = append(groups, f[0])
			}
		}
		return groups
	}
	// NixOS makes its users at activation, from a list in the store.
	files := r.together()
	activate, err := files.read(r.System+"/activate", maxScript)
	if err != nil {
		return nil
	}
	for _, name := range storePath.FindAllString(activate, maxMatches) {
		if !strings.HasSuffix(name, "users-groups.json") {
			continue
		}
		text, err := files.read(name, maxScript)
		if err != nil {
			continue
		}
		var spec struct {
			Groups []struct {
				Name    string
				Members []string
			}
		}
		if json.Unmarshal([]byte(text), &spec) == nil {
			for _, g := range spec.Groups {
				if slices.Contains(g.Members, user) && len(groups) < maxMatches {
					groups = append(groups, g.Name)
				}
			}
		}
	}
	return groups
}

// sudoRule is USER HOST = (RUNAS) NOPASSWD: ALL.
var sudoRule = regexp.MustCompile(`^(\S+)\s+\S+\s*=\s*(?:\([^)]*\)\s*)?((?:[A-Z_]+:\s*)*)ALL\b`)

// Sudo is the line that lets user run everything as root without a password.
// ok is false when no line does; then the matches are those that ask for one.
func (r *Root) Sudo(user string) (lines []match, ok bool, err error) {
	doErr := r.img.ask(func() error {
		lines, ok, err = r.sudo(user)
		return nil
	})
	return lines, ok, errors.Join(err, doErr)
}

func (r *Root) sudo(user string) (lines []match, ok bool, err error) {
	files := []string{"/etc/sudoers"}
	for _, base := range r.names("/etc/sudoers.d") {
		// sudo skips these names.
		if !strings.Contains(base, ".") && !strings.HasSuffix(base, "~") && len(files) < maxScripts {
			files = append(files, "/etc/sudoers.d/"+base)
		}
	}
	who := map[string]bool{user: true, "ALL": true}
	for _, g := range r.groups(user) {
		who["%"+g] = true
	}
	read := false
	all := r.together()
	for _, file := range files {
		text, readErr := all.read(file, maxScript)
		if readErr != nil {
			err = readErr
			continue
		}
		read = true
		n := 0
		for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
			n++
			line = strings.TrimSpace(line)
			m := sudoRule.FindStringSubmatch(line)
			if m == nil || !who[m[1]] {
				continue
			}
			at := match{file, n, line}
			// The last rule that matches wins.
			if ok = strings.Contains(m[2], "NOPASSWD:"); ok || len(lines) == maxMatches {
				lines = []match{at}
			} else {
				lines = append(lines, at)
			}
		}
	}
	if read {
		err = nil
	}
	return lines, ok, err
}

// AuthorizedKeys finds the files that hold a public key for root: absolute
// paths in the system, or base names anywhere in the store paths that carry
// the product's name.
func (r *Root) AuthorizedKeys(files []string, product string) (found []fileText) {
	_ = r.img.ask(func() error {
		found = r.authorizedKeys(files, product)
		return nil
	})
	return found
}

func (r *Root) authorizedKeys(files []string, product string) []fileText {
	var found []fileText
	all := r.together()
	try := func(name string) {
		if text, err := all.read(name, maxScript); err == nil && strings.TrimSpace(text) != "" {
			found = append(found, fileText{name, strings.TrimSpace(text)})
		}
	}
	var packages []string
	if r.store != "" {
		for _, pkg := range r.names("/nix/store") {
			if strings.Contains(pkg, product) && len(packages) < maxScripts {
				packages = append(packages, pkg)
			}
		}
	}
	for _, file := range files {
		if path.IsAbs(file) {
			try(file)
			continue
		}
		for _, pkg := range packages {
			for _, name := range r.find("/nix/store/"+pkg, 5, func(base string) bool { return base == file }) {
				try(name)
			}
		}
	}
	return found
}
