package iso

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// commandFolders are what a login shell's PATH amounts to, root's included.
var commandFolders = []string{
	"/run/current-system/sw/bin", "/run/current-system/sw/sbin",
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
}

// Missing is those of the commands that no folder of the PATH has.
func (r *Root) Missing(commands []string) []string {
	have := map[string]bool{}
	for _, folder := range commandFolders {
		for _, name := range r.List(folder) {
			have[name] = true
		}
	}
	var missing []string
	for _, c := range commands {
		if !have[c] {
			missing = append(missing, c)
		}
	}
	return missing
}

// Architecture is what the system's shell is built for.
func (r *Root) Architecture() (arch, file string, err error) {
	candidates := []string{"/bin/sh", "/usr/bin/sh", "/usr/bin/bash", "/run/current-system/sw/bin/bash", "/run/current-system/sw/bin/sh"}
	for _, file = range candidates {
		head, readErr := r.ReadFile(file, 64)
		if readErr != nil {
			err = readErr
			continue
		}
		arch, err = elfArch(head)
		return arch, file, err
	}
	return "", "", err
}

// A fileText is the text of a file, with its path.
type fileText struct{ path, text string }

const (
	maxScript  = 1 << 20
	maxScripts = 200
)

var (
	storePath = regexp.MustCompile(`/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+(?:/[A-Za-z0-9+._@-]+)*`)
	otherPath = regexp.MustCompile(`/(?:usr/(?:local/)?)?(?:s?bin|lib|libexec|share)/[A-Za-z0-9+._@/-]+`)
)

// Programs is what a service runs, as far as it can be followed: the files
// that its Exec lines name, and from them on every file of the service's own,
// which is one whose path has the service's name in it.
func (r *Root) Programs(u Unit) []fileText {
	stem := strings.TrimSuffix(u.Name, path.Ext(u.Name))
	var found []fileText
	seen := map[string]bool{}
	var queue []string
	add := func(names ...string) {
		for _, name := range names {
			if !seen[name] && len(seen) < maxScripts {
				seen[name] = true
				queue = append(queue, name)
			}
		}
	}
	for _, key := range []string{"ExecStartPre", "ExecStart", "ExecStartPost"} {
		for _, line := range u.All("Service", key) {
			for _, w := range words(strings.TrimLeft(line, "@-:+!|")) {
				if path.IsAbs(w) {
					add(w)
				}
			}
		}
	}
	for _, folder := range commandFolders {
		if name := folder + "/" + stem; r.Exists(name) {
			add(name)
			break
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		data, err := r.ReadFile(name, maxScript)
		if err != nil {
			continue
		}
		own := strings.Contains(name, stem)
		if own || !bytes.HasPrefix(data, []byte("\x7fELF")) {
			found = append(found, fileText{name, string(data)})
		}
		if !own {
			continue
		}
		for _, to := range append(storePath.FindAllString(string(data), -1), otherPath.FindAllString(string(data), -1)...) {
			if strings.Contains(to, stem) {
				add(to)
			}
		}
		// Its own folder, or its own package of the store.
		if strings.Contains(path.Base(path.Dir(name)), stem) {
			add(r.Find(path.Dir(name), 50, func(string) bool { return true })...)
		}
		if pkg := storePackage(name); strings.Contains(pkg, stem) {
			add(r.Find(pkg, 100, func(base string) bool { return strings.HasSuffix(base, ".py") })...)
		}
	}
	return found
}

func storePackage(name string) string {
	rest, ok := strings.CutPrefix(name, "/nix/store/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return "/nix/store/" + first
}

// A match is a line of a file.
type match struct {
	file string
	line int
	text string
}

func (m match) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.text) }

var pythonList = regexp.MustCompile(`["']systemctl["']\s*,(?:\s*["'][^"'\n]*["']\s*,?)*`)

