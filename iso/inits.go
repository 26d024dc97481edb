package iso

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// inits are what an init's file is called once the links to it are followed.
var inits = []struct{ name, kind string }{
	{"systemd", "systemd"},
	{"busybox", "busybox"},
	{"openrc-init", "openrc"},
	{"runit", "runit"}, {"runit-init", "runit"},
	{"s6-linux-init", "s6"}, {"s6-svscan", "s6"},
	{"dinit", "dinit"}, {"finit", "finit"}, {"upstart", "upstart"}, {"procd", "procd"},
}

// initFiles are where a kernel looks for its init, in this order; of an initramfs,
// what comes first is where that goes on to.
func (r *Root) initFiles() []string {
	files := []string{"/sbin/init", "/etc/init", "/bin/init", "/usr/sbin/init"}
	if !r.ram {
		return files
	}
	text, err := r.readFile("/init", maxScript)
	if err != nil || !strings.HasPrefix(string(text), "#!") {
		return []string{"/init"}
	}
	for _, c := range readRun(string(text), "", "init") {
		for i, w := range c.command {
			if slices.Contains(files, w) || w == "/linuxrc" {
				return []string{w}
			}
			if w == "init" && i > 0 && path.Base(c.command[i-1]) == "busybox" && path.IsAbs(c.command[i-1]) {
				return []string{c.command[i-1]}
			}
		}
	}
	return []string{"/init"}
}

// initKind is which init the system has, and the file that tells; "" for one
// that is not known, and where there is none.
func (r *Root) initKind() (kind, by string) {
	if r.System != "" {
		return "systemd", r.System
	}
	for _, name := range r.initFiles() {
		at, n, err := r.resolve(name)
		if err != nil || n.kind != file {
			continue
		}
		if strings.HasPrefix(at, "bbin/") {
			return "u-root", name
		}
		base := path.Base(at)
		for _, i := range inits {
			if base == i.name || strings.HasPrefix(base, i.name+"-") || strings.HasPrefix(base, i.name+".") {
				return i.kind, name
			}
		}
		switch {
		case r.exists("/sbin/procd"):
			return "procd", name
		case r.exists("/etc/s6-linux-init"):
			return "s6", name
		case r.exists("/etc/runit/2"):
			return "runit", name
		case r.exists("/etc/inittab"):
			return "sysvinit", name
		}
		return "", name
	}
	// Images that were cut down for a test have units and no systemd.
	for _, folder := range unitFolders {
		if len(r.names(folder)) > 0 {
			return "systemd", folder
		}
	}
	return "", ""
}

// consoleLogin is what the system starts on a console.
type consoleLogin struct {
	user  string // who is logged in by itself; "" where a name is asked for
	shell bool   // without any login
	enter bool   // once Enter is pressed
	at    string // FILE:LINE
	file  string
}

// String is of one that logs somebody in.
func (l consoleLogin) String() string {
	says := l.at + " logs " + l.user + " in"
	if l.shell {
		says = l.at + " starts a shell of " + l.user + "'s without a login"
	}
	if l.enter {
		says += ", once Enter is pressed"
	}
	return says
}

var errNoGetty = errors.New("starts nothing on the console")

// consoleLogin finds what the init starts on a console device. The error is an
// [errors.ErrUnsupported] where that cannot be told, and errNoGetty where
// nothing is started.
func (r *Root) consoleLogin(device string) (consoleLogin, error) {
	switch kind, file := r.initKind(); kind {
	case "systemd":
		return r.unitLogin(device)
	case "sysvinit", "busybox", "procd":
		return r.tabLogin(kind, device)
	case "openrc":
		return r.serviceLogin(device, kind, r.openRC(device))
	case "runit":
		return r.serviceLogin(device, kind, r.runScripts(device, runitFolders))
	case "s6":
		l, err := r.serviceLogin(device, kind, r.runScripts(device, s6Folders))
		if err != nil || l.user == "" {
			err = fmt.Errorf("what s6 has compiled cannot be looked into, and no run script logs anybody in: %w", errors.ErrUnsupported)
		}
		return l, err
	case "u-root":
		return consoleLogin{user: "root", shell: true, at: file + ", which is u-root's,", file: file}, nil
	case "":
		if l, ok := r.initScript(file, device); ok {
			return l, nil
		}
		if file == "" {
			return consoleLogin{}, fmt.Errorf("no init is known to tell by: none of %s is in the image: %w", list(r.initFiles()), errors.ErrUnsupported)
		}
		return consoleLogin{}, fmt.Errorf("%s is no init that is known: %w", file, errors.ErrUnsupported)
	default:
		return consoleLogin{}, fmt.Errorf("the init is %s (%s), and what it starts cannot be looked into: %w", kind, file, errors.ErrUnsupported)
	}
}

