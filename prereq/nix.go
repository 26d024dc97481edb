package prereq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/nix"
	"bootaudit/internal/tools"
)

// The lowest nix that bootaudit is tested with: Debian 12's.
const (
	nixMajor = 2
	nixMinor = 8
)

func (a auditor) nixChecks() []check.Check {
	get := install(tools.Nix[0])
	return onlyFor(contract.KindFlake, a.subject, []check.Check{
		{
			ID: "nix-present", Section: check.SectionHost,
			Condition: "nix is on the PATH",
			How:       "command -v nix; look into the folders of nix's profiles",
			Remedy:    get + "; where it is installed already: export USER, then source the profile script that the evidence names",
			Probe:     a.nixPresent,
		}, {
			ID: "nix-version", Section: check.SectionHost, Needs: []string{"nix-present"},
			Condition: fmt.Sprintf("nix is %d.%d or later, the oldest that bootaudit is tested with", nixMajor, nixMinor),
			How:       "nix --version",
			Remedy:    "install a later nix (https://nixos.org/download)",
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.nixVersion,
		}, {
			ID: "nix-login-shell", Section: check.SectionHost, Needs: []string{"nix-present"},
			Condition: "a fresh login shell finds nix",
			How:       "env -i HOME=$HOME USER=$USER bash -lc 'command -v nix'",
			Remedy:    "source nix's profile script from /etc/profile.d or the user's ~/.profile",
			Timeout:   5 * time.Second,
			Runs:      true,
			Probe:     a.nixLoginShell,
		}, {
			ID: "nix-profile-script", Section: check.SectionHost, Needs: []string{"nix-present"},
			Condition: "nix's profile script is there, and safe to source where HOME or USER is not set",
			How:       "env -i bash -c '. SCRIPT; echo $PATH', without HOME, without USER, without both; the same under set -u",
			Remedy:    "reinstall nix; export HOME and USER before the script is sourced",
			Timeout:   8 * time.Second,
			Runs:      true,
			Applies:   a.profileScriptApplies,
			Probe:     a.nixProfileScript,
		}, {
			ID: "nix-features", Section: check.SectionHost, Needs: []string{"nix-version"},
			Condition: "nix-command and flakes are enabled, or can be switched on for a call",
			How:       "nix eval --store dummy:// --expr 'builtins ? getFlake', with and without --extra-experimental-features",
			Remedy:    "put `experimental-features = nix-command flakes` into /etc/nix/nix.conf",
			Timeout:   8 * time.Second,
			Runs:      true,
			Probe:     a.nixFeatures,
		}, {
			ID: "nix-store", Section: check.SectionHost, Needs: []string{"nix-features"},
			Condition: "this user can use nix's store",
			How:       "nix store ping",
			Remedy:    "for a user who is not root: start nix-daemon, and join the group that may use it (Debian: nix-users)",
			Timeout:   8 * time.Second,
			Runs:      true,
			Probe:     a.nixStore,
		}, {
			ID: "nix-temp", Section: check.SectionHost, Needs: []string{"nix-present"},
			Condition: "the temporary folder can be entered by nix's build users",
			How:       "stat the folder that TMPDIR names, and its parents",
			Remedy:    "unset TMPDIR, or point it to a folder with mode 1777 below folders that anybody may search (not a shell's own /tmp/nix-shell.*)",
			Probe:     a.nixTemp,
		}, {
			ID: "nix-build", Section: check.SectionHost, Needs: []string{"nix-store"},
			Condition: "nix builds a derivation of our own, as it is configured and without a network",
			How:       "nix build --rebuild --expr 'derivation { builder = a program that writes to $out; }'",
			Remedy:    "see what nix said in the evidence; in a container without user namespaces, set sandbox = false in /etc/nix/nix.conf",
			Timeout:   9 * time.Second,
			Runs:      true,
			Probe:     a.nixBuild,
		}, {
			ID: "flake-evaluates", Section: check.SectionHost, Needs: []string{"nix-store"},
			Condition: "the flake evaluates",
			How:       "nix flake show --json --no-write-lock-file FLAKE",
			Remedy:    "see the evidence for the file and line; lock and fetch the inputs where there is a network (nix flake lock, nix flake archive)",
			Timeout:   time.Minute,
			Runs:      true,
			Probe:     a.flakeEvaluates,
		}, {
			ID: "substituters", Section: check.SectionHost, Needs: []string{"nix-store"},
			Condition: "each configured substituter answers",
			How:       "nix show-config; GET URL/nix-cache-info of each, through the environment's proxy",
			Remedy:    "allow the host (or its proxy: http_proxy, https_proxy) to reach the substituter, or take it out of nix.conf; without one everything is built here, for hours",
			Timeout:   8 * time.Second,
			Runs:      true,
			Applies:   a.hasInputs,
			Probe:     a.substituters,
		}, {
			ID: "nix-fetch", Section: check.SectionHost, Needs: []string{"substituters", "nix-build"},
			Condition: "nix itself fetches and realises a known derivation from the network",
			How:       "nix build --rebuild --expr 'derivation { builder = \"builtin:fetchurl\"; url = SUBSTITUTER/nix-cache-info; }'",
			Remedy:    "nix fetches by other means than this program: give its daemon the proxy (systemctl edit nix-daemon) and the certificates (NIX_SSL_CERT_FILE)",
			Timeout:   9 * time.Second,
			Runs:      true,
			Probe:     a.nixFetch,
		},
	})
}

