package prereq

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract/check"
	"bootaudit/internal/config"
)

// realNix is this host with the target's flake replaced, and one substituter.
func realNix(t *testing.T, ref, substituter string) (host, Subject) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs nix")
	}
	h := thisHost()
	if _, err := h.LookPath("nix"); err != nil {
		config.Lacking(t, err, "; apt-get install nix-bin")
	}
	h.Environ = append(slices.Clone(h.Environ), "NIX_CONFIG=substituters = "+substituter)
	all, err := check.NewTable(hostChecks(h, Subject{Target: flake("x")}))
	require.NoError(t, err)
	if f := all.Resolve(t.Context(), "nix-store"); f.Outcome != check.Holds {
		config.Lacking(t, f.Words())
	}
	return h, Subject{Target: flake(ref)}
}

func found(t *testing.T, h host, s Subject, id string) check.Finding {
	t.Helper()
	all, err := check.NewTable(hostChecks(h, s))
	require.NoError(t, err)
	return all.Resolve(t.Context(), id)
}

func writeFlake(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "flake.nix"), []byte(text), 0o644))
	return "path:" + dir
}

const (
	good        = `{ outputs = { self }: { packages.x86_64-linux.bootImage = derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; }; }; }`
	unreachable = "http://127.0.0.1:1"
)

// TestFlakesEvaluated shows real nix the flakes whose faults must be told apart.
func TestFlakesEvaluated(t *testing.T) {
	for _, c := range []struct {
		name, flake string
		want        check.Outcome
		says        string
	}{
		{"good", good, check.Holds, "shows its 1 outputs"},
		{"undefined variable", `{ outputs = { self }: { packages.x86_64-linux.a = foo; }; }`, check.Broken, "evaluation error: undefined variable 'foo', at flake.nix:1:51"},
		{"syntax error", "{ outputs = \n { self }: { ; }", check.Broken, "evaluation error: syntax error, unexpected ';'"},
		{"throws", `{ outputs = { self }: { packages.x86_64-linux.a = throw "not today"; }; }`, check.Broken, "evaluation error: not today, in packages.x86_64-linux.a"},
		{"missing input", `{ inputs.dep.url = "path:/nowhere/dep"; outputs = { self, dep }: { }; }`, check.Broken, "an input is missing"},
		{"no network", `{ inputs.dep.url = "http://127.0.0.1:1/dep.tar.gz"; outputs = { self, dep }: { }; }`, check.Absent, "no network for an input"},
		{"no flake", "", check.Broken, "there is no flake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			flake := writeFlake(t, c.flake)
			if c.flake == "" {
				flake = "path:" + t.TempDir()
			}
			h, cfg := realNix(t, flake, unreachable)
			f := found(t, h, cfg, "flake-evaluates")
			assert.Equal(t, c.want, f.Outcome, "%+v", f)
			assert.Contains(t, f.Detail, c.says, f.Evidence)
			t.Log(f.Detail)
		})
	}
}

func TestNixBuildsFromAnOddFolder(t *testing.T) {
	h, cfg := realNix(t, writeFlake(t, good), unreachable)
	h.TempDir = filepath.Join(t.TempDir(), "a b \"c\" ${d} \\")
	require.NoError(t, os.Mkdir(h.TempDir, 0o755))
	f := found(t, h, cfg, "nix-build")
	assert.True(t, f.Outcome.Met(), "%+v", f) // for root without build users, a risk
	out, err := os.ReadFile(strings.TrimPrefix(f.Detail, "built "))
	require.NoError(t, err)
	assert.Equal(t, "ok\n", string(out))
}

// TestSubstituter has real nix fetch from a binary cache of our own.
func TestSubstituter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cache", "HIT")
		if r.URL.Path != "/nix-cache-info" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"))
	}))
	defer server.Close()
	h, cfg := realNix(t, writeFlake(t, withInput(t)), server.URL)

	f := found(t, h, cfg, "substituters")
	assert.Equal(t, check.Holds, f.Outcome, "%+v", f)
	assert.Contains(t, f.Detail, "HTTP 200, X-Cache: HIT")
	f = found(t, h, cfg, "nix-fetch")
	assert.True(t, f.Outcome.Met(), "%+v", f)
	assert.Contains(t, f.Detail, "-nix-cache-info")
}

