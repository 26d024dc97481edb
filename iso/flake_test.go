package iso

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// script is a nix that answers by subcommand.
type script map[string]func(w io.Writer) (string, error)

func (s script) run(_ context.Context, args, _ []string, w io.Writer) ([]byte, error) {
	answer, ok := s[args[0]]
	if !ok {
		return nil, fmt.Errorf("unexpected nix %s", args)
	}
	out, err := answer(w)
	return []byte(out), err
}

func prints(out string) func(io.Writer) (string, error) {
	return func(io.Writer) (string, error) { return out, nil }
}

func fails(stderr string) func(io.Writer) (string, error) {
	return func(w io.Writer) (string, error) {
		_, _ = io.WriteString(w, stderr)
		return "", errors.New("exit status 1")
	}
}

func flake(t *testing.T, s script) *Flake {
	return &Flake{
		Ref: "path:/f", Attr: "bootImage", Config: "pre-installer", CacheDir: t.TempDir(), LogDir: t.TempDir(),
		Key: contract.Key{Public: "/k.pub", Fingerprint: "SHA256:abc"}, run: s.run,
	}
}

// output is a store path with files in it.
func output(t *testing.T, files ...string) string {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a", 32)+"-boot-image")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "iso"), 0o755))
	for _, name := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	return dir
}

func built(out string) string {
	return fmt.Sprintf(`[{"drvPath":"/nix/store/x.drv","outputs":{"out":%q}}]`, out)
}

func TestBuild(t *testing.T) {
	out := output(t, "iso/image.iso", "iso/readme")
	list := fmt.Sprintf(`[{"path":%q,"deriver":"/nix/store/x.drv","narHash":"sha256-x"}]`, out)
	byPath := fmt.Sprintf(`{%q:{"deriver":"/nix/store/x.drv","narHash":"sha256-x"}}`, out)
	for name, info := range map[string]string{"list": list, "map": byPath} {
		t.Run(name, func(t *testing.T) {
			f := flake(t, script{"path-info": prints(info), "build": func(w io.Writer) (string, error) {
				fmt.Fprintln(w, "building '/nix/store/"+strings.Repeat("a", 32)+"-boot-image.drv'...")
				return built(out), nil
			}})
			b, err := f.Build(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "/nix/store/x.drv", b.Deriver)
			assert.Equal(t, "sha256-x", b.NARHash)
			assert.True(t, b.Rebuilt)
			assert.Equal(t, "SHA256:abc", b.Fingerprint)
			assert.Equal(t, "image.iso", filepath.Base(b.ISO))
			log, err := os.ReadFile(b.Log)
			require.NoError(t, err)
			assert.Contains(t, string(log), "boot-image.drv'...\n")
			assert.Contains(t, f.times(), "path:/f#bootImage")
		})
	}
}