// nixCommand is a call of nix as ours are made: features on, downloads that
// give up at once, words in English.
func (a auditor) nixCommand(args ...string) call {
	line := slices.Concat([]string{"nix"}, args, nix.Flags(a.FS, a.UID), nix.FailFast)
	return call{Args: line, Env: append(slices.Clone(a.Environ), "LC_ALL=C", "NO_COLOR=1")}
}

// saidBy is why a call of nix failed, by its own words.
func saidBy(out output) string { return cmp.Or(nix.ErrorIn(out.Stderr), firstLine(out.Stderr)) }

var nixVersionLine = regexp.MustCompile(`^nix \(.*\) (\d+)\.(\d+)`)

func (a auditor) nixVersion(ctx context.Context) check.Result {
	out, bad := a.answer(ctx, call{Args: []string{"nix", "--version"}})
	if bad != nil {
		return *bad
	}
	said := firstLine(out.Stdout)
	m := nixVersionLine.FindStringSubmatch(said)
	if m == nil {
		r := check.Break(fmt.Sprintf("it prints %.60q instead of its version", said))
		r.Evidence = out.Stdout + out.Stderr
		return r
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < nixMajor || major == nixMajor && minor < nixMinor {
		return check.Break(said + " is older")
	}
	return check.Hold(said)
}

func (a auditor) nixFeatures(ctx context.Context) check.Result {
	const expr = "builtins ? getFlake"
	plain := call{Args: []string{"nix", "eval", "--store", "dummy://", "--expr", expr}}
	out := a.Run(ctx, plain)
	if out.Err == nil && strings.TrimSpace(out.Stdout) == "true" {
		r := check.Hold("both are enabled in nix's configuration")
		r.Command = plain.String()
		return r
	}
	before := strings.TrimSpace(out.Stderr + out.Stdout)
	cmd := a.nixCommand("eval", "--store", "dummy://", "--expr", expr)
	out, bad := a.answer(ctx, cmd)
	if bad != nil {
		return *bad
	}
	r := check.Hold("they are switched on for our own calls; the configuration does not enable them")
	r.FollowUp = "for calls by hand, put `experimental-features = nix-command flakes` into /etc/nix/nix.conf"
	if strings.TrimSpace(out.Stdout) != "true" {
		r = check.Break("nix has no flakes even with --extra-experimental-features")
	}
	r.Command = cmd.String()
	r.Evidence = before + "\n" + out.Stderr + out.Stdout
	return r
}

func (a auditor) nixStore(ctx context.Context) check.Result {
	cmd := a.nixCommand("store", "ping")
	out, bad := a.answer(ctx, cmd)
	if bad != nil && strings.Contains(out.Stderr, "store info") { // its name in later versions
		cmd = a.nixCommand("store", "info")
		out, bad = a.answer(ctx, cmd)
	}
	if bad != nil {
		if words := saidBy(out); words != "" && ctx.Err() == nil {
			bad.Detail = words
		}
		return *bad
	}
	// Which version prints it where differs.
	words := strings.TrimSpace(out.Stdout + "\n" + out.Stderr)
	r := check.Hold("it is opened")
	for line := range strings.Lines(words) {
		if strings.HasPrefix(line, "Store URL:") {
			r.Detail = strings.TrimSpace(line)
		}
	}
	r.Command, r.Evidence = cmd.String(), words
	return r
}

// nixTemp looks for a folder above which, or at which, other users are shut
// out. It matters only where builds run as other users.
func (a auditor) nixTemp(context.Context) check.Result {
	_, err := a.stat("/nix/var/nix/daemon-socket/socket")
	daemon := err == nil
	separate := daemon || a.UID == 0 && !slices.Contains(nix.Flags(a.FS, a.UID), "build-users-group")
	var evidence []string
	var shut string
	for dir := filepath.Clean(a.TempDir); ; dir = filepath.Dir(dir) {
		info, err := a.stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return check.Break(fmt.Sprintf("the temporary folder %s is not there", a.TempDir))
		}
		if err != nil {
			return check.Doubt(err.Error())
		}
		evidence = append(evidence, fmt.Sprintf("%s %s", info.Mode(), dir))
		if !info.IsDir() {
			return check.Break(dir + " is not a folder")
		}
		if info.Mode().Perm()&1 == 0 {
			shut = fmt.Sprintf("%s has mode %04o", dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	r := check.Hold(a.TempDir + " can be entered by anybody")
	switch {
	case shut != "" && separate:
		r = check.Break(shut + ", so the build users cannot enter it and each build fails")
	case shut != "":
		r = check.Hold(shut + "; builds run as this user, who can enter it")
	}
	r.Evidence = strings.Join(evidence, "\n")
	return r
}