// withInput is a flake that is built from another one.
func withInput(t *testing.T) string {
	dep := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dep, "flake.nix"), []byte(`{ outputs = { self }: { }; }`), 0o644))
	return `{ inputs.dep.url = "path:` + dep + `"; outputs = { self, dep }: { }; }`
}

func TestSubstituterThatCannotBeHad(t *testing.T) {
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refuses.Close)
	withInput := withInput(t)

	for _, c := range []struct {
		name, flake, substituter string
		want                     check.Outcome
		says                     string
	}{
		{"refused", withInput, unreachable, check.Absent, "connection refused"},
		{"says nothing", withInput, "http://" + silent.Addr().String(), check.Absent, "no answer within 5s"},
		{"forbids", withInput, refuses.URL, check.Broken, "HTTP 403"},
		{"no such host", withInput, "https://cache.invalid", check.Absent, "cache.invalid"},
		{"not needed by this flake", good, unreachable, check.NotNeeded, "the flake has no inputs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, cfg := realNix(t, writeFlake(t, c.flake), c.substituter)
			all, err := check.NewTable(hostChecks(h, cfg))
			require.NoError(t, err)
			start := time.Now()
			f := all.Resolve(t.Context(), "substituters")
			assert.Equal(t, c.want, f.Outcome, "%+v", f)
			assert.Contains(t, f.Detail, c.says)
			t.Logf("known after %s", time.Since(start).Round(time.Millisecond))
			if next := all.Resolve(t.Context(), "nix-fetch"); c.want != check.NotNeeded {
				assert.Equal(t, check.Unknown, next.Outcome)
				assert.Contains(t, next.Detail, "not tried, because substituters is")
			}
		})
	}
}

// TestProfileScripts has real bash source scripts such as nix's installers write.
func TestProfileScripts(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         check.Outcome
		says         string
	}{
		{"safe", `PATH="$PROFILE/bin:$PATH"`, check.Holds, ""},
		{"does nothing", `if [ -n "${HOME-}" ] && [ -n "${USER-}" ]; then PATH="$PROFILE/bin:$PATH"; fi`, check.Risk, "does nothing with only USER=me set, so nix is installed and not found"},
		{"not under set -u", `if [ -n "$USER" ]; then :; fi; PATH="$PROFILE/bin:$PATH"`, check.Risk, "fails under set -u with only HOME="},
		{"fails", `cd "${HOME:?is not set}" || return 1`, check.Broken, "fails with only USER=me set: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			for name, text := range map[string]string{
				"bin/nix":              "#!/bin/sh\n",
				"etc/profile.d/nix.sh": "PROFILE='" + home + "/.nix-profile'\n" + c.script + "\n",
			} {
				path := filepath.Join(home, ".nix-profile", name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
			}
			h := thisHost()
			if _, err := h.LookPath("bash"); err != nil {
				t.Skip(err)
			}
			h.Environ = []string{"HOME=" + home, "USER=me"}
			r := auditor{host: h}.nixProfileScript(t.Context())
			assert.Equal(t, c.want, r.Outcome, "%+v", r)
			assert.Contains(t, r.Detail+r.Risk, c.says, r.Evidence)
		})
	}
}

// TestPythonHarness has a real Python import modules that stand for the real ones.
func TestPythonHarness(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("pyproject.toml", "[project]\ndependencies = ['pytest', 'pexpect']\n")
	write("pytest.py", "__version__ = '1'\n")
	probe := func() check.Result {
		return auditor{host: thisHost(), subject: Subject{Target: flake("path:" + dir)}}.pythonHarness(t.Context())
	}
	r := probe()
	assert.Equal(t, check.Risk, r.Outcome, "%+v", r)
	assert.NotEmpty(t, r.Risk)

	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".venv", "bin"), 0o755))
	require.NoError(t, os.Symlink(python, filepath.Join(dir, ".venv", "bin", "python")))
	write("pexpect.py", "raise ImportError('broken on purpose')\n")
	r = probe()
	assert.Equal(t, check.Broken, r.Outcome, "%+v", r)
	assert.Contains(t, r.Detail, "broken on purpose")

	write("pexpect.py", "__version__ = '2'\n")
	r = probe()
	assert.Equal(t, check.Holds, r.Outcome, "%+v", r)
	assert.Equal(t, "pytest 1 pexpect 2", r.Detail)
}