func TestBuildOutcomes(t *testing.T) {
	long := strings.Repeat("boot-image> copying a path\n", 1000)
	for _, tt := range []struct {
		name     string
		nix      script
		check    string
		outcome  check.Outcome
		says     string
		evidence string
	}{
		{
			name: "path-info fails", nix: script{"build": prints(built(output(t, "iso/a.iso"))), "path-info": fails("error: no\n")},
			check: "flake-record", outcome: check.Holds, says: "NAR hash unknown", evidence: "deriver: /nix/store/x.drv",
		},
		{
			name: "already there", nix: script{"build": prints(built(output(t, "iso/a.iso"))), "path-info": prints("[]")},
			check: "flake-build", outcome: check.Holds, says: "was in the store already",
		},
		{
			name: "two", nix: script{"build": prints(built(output(t, "iso/a.iso", "iso/b.iso"))), "path-info": prints("[]")},
			check: "flake-output", outcome: check.Broken, says: "holds 2 .iso files, and which one is meant is unknown",
		},
		{
			name: "none", nix: script{"build": prints(built(output(t))), "path-info": prints("[]")},
			check: "flake-output", outcome: check.Broken, says: "holds no .iso",
		},
		{
			name: "gone", nix: script{"build": prints(built("/nix/store/none")), "path-info": prints("[]")},
			check: "flake-output", outcome: check.Broken, says: "/nix/store/none: no such file",
		},
		{
			name: "says nothing", nix: script{"build": prints("")},
			check: "flake-build", outcome: check.Broken, says: "names no store path",
		},
		{
			name: "fails", nix: script{"build": fails(long + "boot-image> mksquashfs: FATAL ERROR: no space left\n" + long +
				"error: builder for '/nix/store/x.drv' failed with exit code 1;\n       last 10 log lines:\n       > copying\n")},
			check: "flake-build", outcome: check.Broken, says: "builder for '/nix/store/x.drv' failed with exit code 1; (whole log: ",
			evidence: "error: builder",
		},
		{
			name: "no nix", nix: script{"build": func(io.Writer) (string, error) { return "", &exec.Error{Name: "nix", Err: exec.ErrNotFound} }},
			check: "flake-build", outcome: check.Absent, says: "install nix",
		},
		{
			name: "too late", nix: script{"build": func(io.Writer) (string, error) { return "", context.DeadlineExceeded }},
			check: "flake-build", outcome: check.Unknown, says: "did not end in time",
		},
		{
			name: "no such attribute", nix: script{"eval": fails("error: flake 'path:/f' does not provide attribute 'bootImage'\n       Did you mean bootimage?\n")},
			check: "flake-attribute", outcome: check.Broken, says: "flake 'path:/f' does not provide attribute 'bootImage' Did you mean bootimage?",
		},
		{
			name: "no derivation", nix: script{"eval": prints(`{"name":"","type":""}`)},
			check: "flake-attribute", outcome: check.Broken, says: "path:/f#bootImage is no derivation",
		},
		{
			name: "attribute", nix: script{"eval": prints(`{"name":"nixos.iso","type":"derivation"}`)},
			check: "flake-attribute", outcome: check.Holds, says: "is the derivation nixos.iso",
		},
		{
			name: "attribute without nix", nix: script{"eval": func(io.Writer) (string, error) { return "", &exec.Error{Name: "nix", Err: exec.ErrNotFound} }},
			check: "flake-attribute", outcome: check.Absent, says: "install nix",
		},
		{
			name:  "evaluation error",
			nix:   script{"eval": fails("warning: x\n\x1b[31;1merror:\x1b[0m the option boot.loader is not set\n\n       at /nix/store/" + strings.Repeat("b", 32) + "-source/hosts/image.nix:12:3:\n\n           11| x\n")},
			check: "flake-config", outcome: check.Broken, says: "the option boot.loader is not set, at hosts/image.nix:12:3",
		},
		{
			name:  "evaluation error of a newer nix",
			nix:   script{"eval": fails("error:\n       … while evaluating\n         at /nix/store/" + strings.Repeat("b", 32) + "-source/flake.nix:1:1:\n\n       (stack trace truncated)\n\n       error: attribute 'foo' missing\n       at /nix/store/" + strings.Repeat("b", 32) + "-source/x.nix:7:9:\n")},
			check: "flake-config", outcome: check.Broken, says: "attribute 'foo' missing, at x.nix:7:9",
		},
		{
			name: "no network", nix: script{"eval": fails("error: unable to download 'https://api.github.com/x': Couldn't resolve host name (6)\n")},
			check: "flake-config", outcome: check.Absent, says: "no network for what is not here yet: unable to download",
		},
		{
			name: "evaluation of another shape", nix: script{"eval": prints(`[1]`)},
			check: "flake-config", outcome: check.Broken, says: "not JSON of the asked shape",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := flake(t, tt.nix)
			r := probe(t, Subject{Contract: contract.PreNixOS(), Flake: f}, tt.check)
			assert.Equal(t, tt.outcome, r.Outcome, r.Detail)
			assert.Contains(t, r.Detail, tt.says)
			assert.Contains(t, r.Evidence, tt.evidence)
			if tt.name == "fails" {
				assert.Contains(t, r.Evidence, "FATAL ERROR: no space left")
				assert.NotContains(t, r.Evidence, "copying a path")
			}
		})
	}
}

