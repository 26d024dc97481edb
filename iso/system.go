package iso

import (
	"errors"
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

// Missing is those of the commands that no folder of the PATH has. A link that
// leads nowhere is none, and one to a busybox that lacks the applet.
func (r *Root) Missing(commands []string) []string {
	var missing []string
	_ = r.img.ask(func() error {
		missing = r.missing(commands)
		return nil
	})
	return missing
}

func (r *Root) missing(commands []string) (missing []string) {
	applets := map[string]string{} // the text of each busybox
	has := func(dir, name string) bool {
		at, n, err := r.resolve(dir + "/" + name)
		if err != nil || n.kind == folder {
			return false
		}
		if base := path.Base(at); base == name || !strings.HasPrefix(base, "busybox") {
			return true
		}
		text, ok := applets[at]
		if !ok {
			if data, err := r.fs.read(n, maxBusybox); err == nil {
				text = string(data)
			}
			applets[at] = text
		}
		// What has no list of applets cannot be told by it.
		return !strings.Contains(text, "\x00busybox\x00") || strings.Contains(text, "\x00"+name+"\x00")
	}
	for _, c := range commands {
		if !slices.ContainsFunc(commandFolders, func(dir string) bool { return has(dir, c) }) {
			missing = append(missing, c)
		}
	}
	return missing
}

// maxBusybox is more than any busybox has; the largest, of Debian, has 2 MB.
const maxBusybox = 4 << 20

// programs are those that tell what a system is built for, the likeliest first.
var programs = []string{
	"/bin/sh", "/usr/bin/sh", "/usr/bin/bash", "/run/current-system/sw/bin/bash", "/run/current-system/sw/bin/sh",
	"/bin/busybox", "/sbin/init", "/bbin/bb", "/init",
}

// Architecture is what the system's shell is built for.
func (r *Root) Architecture() (arch, file string, err error) {
	for _, file := range programs {
		head, readErr := r.ReadFile(file, 64)
		if readErr == nil {
			if arch, readErr = elfArch(head); readErr == nil {
				return arch, file, nil
			}
		}
		if err == nil || errors.Is(err, errNotThere) && !errors.Is(readErr, errNotThere) {
			err = readErr
		}
	}
	return "", "", err
}

// A fileText is the text of a file, with its path.
type fileText struct{ path, text string }

const (
	maxScript  = 1 << 20 // bytes of one file
	maxScripts = 200     // files that are followed
	// maxTogether bounds what is read of several files for one question, in
	// bytes: a few bytes of an image unpack to a megabyte.
	maxTogether = 4 << 20
	maxMatches  = 1000 // in one file
)

// together reads files for one question, inside do.
type together struct {
	*Root
	left int64
}

func (r *Root) together() *together { return &together{r, maxTogether} }

func (t *together) read(name string, limit int64) (string, error) {
	data, err := t.readFile(name, min(limit, t.left+1))
	if t.left -= int64(len(data)); t.left < 0 {
		t.left = 0
		return "", errors.New("not read: it, and the files before it, have more than is read in all")
	}
	return string(data), err
}

var (
	storePath = regexp.MustCompile(`/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+(?:/[A-Za-z0-9+._@-]+)*`)
	otherPath = regexp.MustCompile(`/(?:usr/(?:local/)?)?(?:s?bin|lib|libexec|share)/[A-Za-z0-9+._@/-]+`)
)

// Programs is what a service runs, as far as it can be followed: the files
// that its Exec lines name, and from them on every file of the service's own,
// which is one whose path has the service's name in it.
func (r *Root) Programs(u Unit) (found []fileText) {
	_ = r.img.ask(func() error {
		found = r.programs(u)
		return nil
	})
	return found
}

func (r *Root) programs(u Unit) []fileText {
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
		if name := folder + "/" + stem; r.exists(name) {
			add(name)
			break
		}
	}
	files := r.together()
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		text, err := files.read(name, maxScript)
		if err != nil {
			continue
		}
		own := strings.Contains(name, stem)
		if own || !strings.HasPrefix(text, "\x7fELF") {
			found = append(found, fileText{name, text})
		}
		if !own {
			continue
		}
		for _, paths := range []*regexp.Regexp{storePath, otherPath} {
			for _, to := range paths.FindAllString(text, maxMatches) {
				if strings.Contains(to, stem) {
					add(to)
				}
			}
		}
		// Its own folder, or its own package of the store.
		if strings.Contains(path.Base(path.Dir(name)), stem) {
			add(r.find(path.Dir(name), 50, func(string) bool { return true })...)
		}
		if pkg := storePackage(name); strings.Contains(pkg, stem) {
			add(r.find(pkg, 100, func(base string) bool { return strings.HasSuffix(base, ".py") })...)
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
		if len(found) < maxMatches {
			found = append(found, match{file, line, text})
		}
	}
	for _, p := range programs {
		n := 0
		for line := range strings.Lines(p.text) {
			n++
			check(p.path, n, line)
		}
		line, end := 1, 0
		for _, at := range pythonList.FindAllStringIndex(p.text, maxMatches) {
			line, end = line+strings.Count(p.text[end:at[0]], "\n"), at[0]
			list := p.text[at[0]:at[1]]
			if strings.Contains(list, "\n") { // one line was seen above
				check(p.path, line, strings.Join(strings.Fields(list), " "))
			}
		}
	}
	return found
}
