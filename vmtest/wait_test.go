package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/quote"
)

// waitingGuest answers as a guest's systemctl, journalctl and ip would. Each
// `systemctl show` prints the next of the unit's states, and then the last.
func waitingGuest(t *testing.T, states []string, jobs, address string) (run func(call string) Wait) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
	}
	for i, s := range states {
		write("state-"+string(rune('0'+i)), strings.ReplaceAll(s, " ", "\n")+"\n", 0o644)
	}
	write("jobs", jobs, 0o644)
	write("systemctl", `#!/bin/sh
case "$*" in
*list-jobs*) cat "$FAKE/jobs" ;;
*is-active*) [ -n "$CLIENT" ] || exit 3 ;;
show*) n=$(cat "$FAKE/n" 2>/dev/null || echo 0)
	[ -f "$FAKE/state-$n" ] || n=$((n - 1))
	cat "$FAKE/state-$n"
	echo $((n + 1)) >"$FAKE/n" ;;
esac
`, 0o755)
	write("journalctl", "#!/bin/sh\necho the journal\n", 0o755)
	write("ip", "#!/bin/sh\ncat \"$FAKE/address\"\n", 0o755)
	write("sleep", "#!/bin/sh\n", 0o755) // nobody has to wait
	write("address", address, 0o644)
	return func(call string) Wait {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", waitScript+"\n"+call)
		cmd.Env = append(os.Environ(), "FAKE="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		require.NoError(t, err)
		w, err := parseWait(string(out))
		require.NoError(t, err)
		return w
	}
}

const (
	waiting    = "LoadState=loaded ActiveState=inactive Job=12 ExecMainStartTimestampMonotonic=0"
	activating = "LoadState=loaded ActiveState=activating Job=12 ExecMainStartTimestampMonotonic=5"
	ended      = "LoadState=loaded ActiveState=inactive Job=0 ExecMainStartTimestampMonotonic=5"
	unitFailed = "LoadState=loaded ActiveState=failed Result=exit-code ExecMainStartTimestampMonotonic=5"
	never      = "LoadState=loaded ActiveState=inactive ExecMainStartTimestampMonotonic=0"
	active     = "LoadState=loaded ActiveState=active ExecMainStartTimestampMonotonic=5"
	masked     = "LoadState=masked ActiveState=inactive ExecMainStartTimestampMonotonic=0"
	notFound   = "LoadState=not-found ActiveState=inactive ExecMainStartTimestampMonotonic=0"
)

func TestWaitUnit(t *testing.T) {
	for name, test := range map[string]struct {
		states              []string
		jobs, want, verdict string
		why                 string
	}{
		"ends":          {[]string{waiting, activating, ended}, "12 x.service start running\n", "inactive", "ok", ""},
		"starts":        {[]string{waiting, activating, active}, "", "active", "ok", ""},
		"fails":         {[]string{activating, unitFailed}, "", "inactive", "failed", "x.service failed (x.service load=loaded active=failed"},
		"never":         {[]string{never}, "", "inactive", "never-started", "x.service was never started, and no job is left that would"},
		"not found":     {[]string{notFound}, "", "active", "not-found", "x.service is not-found"},
		"masked":        {[]string{masked}, "", "active", "masked", "x.service is masked"},
		"ended instead": {[]string{activating, ended}, "", "active", "ended", "x.service has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			w := waitingGuest(t, test.states, test.jobs, "")("await_unit x.service " + test.want)
			assert.Equal(t, test.verdict, w.Verdict)
			if test.verdict != "ok" {
				assert.Contains(t, w.Why("x.service"), test.why)
				assert.Contains(t, w.Report, "--- journal of x.service\nthe journal")
			}
		})
	}
}

// A wait that nothing ends gives up by itself, and says what it knows.
func TestWaitGivesUp(t *testing.T) {
	for _, call := range []string{"await_unit x.service inactive", "await_status /nosuchfile x.service", "await_address nosuchnic x.service"} {
		w := waitingGuest(t, []string{activating}, "12 x.service start running\n", "")("limit=1; " + call)
		assert.Equal(t, "timeout", w.Verdict)
		assert.Contains(t, w.Why("x.service"), "x.service is still under way after all the time for it (x.service load=loaded active=activating")
		assert.Contains(t, w.Report, "12 x.service start running")
	}
}

func TestWaitStatus(t *testing.T) {
	for name, test := range map[string]struct {
		file, verdict string
		states        []string
	}{
		"whole":   {"STATE=applied\nDETAIL=auto-applied\n", "ok", []string{activating}},
		"half":    {"STATE=applied\n", "incomplete", []string{activating, ended}},
		"nothing": {"", "no-file", []string{activating, unitFailed}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "status")
			if test.file != "" {
				require.NoError(t, os.WriteFile(file, []byte(test.file), 0o644))
			}
			w := waitingGuest(t, test.states, "", "")("await_status " + quote.Word(file) + " x.service")
			assert.Equal(t, test.verdict, w.Verdict)
			if test.file != "" {
				assert.Equal(t, "applied", w.Status()["STATE"])
			}
			if test.verdict == "ok" {
				assert.Positive(t, w.Since)
				assert.Less(t, w.Since, time.Minute)
			}
		})
	}
}

func TestWaitAddress(t *testing.T) {
	w := waitingGuest(t, []string{activating}, "", "2: lan    inet 10.0.2.15/24 scope global lan\n")("await_address lan x.service")
	assert.Equal(t, "ok", w.Verdict)
	assert.Equal(t, "10.0.2.15/24", w.Values["address"])

	w = waitingGuest(t, []string{activating, ended}, "", "")("await_address nosuchnic x.service")
	assert.Equal(t, "no-interface", w.Verdict)
	assert.Contains(t, w.Why("x.service"), "x.service has ended")

	// The loopback stands for an interface that nobody will configure.
	w = waitingGuest(t, []string{ended}, "", "")("await_address lo x.service")
	assert.Equal(t, "no-dhcp-client", w.Verdict)

	w = waitingGuest(t, []string{ended}, "", "")("export CLIENT=1; lease=0; await_address lo x.service")
	assert.Equal(t, "no-lease", w.Verdict)

	w = waitingGuest(t, nil, "", "")("await_address nosuchnic ''")
	assert.Equal(t, "no-interface", w.Verdict)
	assert.Equal(t, "the boot has settled", w.Why(""))
}

func TestParseWait(t *testing.T) {
	w, err := parseWait("status.STATE=x=y\nverdict=ok\nuptime=12.50\nStateChangeTimestampMonotonic=10000000\n--- jobs\nnone\n--- more\n")
	require.NoError(t, err)
	assert.Equal(t, 2.5, w.Since.Seconds())
	assert.Equal(t, "--- jobs\nnone\n--- more\n", w.Report)
	assert.Equal(t, map[string]string{"STATE": "x=y"}, w.Status())
	_, err = parseWait("sh: not found\n")
	assert.ErrorContains(t, err, `the guest gave no verdict: "sh: not found\n"`)
}
