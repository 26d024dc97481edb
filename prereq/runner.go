package prereq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// The lowest Go that go.mod asks for.
const lowestGo = "go1.26"

func (a auditor) runnerChecks() []check.Check {
	return append([]check.Check{
		{
			ID: "go-version", Section: check.SectionHost,
			Condition: "the go command is " + lowestGo + " or later",
			How:       "go env GOVERSION",
			Remedy:    "install Go from https://go.dev/dl, and put its bin folder on the PATH",
			Timeout:   5 * time.Second,
			Runs:      true,
			Applies:   a.ifGo,
			Probe:     a.goVersion,
		}, {
			ID: "go-modules", Section: check.SectionHost, Needs: []string{"go-version"},
			Condition: "every module that the tests are built of is here, or can be fetched",
			How:       "GOPROXY=off go list -deps -test ./...; else the same through GOPROXY",
			Remedy:    "go mod download, where there is a network",
			Timeout:   9 * time.Second,
			Runs:      true,
			Applies:   a.ifGo,
			Probe:     a.goModules,
		},
	}, onlyFor(contract.KindFlake, a.subject, []check.Check{
		{
			ID: "python-harness", Section: check.SectionHost,
			Condition: "the virtualenv of the flake's own test harness imports pytest and pexpect",
			How:       ".venv/bin/python -c 'import pytest, pexpect'",
			Remedy:    "python3 -m venv .venv && .venv/bin/pip install pytest pexpect, in the flake's folder",
			Timeout:   8 * time.Second,
			Runs:      true,
			Applies:   a.pythonHarnessApplies,
			Probe:     a.pythonHarness,
		},
	})...)
}

// ifGo says why the audit does without Go.
func (a auditor) ifGo(context.Context) string {
	if a.subject.NoGo {
		return "bootaudit runs the checks itself"
	}
	return ""
}

func (a auditor) goEnv(ctx context.Context) (env map[string]string, bad *check.Result) {
	out, bad := a.answer(ctx, call{Args: []string{"go", "env", "-json", "GOVERSION", "GOMOD", "GOPROXY", "GOFLAGS"}})
	if bad != nil {
		return nil, bad
	}
	if err := json.Unmarshal([]byte(out.Stdout), &env); err != nil {
		r := check.Break(fmt.Sprintf("go env -json prints %.60q", firstLine(out.Stdout)))
		return nil, &r
	}
	return env, nil
}

func (a auditor) goVersion(ctx context.Context) check.Result {
	path, err := a.LookPath("go")
	if err != nil {
		return check.Miss(err.Error())
	}
	env, bad := a.goEnv(ctx)
	if bad != nil {
		return *bad
	}
	have := env["GOVERSION"]
	r := check.Hold(fmt.Sprintf("%s, %s", have, path))
	// As in "go1.26.1 X:nodwarf5" or "devel go1.27-0a1b2c3".
	number, _, _ := strings.Cut(strings.TrimPrefix(have, "devel "), " ")
	number, _, _ = strings.Cut(number, "-")
	switch {
	case !version.IsValid(number):
		r = check.Doubt(fmt.Sprintf("%q is no version that we know", have))
	case version.Compare(number, lowestGo) < 0:
		r = check.Break(fmt.Sprintf("%s, %s, is older", have, path))
	}
	return r
}

func (a auditor) goModules(ctx context.Context) check.Result {
	env, bad := a.goEnv(ctx)
	if bad != nil {
		return *bad
	}
	list := call{Args: []string{"go", "list", "-deps", "-test", "./..."}}
	if filepath.Base(env["GOMOD"]) != "go.mod" {
		return check.Doubt("not started in the module's folder, so it cannot be told")
	}
	list.Dir = filepath.Dir(env["GOMOD"])
	offline := list
	offline.Env = append(slices.Clone(a.Environ), "GOPROXY=off")
	out := a.Run(ctx, offline)
	if out.Err == nil {
		return check.Hold("all of them are here: no network is needed")
	}
	online, bad := a.answer(ctx, list)
	if bad == nil {
		r := check.Hold(fmt.Sprintf("they are fetched from %s", env["GOPROXY"]))
		r.Evidence = out.Stderr + online.Stderr
		return r
	}
	r := check.Miss("modules are neither here nor to be had: " + firstLine(bad.Evidence))
	r.Evidence, r.Command = bad.Evidence, bad.Command
	return r
}

// What a repository declares its harness in.
var harnessFiles = []string{"pyproject.toml", "requirements.txt", "requirements-dev.txt", "setup.cfg", "pytest.ini", "conftest.py", "tests/conftest.py"}

// asksForPexpect is the file in dir that asks for it, or "".
func (a auditor) asksForPexpect(dir string) string {
	for _, name := range harnessFiles {
		if text, err := a.readFile(filepath.Join(dir, name)); err == nil && strings.Contains(text, "pexpect") {
			return name
		}
	}
	return ""
}

// pythonHarnessApplies: a flake has such a harness where it asks for pexpect, or
// has it.
func (a auditor) pythonHarnessApplies(context.Context) string {
	dir := a.subject.Target.FlakeDir()
	if dir == "" {
		return "the flake is not in a folder on this host"
	}
	if a.asksForPexpect(dir) != "" {
		return ""
	}
	venv := filepath.Join(dir, ".venv")
	if _, err := a.stat(venv); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "" // it may be there
	}
	if has, _ := fs.Glob(a.FS, rel(venv)+"/lib/python*/site-packages/pexpect"); has == nil { // an odd folder's name is a pattern that matches nothing
		return "there is no such harness in " + dir
	}
	return ""
}

func (a auditor) pythonHarness(ctx context.Context) check.Result {
	dir := a.subject.Target.FlakeDir()
	python := filepath.Join(dir, ".venv/bin/python")
	_, err := a.stat(filepath.Join(dir, ".venv"))
	switch {
	case errors.Is(err, fs.ErrNotExist): // a development shell may bring it
		return check.Warn(fmt.Sprintf("%s asks for pexpect, and there is no .venv in %s", a.asksForPexpect(dir), dir),
			"the flake's own harness may not run here, which this audit does without",
			"python3 -m venv .venv && .venv/bin/pip install pytest pexpect, in the flake's folder; or use its development shell")
	case err != nil:
		return check.Doubt(err.Error())
	}
	cmd := call{Dir: dir, Args: []string{python, "-c", "import pytest, pexpect; print('pytest', pytest.__version__, 'pexpect', pexpect.__version__)"}}
	out := a.Run(ctx, cmd)
	r := check.Hold(strings.TrimSpace(out.Stdout))
	if out.Err != nil {
		lines := strings.Split(strings.TrimSpace(out.Stderr), "\n")
		r = check.Break(fmt.Sprintf("%s cannot: %s (%v)", python, lines[len(lines)-1], out.Err))
		if errors.Is(out.Err, context.DeadlineExceeded) {
			r = check.Break(python + " did not end in time")
		}
	}
	r.Command, r.Evidence = cmd.String(), out.Stderr+out.Stdout
	return r
}
