package iso

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

func (v *view) commands(r *Root) check.Result {
	want := v.Contract.Commands
	if missing := r.Missing(want); len(missing) > 0 {
		return check.Break(fmt.Sprintf("%d of %d commands are not in the image: %s", len(missing), len(want), list(missing)))
	}
	return check.Hold(fmt.Sprintf("all %d: %s", len(want), list(want)))
}

func (v *view) units(r *Root) check.Result {
	var bad, good, evidence []string
	for _, want := range v.Contract.Units {
		u, err := r.Unit(want.Name)
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		evidence = append(evidence, fmt.Sprintf("%s: %s", want.Name, list(u.Files)))
		if u.Masked {
			bad = append(bad, fmt.Sprintf("%s is masked by %s", want.Name, u.Files[0]))
			continue
		}
		faults := unitFaults(want, unitFacts{
			where: u.Files[0], kind: or(u.Last("Service", "Type"), "simple"), wantedBy: u.WantsIn, environment: u.Environment(),
		})
		bad = append(bad, faults...)
		if faults == nil {
			good = append(good, u.Files[0])
		}
	}
	result := check.Hold(list(good))
	if bad != nil {
		result = check.Break(strings.Join(bad, "; "))
	}
	result.Evidence = strings.Join(evidence, "\n")
	return result
}

// unitFacts is what is known of a unit, by evaluation or from the image.
type unitFacts struct {
	where       string // file or attribute, for an error
	kind        string
	wantedBy    []string
	environment map[string]string
}

func unitFaults(want contract.Unit, is unitFacts) []string {
	var bad []string
	if want.Type != "" && is.kind != want.Type {
		bad = append(bad, fmt.Sprintf("%s: Type is %s, not %s", is.where, is.kind, want.Type))
	}
	if want.WantedBy != "" && !slices.Contains(is.wantedBy, want.WantedBy) {
		bad = append(bad, fmt.Sprintf("%s is not wanted by %s, so it does not start (wanted by %s)", is.where, want.WantedBy, or(list(is.wantedBy), "nothing")))
	}
	for _, name := range slices.Sorted(maps.Keys(want.Environment)) {
		if value, ok := is.environment[name]; !ok {
			bad = append(bad, fmt.Sprintf("%s does not set %s=%s", is.where, name, want.Environment[name]))
		} else if value != want.Environment[name] {
			bad = append(bad, fmt.Sprintf("%s sets %s=%s, not %s", is.where, name, value, want.Environment[name]))
		}
	}
	return bad
}

func (v *view) statusFile(r *Root) check.Result {
	s := v.Contract.Storage
	u, err := r.Unit(s.Unit)
	if err != nil {
		return check.Break(err.Error())
	}
	return statusFaults(s, r.Programs(u))
}

// statusFaults looks for the status file, and the words it ends with, in what
// the provisioner runs.
func statusFaults(s contract.Storage, programs []fileText) check.Result {
	if len(programs) == 0 {
		return check.Doubt("nothing that " + s.Unit + " runs can be read")
	}
	// The folder is often a variable.
	file := firstLine(programs, regexp.MustCompile(regexp.QuoteMeta(path.Base(s.StatusFile))))
	if file == nil {
		return check.Break(fmt.Sprintf("nothing that %s runs names %s (looked through %s)", s.Unit, path.Base(s.StatusFile), paths(programs)))
	}
	var missing, seen []string
	evidence := []string{file.String()}
	for _, when := range []string{"clean", "existing"} {
		for _, o := range s.For(when) {
			for _, word := range []string{o.State, o.Detail} {
				if word == "" || slices.Contains(seen, word) {
					continue
				}
				seen = append(seen, word)
				if at := firstLine(programs, regexp.MustCompile(`(^|[^\w-])`+regexp.QuoteMeta(word)+`($|[^\w-])`)); at != nil {
					evidence = append(evidence, at.String())
				} else {
					missing = append(missing, word)
				}
			}
		}
	}
	r := check.Hold(fmt.Sprintf("%s:%d writes it; its outcomes are %s", file.file, file.line, list(seen)))
	if missing != nil {
		r = check.Break(fmt.Sprintf("%s:%d writes the status file, but nothing says %s (looked through %s)", file.file, file.line, list(missing), paths(programs)))
	}
	r.Evidence = strings.Join(evidence, "\n")
	return r
}

func firstLine(programs []fileText, what *regexp.Regexp) *match {
	for _, p := range programs {
		n := 0
		for line := range strings.Lines(p.text) {
			n++
			if line = strings.TrimSuffix(line, "\n"); what.MatchString(line) {
				line = strings.TrimSpace(line)
				return &match{p.path, n, line[:min(len(line), 200)]}
			}
		}
	}
	return nil
}

func paths(programs []fileText) string {
	var all []string
	for _, p := range programs {
		all = append(all, p.path)
	}
	if len(all) > 6 {
		all = append(all[:6], fmt.Sprintf("%d more", len(all)-6))
	}
	return list(all)
}