// initScript is what an initramfs's /init comes to on a console where it is a
// script that starts no other init.
func (r *Root) initScript(file, device string) (consoleLogin, bool) {
	if !r.ram || file == "" {
		return consoleLogin{}, false
	}
	text, err := r.readFile(file, maxScript)
	if err != nil {
		return consoleLogin{}, false
	}
	return scriptLogin(file, string(text), device)
}

// unitLogin is what systemd's getty of the console does.
func (r *Root) unitLogin(device string) (consoleLogin, error) {
	// A kernel console gets its getty by a generator: serial-getty for a
	// serial port, getty for a virtual terminal.
	name := "serial-getty@" + device + ".service"
	if strings.HasPrefix(device, "tty") && len(device) > 3 && device[3] >= '0' && device[3] <= '9' {
		name = "getty@" + device + ".service"
	}
	u, err := r.unit(name)
	if err != nil {
		return consoleLogin{}, err
	}
	l := consoleLogin{file: u.Files[0]}
	if !u.Masked {
		l.file = u.Files[len(u.Files)-1]
		for _, o := range u.options {
			if o.section != "Service" || o.name != "ExecStart" {
				continue
			}
			if o.value == "" {
				l.user, l.at = "", ""
				continue
			}
			command := words(strings.TrimLeft(o.value, "-@:+!|"))
			if l, err = r.begins(command, u.Files[o.file], int(o.line), true); err != nil {
				return l, err
			}
		}
	}
	if who := u.Last("Service", "User"); who != "" && l.shell {
		l.user = who
	}
	if l.at == "" {
		l.at = l.file
	}
	return l, nil
}

// begins is the login that a command at a line starts; without a place where it
// starts none. Of one that is sure to be the console's, it is an
// [errors.ErrUnsupported] that it cannot be followed.
func (r *Root) begins(command []string, file string, line int, sure bool) (consoleLogin, error) {
	s := startedBy(command)
	l := consoleLogin{at: fmt.Sprintf("%s:%d", file, line), file: file}
	if s == (started{}) && sure && len(command) > 0 && path.IsAbs(command[0]) {
		s.script = command[0]
	}
	switch {
	case s.script != "":
		text, err := r.readFile(s.script, maxScript)
		if err != nil {
			return l, fmt.Errorf("%s starts %s: %w", l.at, s.script, err)
		}
		inner, ok := scriptLogin(s.script, string(text), "")
		if !ok {
			return l, fmt.Errorf("%s starts %s, which cannot be followed: %w", l.at, s.script, errors.ErrUnsupported)
		}
		return inner, nil
	case s.user == "" && !s.getty:
		return consoleLogin{}, nil
	}
	l.user, l.shell = s.user, s.shell
	return l, nil
}

// tabLogin is what an inittab starts on the console.
func (r *Root) tabLogin(kind, device string) (consoleLogin, error) {
	const name = "/etc/inittab"
	text, err := r.readFile(name, maxScript)
	if errors.Is(err, errNotThere) && kind == "busybox" {
		// init/init.c of busybox, where there is no inittab.
		return consoleLogin{user: "root", shell: true, enter: true, at: "busybox init without " + name, file: name}, nil
	}
	if err != nil {
		return consoleLogin{}, err
	}
	var first consoleLogin
	for _, e := range onConsole(parseInittab(string(text)), device) {
		ask := strings.HasPrefix(e.action, "ask")
		l, err := r.begins(words(e.do), name, e.line, ask || e.id == device)
		if err != nil {
			return l, err
		}
		if l.user != "" {
			l.enter = ask
			return l, nil
		}
		if first.at == "" {
			first = l
		}
	}
	if first.at != "" {
		return first, nil
	}
	if l, err := r.serviceLogin(device, kind, r.openRC(device)); err == nil {
		return l, nil
	}
	return consoleLogin{}, fmt.Errorf("%s %w %s", name, errNoGetty, device)
}
