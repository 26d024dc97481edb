package iso

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// started is what a command that an init starts on a console comes to.
type started struct {
	user  string // who is logged in without being asked for a name
	shell bool   // a shell that nobody has logged in to: root's
	// script is a program that the rest depends on; "" where there is none.
	script string
	getty  bool // it asks for a name where there is no user
}

var (
	shells  = []string{"sh", "ash", "bash", "dash", "hush", "zsh", "ksh", "mksh", "fish", "gosh"}
	getties = []string{"agetty", "getty", "mingetty", "fgetty", "mgetty", "ngetty", "uugetty", "login"}
	// wrappers run what follows their own options.
	wrappers = []string{"busybox", "toybox", "exec", "command", "setsid", "cttyhack", "env", "nohup", "nice", "chpst", "s6-setsid", "-"}
)

// startedBy reads a command. One that is neither a getty nor a shell, as one
// that only mounts something, starts nothing.
func startedBy(command []string) started {
	for len(command) > 0 {
		w := command[0]
		if !slices.Contains(wrappers, path.Base(w)) && !strings.Contains(w, "=") {
			break
		}
		command = command[1:]
		for len(command) > 0 && strings.HasPrefix(command[0], "-") && !slices.Contains(shells, command[0][1:]) {
			command = command[1:]
		}
	}
	if len(command) == 0 {
		return started{}
	}
	// init puts the dash in front of a login shell's name.
	program, args := path.Base(strings.TrimPrefix(command[0], "-")), command[1:]
	switch {
	case program == "login":
		return started{user: forced(args), getty: true}
	case program == "su" || program == "runuser":
		return started{user: switched(args)}
	case slices.Contains(shells, program):
		return shellStarted(args)
	case slices.Contains(getties, program):
		return gettyStarted(args)
	}
	// A program that starts another one, which has the getty's own path.
	for i, w := range args {
		if path.IsAbs(command[0]) && path.IsAbs(w) && slices.Contains(getties, path.Base(w)) {
			return startedBy(args[i:])
		}
	}
	return started{}
}

// forced is the user whom login's -f logs in.
func forced(args []string) string {
	for i, a := range args {
		if rest, ok := strings.CutPrefix(a, "-f"); ok {
			if rest == "" && i+1 < len(args) {
				rest = args[i+1]
			}
			if userName.MatchString(rest) {
				return rest
			}
		}
	}
	return ""
}

var userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*\$?$`)

// switched is whose shell su starts.
func switched(args []string) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-c" || a == "-s" || a == "--command" || a == "--shell":
			i++
		case strings.HasPrefix(a, "-"):
		case userName.MatchString(a):
			return a
		}
	}
	return "root"
}

// shellStarted reads a shell's arguments: without any it is root's, with a
// command or a script that is what counts.
func shellStarted(args []string) started {
	for i, a := range args {
		switch {
		case a == "-c" || a == "-lc":
			if i+1 < len(args) {
				return startedBy(words(args[i+1]))
			}
		case strings.HasPrefix(a, "-"):
		case strings.ContainsAny(a, "<>"): // where it reads from
		case path.IsAbs(a) && !strings.HasPrefix(a, "/dev/"):
			return started{script: a}
		}
	}
	return started{user: "root", shell: true}
}

// gettyOptions are those of agetty, busybox's getty and mingetty that say who
// is logged in.
func gettyStarted(args []string) started {
	s := started{getty: true}
	login, skip, options := "", false, ""
	value := func(i int, short, long string) (string, bool) {
		a := args[i]
		if rest, ok := strings.CutPrefix(a, long+"="); ok && long != "" {
			return rest, true
		}
		if a == long || a == short {
			if i+1 < len(args) {
				return args[i+1], true
			}
			return "", true
		}
		if rest, ok := strings.CutPrefix(a, short); ok && !strings.HasPrefix(a, "--") {
			return rest, true
		}
		return "", false
	}
	for i, a := range args {
		if v, ok := value(i, "-a", "--autologin"); ok {
			s.user = v
		} else if v, ok := value(i, "-l", "--login-program"); ok {
			login = v
		} else if v, ok := value(i, "-o", "--login-options"); ok {
			options = v
		} else if a == "-n" || a == "--skip-login" {
			skip = true
		}
	}
	if s.user == "" && options != "" {
		s.user = forced(words(options))
	}
	if s.user != "" || login == "" || !skip && path.Base(login) == "login" {
		return s
	}
	// What takes login's place is given a name that was asked for, or none.
	if by := startedBy([]string{login}); by.shell && skip {
		return by
	} else if !by.getty && !by.shell && skip {
		s.script = login
	}
	return s
}

var terminal = regexp.MustCompile(`^(?:tty[A-Za-z0-9]*|console|hvc[0-9]+|xvc[0-9]+|ttyS[0-9]+)$`)

// terminalOf is the terminal that a command names; "" where it names none.
func terminalOf(command []string) string {
	for _, w := range command {
		w = path.Base(strings.TrimLeft(w, "<>&0123456789"))
		if terminal.MatchString(w) {
			return w
		}
	}
	return ""
}
