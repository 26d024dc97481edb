package prereq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/contract/check"
)

// nixProfiles are the folders that installers of nix put its programs into,
// and nixScripts the files that put them on the PATH.
func (a auditor) nixProfiles() (folders, scripts []string) {
	home, user := a.home(), a.getenv("USER")
	folders = []string{"/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin", "/usr/local/bin", "/usr/bin"}
	scripts = []string{
		"/nix/var/nix/profiles/default/etc/profile.d/nix-daemon.sh", "/nix/var/nix/profiles/default/etc/profile.d/nix.sh",
		"/etc/profile.d/nix.sh", "/etc/profile.d/nix-daemon.sh",
	}
	if user != "" {
		folders = append(folders, "/etc/profiles/per-user/"+user+"/bin")
	}
	if home != "" {
		folders = append(folders, home+"/.nix-profile/bin", home+"/.local/state/nix/profile/bin")
		scripts = append(scripts, home+"/.nix-profile/etc/profile.d/nix.sh")
	}
	return folders, scripts
}

func (a auditor) nixPresent(context.Context) check.Result {
	path, err := a.LookPath("nix")
	if err == nil {
		return check.Hold(path)
	}
	evidence := []string{err.Error(), "PATH=" + a.getenv("PATH")}
	if a.getenv("USER") == "" {
		evidence = append(evidence, "USER is not set: nix's profile scripts do nothing then")
	}
	r := check.Miss("nix was found neither on the PATH nor in a profile's folder")
	if errors.Is(err, fs.ErrPermission) {
		r = check.Doubt("nix cannot be executed")
	}
	folders, scripts := a.nixProfiles()
	for _, dir := range folders {
		if _, err := a.stat(dir + "/nix"); err == nil {
			r = check.Miss(fmt.Sprintf("nix is installed in %s, which is not on the PATH", dir))
			r.FollowUp = "export PATH=" + dir + ":$PATH"
			break
		} else if errors.Is(err, fs.ErrPermission) {
			evidence = append(evidence, err.Error())
		}
	}
	for _, script := range scripts {
		if _, err := a.stat(script); err == nil {
			evidence = append(evidence, "profile script: "+script)
		}
	}
	r.Evidence = strings.Join(evidence, "\n")
	return r
}

// bash is bash by its path, for an empty environment has no PATH.
func (a auditor) bash() string {
	if path, err := a.LookPath("bash"); err == nil {
		return path
	}
	return "bash"
}

func (a auditor) nixLoginShell(ctx context.Context) check.Result {
	cmd := call{Args: []string{"env", "-i", "HOME=" + a.home(), "USER=" + a.user(), a.bash(), "-lc", "command -v nix"}}
	out := a.Run(ctx, cmd)
	lines := strings.Split(strings.TrimSpace(out.Stdout), "\n") // a profile may greet
	path := lines[len(lines)-1]
	var r check.Result
	switch {
	case errors.Is(out.Err, context.DeadlineExceeded):
		r = check.Break("a login shell did not end in time")
	case out.Err != nil || path == "":
		r = check.Break("a login shell starts, and does not find nix")
	default:
		r = check.Hold(path)
	}
	r.Command, r.Evidence = cmd.String(), out.Stderr+out.Stdout
	return r
}

// profileScripts are nix's profile scripts that are there.
func (a auditor) profileScripts() (scripts []string, err error) {
	_, candidates := a.nixProfiles()
	for _, script := range candidates {
		if _, err := a.stat(script); err == nil {
			scripts = append(scripts, script)
		} else if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
	}
	return scripts, nil
}

// profileScriptApplies: a nix that a distribution put beside its other programs
// has no such script.
func (a auditor) profileScriptApplies(context.Context) string {
	path, err := a.LookPath("nix")
	if err != nil || filepath.Dir(path) != "/usr/bin" && filepath.Dir(path) != "/usr/local/bin" && !strings.HasPrefix(path, "/run/") {
		return ""
	}
	if scripts, err := a.profileScripts(); err != nil || scripts != nil {
		return ""
	}
	return fmt.Sprintf("nix is %s, which needs no profile script", path)
}

// nixProfileScript sources each profile script as a job runner would: without
// HOME, without USER, without both; and as a careful script would, under set -u.
func (a auditor) nixProfileScript(ctx context.Context) check.Result {
	scripts, err := a.profileScripts()
	if err != nil {
		return check.Doubt(err.Error())
	}
	if scripts == nil {
		return check.Miss("no profile script of nix was found")
	}
	var seen sourced
	for _, script := range scripts {
		for _, env := range [][]string{{"USER=" + a.user()}, {"HOME=" + a.home()}, nil} {
			a.source(ctx, script, env, "", &seen)
			a.source(ctx, script, env, "set -u; ", &seen)
		}
	}
	r := check.Hold(strings.Join(scripts, ", "))
	switch {
	case seen.fails != "":
		r = check.Break(seen.fails)
	case seen.strict != "":
		r = check.Warn(r.Detail, seen.strict, "set HOME and USER before the script is sourced in a job that uses set -u")
	case seen.silent != "":
		r = check.Warn(r.Detail, seen.silent+", so nix is installed and not found", "set HOME and USER in jobs that start without them")
	}
	r.Evidence = seen.evidence.String()
	return r
}

// sourced is what was seen of profile scripts: the first that fails, the first
// that fails under set -u, the first that leaves nix off the PATH.
type sourced struct {
	fails, strict, silent string
	evidence              strings.Builder
}

func (a auditor) source(ctx context.Context, script string, env []string, set string, seen *sourced) {
	const plain = "/usr/bin:/bin"
	cmd := call{Args: slices.Concat([]string{"env", "-i", "PATH=" + plain}, env,
		[]string{a.bash(), "-c", set + `. "$1" && echo "$PATH"`, "bash", script})}
	out := a.Run(ctx, cmd)
	fmt.Fprintf(&seen.evidence, "%s\n  %s%s (%v)\n", cmd, strings.TrimSpace(out.Stdout), strings.TrimSpace(out.Stderr), out.Err)
	with := "without HOME and USER"
	if env != nil {
		with = "with only " + env[0] + " set"
	}
	switch {
	case out.Err != nil && set == "":
		seen.fails = cmp.Or(seen.fails, fmt.Sprintf("%s fails %s: %s", script, with, firstLine(out.Stderr)))
	case out.Err != nil:
		seen.strict = cmp.Or(seen.strict, fmt.Sprintf("%s fails under set -u %s: %s", script, with, firstLine(out.Stderr)))
	case strings.TrimSpace(out.Stdout) == plain:
		seen.silent = cmp.Or(seen.silent, fmt.Sprintf("%s does nothing %s", script, with))
	}
}
