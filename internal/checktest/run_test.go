package checktest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bootaudit/contract/check"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inner is set in the test binary that TestPolicy runs: its tests may fail.
const inner = "BOOTAUDIT_TEST_INNER"

func fake(id string, r check.Result, needs ...string) check.Check {
	return check.Check{ID: id, Section: check.SectionHost, Condition: "c", How: "h", Remedy: "do it", Needs: needs,
		Probe: func(context.Context) check.Result { return r }}
}

func TestInner(t *testing.T) {
	// Of three, each holds where all are under way before the first is done: or,
	// in order, where it is alone.
	var under sync.WaitGroup
	under.Add(3)
	var now atomic.Int32
	slow := fake("slow", check.Hold(""))
	slow.Probe = func(ctx context.Context) check.Result {
		if os.Getenv(inner) == "in order" {
			defer now.Add(-1)
			if now.Add(1) != 1 {
				return check.Break("it is not alone")
			}
			return check.Hold("it is alone")
		}
		under.Done()
		under.Wait()
		return check.Hold("all are under way")
	}
	slower, slowest := slow, slow
	notNeeded := fake("not-needed", check.Break("it was tried"))
	notNeeded.Applies = func(context.Context) string { return "an ISO does without" }
	slower.ID, slowest.ID = "slower", "slowest"
	table := []check.Check{
		fake("holds", check.Hold("it is there")),
		fake("broken", check.Break("it bends")),
		fake("absent", check.Miss("it is not here")),
		fake("unknown", check.Doubt("no permission to look")),
		notNeeded,
		fake("risk", check.Warn("guests are emulated", "slow", "buy")),
		fake("followed", check.Hold(""), "absent"),
		slow, slower, slowest,
	}
	required := os.Getenv("BOOT_IMAGE_REQUIRE") != ""
	switch os.Getenv(inner) {
	case "together":
		check.Run(Of(t), table, required)
	case "in order":
		check.RunInOrder(Of(t), table, required)
	case "twice":
		check.Run(Of(t), append(table, table[0]), required)
	default:
		t.Skip("is run by TestPolicy")
	}
}

// TestPolicy: what a check's outcome does to go test, which only another
// process can show.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		mode, require string
		want          map[string]string
	}{
		{"together", "", map[string]string{"holds": "PASS", "broken": "FAIL", "absent": "SKIP", "unknown": "SKIP", "not-needed": "SKIP", "risk": "PASS", "followed": "SKIP", "slow": "PASS"}},
		{"together", "1", map[string]string{"holds": "PASS", "broken": "FAIL", "absent": "FAIL", "unknown": "FAIL", "not-needed": "SKIP", "risk": "PASS", "followed": "SKIP", "slow": "PASS"}},
		{"in order", "1", map[string]string{"holds": "PASS", "broken": "FAIL", "absent": "FAIL", "unknown": "FAIL", "not-needed": "SKIP", "risk": "PASS", "followed": "SKIP", "slow": "PASS"}},
	} {
		t.Run(c.mode+" require="+c.require, func(t *testing.T) {
			t.Parallel()
			out := runInner(t, c.mode, c.require)
			for id, want := range c.want {
				assert.Regexp(t, `(?m)^\s*--- `+want+`: TestInner/`+id+` `, out)
			}
			// Lines of tests that run side by side mix.
			for _, line := range []string{"absent: c: it is not here", "remedy: do it", "not needed: c: an ISO does without", "risk: slow", "follow-up: buy"} {
				assert.Contains(t, out, line+"\n")
			}

			findings := map[string]check.Finding{}
			for _, m := range regexp.MustCompile(`(?m)=== ATTR  (\S+) finding (.*)$`).FindAllStringSubmatch(out, -1) {
				var f check.Finding
				require.NoError(t, json.Unmarshal([]byte(m[2]), &f))
				assert.Equal(t, "TestInner/"+f.ID, m[1])
				findings[f.ID] = f
			}
			assert.Len(t, findings, 10)
			assert.Equal(t, check.Finding{ID: "absent", Section: check.SectionHost, Condition: "c", How: "h", Outcome: check.Absent,
				Detail: "it is not here", Remedy: "do it", Seconds: findings["absent"].Seconds}, findings["absent"])
		})
	}
	t.Run("side by side", func(t *testing.T) {
		// -test.parallel=1 bounds how many subtests wait, never how many probe.
		out := runInner(t, "together", "", "-test.parallel=1")
		for _, id := range []string{"slow", "slower", "slowest"} {
			assert.Regexp(t, `(?m)^\s*--- PASS: TestInner/`+id+` `, out)
		}
	})
	t.Run("a table with a fault", func(t *testing.T) {
		out := runInner(t, "twice", "")
		assert.Contains(t, out, `check "holds" stands twice`)
	})
}

func runInner(t *testing.T, mode, require string, flags ...string) string {
	t.Helper()
	args := append([]string{"-test.run=^TestInner$", "-test.v"}, flags...)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BOOT_IMAGE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, inner+"="+mode, "BOOT_IMAGE_REQUIRE="+require)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the inner test binary: %v\n%s", err, out)
	}
	return string(out)
}