func probe(t *testing.T, s Subject, id string) check.Finding {
	t.Helper()
	for _, c := range Checks(s) {
		if c.ID == id {
			return alone(t, c)
		}
	}
	t.Fatalf("no check %s", id)
	return check.Finding{}
}

// alone is what is found of a check, whatever became of what it needs.
func alone(t *testing.T, c check.Check) check.Finding {
	t.Helper()
	c.Needs = nil
	table, err := check.NewTable([]check.Check{c})
	require.NoError(t, err)
	return table.Resolve(t.Context(), c.ID)
}

// sound is what a sound configuration evaluates to.
func sound() evaluation {
	return evaluation{
		KernelParams: []string{"loglevel=4", "console=tty0", "console=ttyS0,115200n8"},
		Packages: []evaluatedPackage{
			{"disko", ""}, {"util-linux", ""}, {"e2fsprogs", ""}, {"mdadm", ""}, {"lvm2", ""}, {"iproute2", ""}, {"systemd", ""}, {"sudo-thing", "sudo"}, {"openssh", ""},
		},
		Autologin: "nixos",
		Sudo:      evaluatedSudo{Enable: true},
		Groups:    []string{"wheel"},
		Units: map[string]evalUnit{
			"pre-nixos": {
				Type: "oneshot", WantedBy: []string{"multi-user.target"}, Environment: map[string]string{"PRE_NIXOS_EXEC": "1", "PRE_NIXOS_STATE_DIR": "/run/pre-nixos"},
				Script: "echo applied auto-applied plan-only existing-storage >$d/storage-status\nsystemctl restart --no-block sshd",
			},
			"sshd": {After: []string{"pre-nixos.service"}},
		},
	}
}