// waitsFor finds where the programs start one of the units by systemctl and
// wait for it. Where a unit is ordered after the program's own, that is a
// deadlock.
func waitsFor(programs []fileText, units []string) []match {
	var names []string
	for _, u := range units {
		names = append(names, regexp.QuoteMeta(strings.TrimSuffix(u, ".service")))
	}
	if len(names) == 0 {
		return nil
	}
	starts := regexp.MustCompile(`\bsystemctl\b.*\b(?:start|restart|reload-or-restart|try-restart)\b.*\b(?:` + strings.Join(names, "|") + `)(?:\.service)?(?:[\s"';&|)\],]|$)`)
	var found []match
	check := func(file string, line int, text string) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "#") || strings.Contains(text, "--no-block") || !starts.MatchString(text) {
			return
		}
		found = append(found, match{file, line, text})
	}
	for _, p := range programs {
		for i, line := range strings.Split(p.text, "\n") {
			check(p.path, i+1, line)
		}
		for _, at := range pythonList.FindAllStringIndex(p.text, -1) {
			list := p.text[at[0]:at[1]]
			if strings.Contains(list, "\n") { // one line was seen above
				check(p.path, 1+strings.Count(p.text[:at[0]], "\n"), strings.Join(strings.Fields(list), " "))
			}
		}
	}
	return found
}

var autologin = regexp.MustCompile(`(?:--autologin|(?:^|\s)-a)[\s=]+(\S+)`)

// Autologin is the user whom the console's getty logs in by itself, and the
// file that says so.
func (r *Root) Autologin(device string) (user, file string, err error) {
	// A kernel console gets its getty by a generator: serial-getty for a
	// serial port, getty for a virtual terminal.
	name := "serial-getty@" + device + ".service"
	if strings.HasPrefix(device, "tty") && len(device) > 3 && device[3] >= '0' && device[3] <= '9' {
		name = "getty@" + device + ".service"
	}
	u, err := r.Unit(name)
	if err != nil {
		return "", "", err
	}
	if u.Masked {
		return "", u.Files[0], nil
	}
	file = u.Files[len(u.Files)-1]
	for _, line := range u.All("Service", "ExecStart") {
		if m := autologin.FindStringSubmatch(strings.Join(words(line), " ")); m != nil {
			user = m[1]
		}
	}
	return user, file, nil
}

// Groups is the groups that a user belongs to.
func (r *Root) Groups(user string) []string {
	var groups []string
	if text, err := r.ReadFile("/etc/group", maxScript); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			f := strings.Split(line, ":")
			if len(f) == 4 && (f[0] == user || slices.Contains(strings.Split(f[3], ","), user)) {
				groups = append(groups, f[0])
			}
		}
		return groups
	}
	// NixOS makes its users at activation, from a list in the store.
	activate, err := r.ReadFile(r.System+"/activate", maxScript)
	if err != nil {
		return nil
	}
	for _, name := range storePath.FindAllString(string(activate), -1) {
		if !strings.HasSuffix(name, "users-groups.json") {
			continue
		}
		text, err := r.ReadFile(name, maxScript)
		if err != nil {
			continue
		}
		var spec struct {
			Groups []struct {
				Name    string
				Members []string
			}
		}
		if json.Unmarshal(text, &spec) == nil {
			for _, g := range spec.Groups {
				if slices.Contains(g.Members, user) {
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
	files := []string{"/etc/sudoers"}
	for _, base := range r.List("/etc/sudoers.d") {
		// sudo skips these names.
		if !strings.Contains(base, ".") && !strings.HasSuffix(base, "~") {
			files = append(files, "/etc/sudoers.d/"+base)
		}
	}
	who := []string{user, "ALL"}
	for _, g := range r.Groups(user) {
		who = append(who, "%"+g)
	}
	read := false
	for _, file := range files {
		text, readErr := r.ReadFile(file, maxScript)
		if readErr != nil {
			err = readErr
			continue
		}
		read = true
		for i, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
			m := sudoRule.FindStringSubmatch(strings.TrimSpace(line))
			if m == nil || !slices.Contains(who, m[1]) {
				continue
			}
			at := match{file, i + 1, strings.TrimSpace(line)}
			// The last rule that matches wins.
			if ok = strings.Contains(m[2], "NOPASSWD:"); ok {
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
func (r *Root) AuthorizedKeys(files []string, product string) []fileText {
	var found []fileText
	try := func(name string) {
		if text, err := r.ReadFile(name, 64<<10); err == nil && strings.TrimSpace(string(text)) != "" {
			found = append(found, fileText{name, strings.TrimSpace(string(text))})
		}
	}
	for _, file := range files {
		if path.IsAbs(file) {
			try(file)
			continue
		}
		if r.store == "" {
			continue
		}
		for _, pkg := range r.List("/nix/store") {
			if !strings.Contains(pkg, product) {
				continue
			}
			for _, name := range r.Find("/nix/store/"+pkg, 5, func(base string) bool { return base == file }) {
				try(name)
			}
		}
	}
	return found
}
