package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bootaudit/contract/check"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// found makes a stream of findings, each under TestImage.
func found(t *testing.T, findings ...check.Finding) *Audit {
	t.Helper()
	run := NewRun("in")
	add := func(e Event) {
		e.Package = "bootaudit/iso"
		run.Add(Line{Event: &e})
	}
	ended := "pass"
	for _, f := range findings {
		if f.Outcome == check.Broken {
			ended = "fail"
		}
		value, err := json.Marshal(f)
		require.NoError(t, err)
		name := "TestImage/" + f.ID
		status := map[check.Outcome]string{check.Holds: "pass", check.Broken: "fail"}[f.Outcome]
		add(Event{Action: "run", Test: name})
		add(Event{Action: "attr", Test: name, Key: check.FindingAttr, Value: string(value)})
		add(Event{Action: cmp.Or(status, "skip"), Test: name})
	}
	add(Event{Action: ended})
	run.End()
	return NewAudit(run)
}

// TestOneCauseOneFollowUp: what was not tried because of another check is
// counted there, and does not bury it.
func TestOneCauseOneFollowUp(t *testing.T) {
	a := found(t,
		check.Finding{ID: "opens", Section: "image", Outcome: check.Absent, Detail: "no such file", Remedy: "name one"},
		check.Finding{ID: "menu", Section: "image", Outcome: check.Unknown, Because: "opens", Remedy: "a"},
		check.Finding{ID: "console", Section: "image", Outcome: check.Unknown, Because: "opens", Remedy: "b"},
		check.Finding{ID: "alone", Section: "image", Outcome: check.Unknown, Remedy: "c"},
	)
	var heads []string
	for _, f := range a.FollowUps {
		heads = append(heads, f.Head())
	}
	assert.Equal(t, []string{"opens: no such file; not tried because of it: 2 checks", "alone: "}, heads)
	assert.Equal(t, "The image is not what the boot test needs (absent: opens). Could not be told: alone. Not tried because of that: 2 more.", a.Image.Verdict)
}

func TestFollowUpsAreOrderedAndOnce(t *testing.T) {
	a := found(t,
		check.Finding{ID: "risky", Section: "image-gap", Outcome: check.Holds, Risk: "slow", FollowUp: "buy"},
		check.Finding{ID: "doubt", Section: "image", Outcome: check.Unknown, Remedy: "look"},
		check.Finding{ID: "missing", Section: "image", Outcome: check.Absent, Remedy: "install"},
		check.Finding{ID: "missing-too", Section: "image", Outcome: check.Absent, Remedy: "install"},
		check.Finding{ID: "bad", Section: "image", Outcome: check.Broken, Remedy: "mend"},
	)
	var list []string
	for _, f := range a.FollowUps {
		list = append(list, fmt.Sprint(f.Kind, f.IDs))
	}
	assert.Equal(t, []string{"broken[bad]", "absent[missing missing-too]", "unknown[doubt]", "risk[risky]"}, list)
	// Absent and unknown were skipped here, so only what is broken fails.
	require.Len(t, a.Failed(), 1)
	assert.Equal(t, []string{"bad"}, a.Failed()[0].IDs)
}

func TestAgainCanBeTyped(t *testing.T) {
	test := &Test{Name: "TestVM/it's $(odd).x", Package: &Package{Name: "bootaudit/vmtest"}}
	assert.Equal(t, `go test -count=1 -v -run "^TestVM\$/^it's \\\$\\(odd\\)\\.x\$" ./vmtest`, again(test))
}

func TestConcludeIsBounded(t *testing.T) {
	var findings []check.Finding
	for i := range 100 {
		findings = append(findings, check.Finding{ID: fmt.Sprint("check-", i), Section: "host", Outcome: check.Broken})
	}
	var b bytes.Buffer
	found(t, findings...).Conclude(&b, "out", false)
	assert.Equal(t, 20, strings.Count(b.String(), "BROKEN"))
	assert.Contains(t, b.String(), "and 80 more, in the report")
}

func TestConcludeWhenAllIsWell(t *testing.T) {
	a := found(t, check.Finding{ID: "opens", Section: "image", Outcome: check.Holds})
	var b bytes.Buffer
	a.Conclude(&b, "out", false)
	assert.Equal(t, "\nPassed, without a boot: the one condition that was tested holds\naudit: 1 hold\nreport: out/report.md (beside it: report.html, junit.xml, events.json)\n", b.String())
}