// TestEvaluation changes a sound configuration and names the one check that
// must turn, and what it must say.
func TestEvaluation(t *testing.T) {
	unit := func(e *evaluation, name string, change func(*evalUnit)) {
		u := e.Units[name]
		change(&u)
		e.Units[name] = u
	}
	rules := func(e *evaluation, text string) {
		if err := json.Unmarshal([]byte(text), &e.Sudo.Rules); err != nil {
			panic(err)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*evaluation)
		check  string // "" when all hold
		says   string
	}{
		{"sound", func(*evaluation) {}, "", ""},
		{"no console", func(e *evaluation) { e.KernelParams = []string{"console=tty0"} }, "flake-console", "boot.kernelParams has no console=ttyS0 (it has tty0)"},
		{"no console at all", func(e *evaluation) { e.KernelParams = nil }, "flake-console", "(it has none)"},
		{"tty0 last", func(e *evaluation) { e.KernelParams = append(e.KernelParams, "console=tty0") }, "flake-console", "console=tty0 comes last in boot.kernelParams"},
		{"packages", func(e *evaluation) { e.Packages = e.Packages[1:4] }, "flake-commands", "provides disko, pvcreate, vgcreate, lvcreate, vgs, lvs, ip, networkctl, systemctl, journalctl, sudo, sshd"},
		{"no unit", func(e *evaluation) { delete(e.Units, "pre-nixos") }, "flake-unit flake-status-file", "there is no systemd.services.pre-nixos"},
		{"simple", func(e *evaluation) { unit(e, "pre-nixos", func(u *evalUnit) { u.Type = "" }) }, "flake-unit", "systemd.services.pre-nixos: Type is simple, not oneshot"},
		{"not wanted", func(e *evaluation) { unit(e, "pre-nixos", func(u *evalUnit) { u.WantedBy = nil }) }, "flake-unit", "not wanted by multi-user.target"},
		{"environment", func(e *evaluation) { unit(e, "pre-nixos", func(u *evalUnit) { u.Environment["PRE_NIXOS_EXEC"] = "0" }) }, "flake-unit", "sets PRE_NIXOS_EXEC=0, not 1"},
		{"no status file", func(e *evaluation) { unit(e, "pre-nixos", func(u *evalUnit) { u.Script = "echo applied" }) }, "flake-status-file", "nothing that pre-nixos.service runs names storage-status"},
		{"a program instead of a script", func(e *evaluation) {
			unit(e, "pre-nixos", func(u *evalUnit) { u.Script, u.Exec = "", []string{"/nix/store/x/bin/start"} })
		}, "", ""},
		{"a command that waits", func(e *evaluation) {
			unit(e, "pre-nixos", func(u *evalUnit) { u.Exec = []string{"systemctl start sshd"} })
		}, "flake-ssh-order", "systemd.services.pre-nixos.serviceConfig:1: "},
		{"no outcome", func(e *evaluation) {
			unit(e, "pre-nixos", func(u *evalUnit) { u.Script = "echo plan-only existing-storage >storage-status" })
		}, "flake-status-file", "nothing says applied, auto-applied"},
		{"waits", func(e *evaluation) {
			unit(e, "pre-nixos", func(u *evalUnit) { u.Script += "\nsystemctl start sshd.service" })
		}, "flake-ssh-order", `systemd.services.pre-nixos.script:3: "systemctl start sshd.service" waits for a unit that waits for pre-nixos.service: a deadlock`},
		{"no sshd", func(e *evaluation) { delete(e.Units, "sshd") }, "flake-ssh-order", "there is no systemd.services.sshd"},
		{"not after", func(e *evaluation) { unit(e, "sshd", func(u *evalUnit) { u.After = nil }) }, "flake-ssh-order", "systemd.services.sshd.after lacks pre-nixos.service"},
		{"before instead", func(e *evaluation) {
			unit(e, "sshd", func(u *evalUnit) { u.After = nil })
			unit(e, "pre-nixos", func(u *evalUnit) { u.Before = []string{"sshd.service"} })
		}, "", ""},
		{"nobody logged in", func(e *evaluation) { e.Autologin = "" }, "flake-autologin", "services.getty.autologinUser is not set, not nixos"},
		{"root logged in", func(e *evaluation) { e.Autologin = "root" }, "flake-autologin", "services.getty.autologinUser is root, not nixos"},
		{"no sudo", func(e *evaluation) { e.Sudo.Enable = false }, "flake-sudo", "security.sudo.enable is false"},
		{"password", func(e *evaluation) { e.Sudo.WheelNeedsPassword = true }, "flake-sudo", "asks nixos (groups wheel) for a password: wheelNeedsPassword = true"},
		{"not in wheel", func(e *evaluation) { e.Groups = nil }, "flake-sudo", "asks nixos (groups none)"},
		{"rule for the user", func(e *evaluation) {
			e.Groups = nil
			rules(e, `[{"users":["nixos"],"commands":[{"command":"ALL","options":["NOPASSWD"]}]}]`)
		}, "", ""},
		{"rule for the group", func(e *evaluation) {
			e.Sudo.WheelNeedsPassword = true
			rules(e, `[{"groups":["wheel"],"commands":[{"command":"ALL","options":["SETENV","NOPASSWD"]}]}]`)
		}, "", ""},
		{"rule with a password", func(e *evaluation) {
			e.Groups = nil
			rules(e, `[{"users":["nixos",1000],"commands":["ALL",{"command":"/bin/ls","options":["NOPASSWD"]}]}]`)
		}, "flake-sudo", "no rule says NOPASSWD"},
		{"line", func(e *evaluation) {
			e.Groups = nil
			e.Sudo.ExtraConfig = "# ours\nnixos ALL=(ALL) NOPASSWD: ALL\n"
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := sound()
			tt.change(&e)
			text, err := json.Marshal(e)
			require.NoError(t, err)
			s := Subject{Contract: contract.PreNixOS(), Flake: flake(t, script{"eval": prints(string(text))})}
			for _, id := range []string{"flake-config", "flake-console", "flake-commands", "flake-unit", "flake-status-file", "flake-ssh-order", "flake-autologin", "flake-sudo"} {
				r := probe(t, s, id)
				first, rest, _ := strings.Cut(tt.check, " ")
				switch id {
				case first:
					assert.Equal(t, check.Broken, r.Outcome, "%s: %s", id, r.Detail)
					assert.Contains(t, r.Detail, tt.says)
				case rest:
					assert.Equal(t, check.Unknown, r.Outcome, "%s: %s", id, r.Detail)
				default:
					assert.Contains(t, []check.Outcome{check.Holds, check.Risk, check.NotNeeded}, r.Outcome, "%s: %s", id, r.Detail)
				}
			}
		})
	}
}