func (v *view) sshOrder(r *Root) check.Result {
	var bad, good []string
	for _, want := range v.Contract.Units {
		if len(want.StartedBefore) == 0 {
			continue
		}
		u, err := r.Unit(want.Name)
		if err != nil {
			return check.Break(err.Error())
		}
		for _, later := range want.StartedBefore {
			l, err := r.Unit(later)
			switch {
			case err != nil:
				bad = append(bad, err.Error())
			case l.Masked:
				bad = append(bad, fmt.Sprintf("%s is masked by %s", later, l.Files[0]))
			case !slices.Contains(l.Words("Unit", "After"), want.Name) && !slices.Contains(u.Words("Unit", "Before"), later):
				bad = append(bad, fmt.Sprintf("%s is not ordered after %s", l.Files[0], want.Name))
			default:
				good = append(good, fmt.Sprintf("%s has After=%s, and nothing in %s waits for it", l.Files[0], want.Name, want.Name))
			}
		}
		for _, m := range waitsFor(r.Programs(u), want.StartedBefore) {
			bad = append(bad, deadlock(m, want))
		}
	}
	return orderResult(bad, good)
}

func deadlock(m match, u contract.Unit) string {
	return fmt.Sprintf("%s:%d: %q waits for a unit that waits for %s: a deadlock", m.file, m.line, m.text, u.Name)
}

func orderResult(bad, good []string) check.Result {
	if bad != nil {
		return check.Break(strings.Join(bad, "; "))
	}
	return check.Hold(strings.Join(good, "; "))
}

func (v *view) autologin(r *Root) check.Result {
	want, device := v.Contract.Login, or(v.Contract.Console.Device, "ttyS0")
	var l consoleLogin
	err := r.img.ask(func() (err error) {
		l, err = r.consoleLogin(device)
		return err
	})
	switch {
	case l.user == "" && r.liveConfig() && !strings.HasPrefix(device, "ttyS"):
		return check.Doubt("live-config sets the login up while it boots; only a boot can tell")
	case l.user == "" && r.liveConfig():
		// live-config-getty-generator of 11.0.3
		return check.Break(fmt.Sprintf("live-config logs %s in on tty1 to tty6 only: the console of %s asks for a name", want.User, device))
	case errors.Is(err, errors.ErrUnsupported):
		return check.Doubt(err.Error())
	case err != nil:
		return check.Break(err.Error())
	case l.user == "":
		return check.Break(fmt.Sprintf("%s logs nobody in: the console of %s asks for a name", l.at, device))
	case want.User != "" && l.user != want.User:
		return check.Break(fmt.Sprintf("%s logs in %s, not %s", l.at, l.user, want.User))
	default:
		return check.Hold(l.String())
	}
}

// liveConfig says whether the image is one of Debian's live images, which make
// their user while they boot.
func (r *Root) liveConfig() bool {
	return r.Exists("/usr/lib/live/config") || r.Exists("/lib/live/config")
}

// liveSudo is the part of live-config that lets its user become root without a
// password; "" where the image has none.
func (r *Root) liveSudo() string {
	for _, dir := range []string{"/usr/lib/live/config", "/lib/live/config"} {
		for _, file := range r.Find(dir, 1, func(base string) bool { return strings.HasSuffix(base, "-sudo") }) {
			if text, err := r.ReadFile(file, 64<<10); err == nil && strings.Contains(string(text), "NOPASSWD") {
				return file
			}
		}
	}
	return ""
}

func (v *view) sudo(r *Root) check.Result {
	user := v.Contract.Login.User
	if methods := v.Contract.Root.Methods; len(methods) > 0 && !strings.HasPrefix(methods[0], "sudo") {
		return check.Doubt(fmt.Sprintf("the contract's way to root is %q, and only sudo's rules are looked into", methods[0]))
	}
	if user == "" {
		return check.Doubt("the contract names no user whose rules could be looked into")
	}
	lines, ok, err := r.Sudo(user)
	switch {
	case err != nil && r.liveSudo() == "":
		for _, other := range []string{"doas", "run0", "pkexec"} {
			if missing := r.Missing([]string{"sudo", other}); slices.Equal(missing, []string{"sudo"}) {
				return check.Doubt(fmt.Sprintf("%s; there is no sudo, but %s, whose rules are not looked into", err, other))
			}
		}
		return check.Break(err.Error())
	case ok:
		return check.Hold(lines[0].String())
	case r.liveSudo() != "":
		return check.Hold(r.liveSudo() + " gives the live user NOPASSWD while the image boots")
	case len(lines) > 0:
		return check.Break(fmt.Sprintf("%s asks %s for a password", lines[len(lines)-1], user))
	default:
		return check.Break(fmt.Sprintf("no rule in /etc/sudoers or /etc/sudoers.d lets %s (groups %s) become root", user, or(list(r.Groups(user)), "unknown")))
	}
}