// TestNothingPromised: what a contract leaves out is not needed.
func TestNothingPromised(t *testing.T) {
	text, err := json.Marshal(sound())
	require.NoError(t, err)
	s := Subject{Contract: contract.Contract{Name: "bare"}, Flake: flake(t, script{"eval": prints(string(text))})}
	for _, id := range []string{"flake-console", "flake-commands", "flake-unit", "flake-status-file", "flake-ssh-order", "flake-autologin", "flake-sudo", "gap-plan-only"} {
		assert.Equal(t, check.NotNeeded, probe(t, s, id).Outcome, id)
	}
	for _, c := range Checks(Subject{Contract: contract.PreNixOS()}) {
		if strings.HasPrefix(c.ID, "flake-") {
			assert.Equal(t, check.NotNeeded, alone(t, c).Outcome, c.ID)
		}
	}
}

func TestChecksComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks(Subject{Contract: contract.PreNixOS()}) {
		assert.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)+$`, c.ID)
		assert.False(t, seen[c.ID], c.ID)
		for _, need := range c.Needs {
			assert.True(t, seen[need], "%s needs %s", c.ID, need)
		}
		seen[c.ID] = true
		for field, text := range map[string]string{"Section": c.Section, "Condition": c.Condition, "How": c.How, "Remedy": c.Remedy} {
			assert.NotEmpty(t, text, "%s of %s", field, c.ID)
		}
		assert.NotNil(t, c.Probe, c.ID)
	}
}

// TestDeadline: a build ends before go test does, and says so.
func TestDeadline(t *testing.T) {
	f := flake(t, nil)
	f.run = func(ctx context.Context, _, _ []string, _ io.Writer) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := Subject{Flake: f, Deadline: time.Now().Add(grace + 50*time.Millisecond), ISO: func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}}
	for _, id := range []string{"flake-build", "flake-config", "image-opens"} {
		r := probe(t, s, id)
		assert.Equal(t, check.Unknown, r.Outcome, id)
		assert.Contains(t, r.Detail, "give it a longer one, such as -timeout 2h", id)
	}
}

// TestCallerGivesUp: what a caller's own end did to the build, the evaluation
// or the image is not what the next one gets.
func TestCallerGivesUp(t *testing.T) {
	out := output(t, "iso/a.iso")
	answers := script{"build": prints(built(out)), "path-info": prints("[]"), "eval": prints(`{"volumeID":"X"}`)}
	f := flake(t, nil)
	f.run = func(ctx context.Context, args, env []string, w io.Writer) ([]byte, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return answers.run(ctx, args, env, w)
	}
	calls := 0
	v := &view{Subject: Subject{Flake: f}}
	gone, cancel := context.WithCancel(t.Context())
	use := func(ctx context.Context) (buildErr, evalErr, openErr error) {
		_, buildErr = f.Build(ctx)
		_, evalErr = f.evaluate(ctx, contract.Contract{})
		_, openErr = v.open(ctx)
		return
	}
	// They have their turn, and then their context ends.
	first := f.run
	f.run = func(ctx context.Context, args, env []string, w io.Writer) ([]byte, error) {
		cancel()
		return first(ctx, args, env, w)
	}
	for _, err := range []error{func() error { _, err := f.Build(gone); return err }(), func() error {
		gone, cancel = context.WithCancel(t.Context())
		_, err := f.evaluate(gone, contract.Contract{})
		return err
	}(), func() error {
		gone, cancel = context.WithCancel(t.Context())
		v.ISO = func(ctx context.Context) (string, error) { calls++; cancel(); return "", ctx.Err() }
		_, err := v.open(gone)
		return err
	}()} {
		require.ErrorIs(t, err, context.Canceled)
	}
	f.run, v.ISO = first, func(context.Context) (string, error) { calls++; return "/nowhere.iso", nil }
	for range 2 {
		buildErr, evalErr, openErr := use(t.Context())
		require.NoError(t, buildErr)
		require.NoError(t, evalErr)
		require.EqualError(t, openErr, "no such file: /nowhere.iso")
	}
	assert.Equal(t, 2, calls, "that the file is not there is kept")
	assert.Equal(t, check.Unknown, noImage(context.DeadlineExceeded).Outcome)
}

func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &Flake{Log: &log}
		p := &progress{start: time.Now(), last: 5 * time.Minute}
		stop := f.beat(p)
		time.Sleep(11 * time.Second)
		p.see("building '/nix/store/" + strings.Repeat("a", 32) + "-squashfs.img.drv'...")
		time.Sleep(10 * time.Second)
		p.see("copying path '/nix/store/" + strings.Repeat("a", 32) + "-bash-5.2' from 'https://cache.example'...")
		time.Sleep(10 * time.Second)
		stop()
		assert.Equal(t, "nix build: 10s, evaluating (the last build took 5m0s)\n"+
			"nix build: 20s, building squashfs.img (the last build took 5m0s)\n"+
			"nix build: 30s, fetching bash-5.2 (the last build took 5m0s)\n", log.String())
	})
}

func TestWaitsFor(t *testing.T) {
	for text, want := range map[string]int{
		"systemctl start sshd": 1,
		"  /run/current-system/sw/bin/systemctl restart sshd.service || true": 1,
		"systemctl --no-block start sshd":                                     0,
		"systemctl start --no-block sshd.service":                             0,
		"# systemctl start sshd":                                              0,
		"systemctl status sshd":                                               0,
		"systemctl start sshd-keygen.service":                                 0,
		"systemctl start networkd":                                            0,
		`subprocess.run(["systemctl", "restart", "sshd.service"])`:            1,
		"run([\n  'systemctl',\n  'restart',\n  'sshd',\n])":                  1,
		"run([\n  'systemctl',\n  'restart',\n  '--no-block',\n  'sshd',\n])": 0,
	} {
		assert.Len(t, waitsFor([]fileText{{"f", text}}, []string{"sshd.service"}), want, text)
	}
}

func TestWords(t *testing.T) {
	assert.Equal(t, []string{"A=1", "B=two words", "C=x y", `D="`, "E="}, words(`A=1 "B=two words" C='x y' D=\" E=""`))
}

func TestTailIsBounded(t *testing.T) {
	tl := &tail{}
	for range 100 {
		_, _ = tl.Write([]byte(strings.Repeat("x", 1<<16)))
	}
	_, _ = tl.Write([]byte("\n" + strings.Repeat("line\n", 1000)))
	assert.Less(t, len(tl.String()), 200<<10)
	assert.Len(t, tl.lines, maxTail)
}
